"""Attributes and texts of items and users: one staged row per id, name and value, or per id and text.

The table ``staged_attributes`` has ``entity, id, name, value``; a cell with several values gives several rows. The table
``staged_texts`` has ``entity, id, name, text``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from distaff_data.errors import InputError
from distaff_data.ingest.cells import CELLS, cells
from distaff_data.ingest.columns import all_common, common, find_column, plain
from distaff_data.ingest.layout import FileLayout, layout_of
from distaff_data.ingest.lines import physical_line
from distaff_data.ingest.movielens import NO_GENRE
from distaff_data.ingest.vectors import vector_columns
from distaff_data.warehouse import Publication, Scratch, identifier, literal

_TABLES = (
    "CREATE TABLE IF NOT EXISTS staged_attributes (entity VARCHAR, id VARCHAR, name VARCHAR, value VARCHAR)",
    "CREATE TABLE IF NOT EXISTS staged_texts (entity VARCHAR, id VARCHAR, name VARCHAR, text VARCHAR)",
)
_AT_ONCE = 1000  # columns that are staged at a time: DuckDB makes room for 2048 rows of each
SEPARATOR = "|"  # between values in one cell, where neither the format nor a person says


@dataclass(frozen=True)
class _Reading:
    """How the columns of a file are read.

    Attributes:
        layout: The file.
        entity: ``item`` or ``user``.
        key: The column of ids.
        title: The column of titles, if there is one.
        texts: The columns of running text.
        separator: Between values in one cell; the format's own when None.
    """

    layout: FileLayout
    entity: str
    key: str
    title: str | None
    texts: Sequence[str]
    separator: str | None


def create_attribute_tables(scratch: Scratch) -> None:
    """Create the staging tables of attributes and texts where they are missing."""
    for table in _TABLES:
        scratch.execute(table)


def stage_attributes(
    scratch: Scratch,
    entity: str,
    path: Path,
    *,
    id: str | None = None,
    title: str | None = None,
    columns: Sequence[str] | None = None,
    separator: str | None = None,
    text: Sequence[str] | None = None,
) -> None:
    """Add a file's attributes to the table ``staged_attributes``, and its texts to ``staged_texts``.

    Args:
        scratch: The staging database.
        entity: ``item`` or ``user``.
        path: The file: delimited with a header, Parquet, JSON lines, or RecBole's ``.item`` and ``.user``.
        id: The column of ids; detected when None.
        title: The column of titles, which people are shown; detected when None, none when empty.
        columns: The columns to read; all when None.
        separator: Between values in one cell; ``|`` when None, and a space in RecBole's ``token_seq``.
        text: The columns of running text; detected by name when None.

    Raises:
        InputError: No such column, a missing id, or a file that cannot be read.
    """
    layout = layout_of(path, scratch, header=True)
    if layout.format == "lightgcn":
        raise InputError("a file of attributes needs a header that names them", path=path, line=1)
    key = id_column(layout, entity, id)
    titles = find_column(path, layout.columns, title) if title else common("title", layout.columns)
    titles = None if title == "" else titles
    vectors = vector_columns(layout)
    texts = all_common("text", layout.columns) if text is None else [find_column(path, layout.columns, t) for t in text]
    picked = [find_column(path, layout.columns, name) for name in columns] if columns else list(layout.columns)
    picked = [name for name in picked if name != key and name not in vectors]
    if not picked and vectors:
        return
    if not picked:
        raise InputError("the file has no columns besides the ids", path=path, line=1, column=key)
    create_attribute_tables(scratch)
    reading = _Reading(layout, entity, key, titles, texts, separator)
    if layout.delimiter and len(layout.columns) > _AT_ONCE:
        return _stage_wide(scratch, reading, picked)
    for start in range(0, len(picked), _AT_ONCE):
        some = picked[start : start + _AT_ONCE]
        layout.stage(scratch, "raw", [key, *some])
        _check_ids(scratch, layout, key)
        _stage_columns(scratch, reading, some)
        scratch.execute("DROP TABLE raw")


def _stage_wide(scratch: Scratch, reading: _Reading, picked: Sequence[str]) -> None:
    """Stage a delimited file of very many columns cell by cell: DuckDB's time for a table is quadratic in its columns."""
    layout, key = reading.layout, reading.key
    scratch.stage_arrow("cells", CELLS, cells(layout, key, picked))
    missing = scratch.value("SELECT min(line) FROM cells WHERE id IS NULL OR trim(id) = ''")
    if missing is not None:
        raise InputError("the id is missing", path=layout.path, line=int(str(missing)), column=key)
    apart = [column for column in picked if column == reading.title or column in reading.texts]
    for column in apart:
        scratch.execute(
            f"CREATE OR REPLACE TABLE raw AS SELECT line AS row, id AS {identifier(key)}, cell AS {identifier(column)} "
            "FROM cells WHERE name = ?",
            [column],
        )
        _stage_columns(scratch, reading, [column])
        scratch.execute("DROP TABLE raw")
    _stage_cells(scratch, reading, [column for column in picked if column not in apart])
    scratch.execute("DROP TABLE cells")


def _stage_columns(scratch: Scratch, reading: _Reading, picked: Sequence[str]) -> None:
    """Stage the title, texts and values of some columns of the table ``raw``."""
    entity, key = reading.entity, reading.key
    by_kind: dict[str, list[str]] = {}
    for column in picked:
        if column == reading.title:
            _stage_title(scratch, entity, key, column)
        elif column in reading.texts:
            _stage_text(scratch, entity, key, column)
        else:
            by_kind.setdefault(_values(reading.layout, column, reading.separator), []).append(column)
    for values, columns_alike in by_kind.items():
        _stage_values(scratch, entity, key, columns_alike, values)


def _stage_values(scratch: Scratch, entity: str, key: str, columns: Sequence[str], values: str) -> None:
    """Stage the distinct values of columns, whose cells ``values`` divides, for each id: all in one statement."""
    names = ", ".join(literal(column.partition(":")[0]) for column in columns)
    cells = f"SELECT {identifier(key)} AS id, unnest([{names}]) AS name, unnest([{_listed(columns)}]) AS cell FROM raw"
    scratch.execute(
        f"INSERT INTO staged_attributes SELECT DISTINCT ?, id, name, value "
        f"FROM (SELECT id, name, trim(unnest({values})) AS value FROM ({cells})) "
        f"WHERE value NOT IN ('', {literal(NO_GENRE)})",
        [entity],
    )


def _stage_cells(scratch: Scratch, reading: _Reading, columns: Sequence[str]) -> None:
    """Stage the distinct values of columns from the table ``cells``."""
    statements = [_values(reading.layout, column, reading.separator) for column in columns]
    kinds = pa.table({"name": columns, "kind": statements})
    scratch.stage_arrow("kinds", kinds.schema, kinds.to_batches())
    for values in sorted(set(kinds["kind"].to_pylist())):
        scratch.execute(
            "INSERT INTO staged_attributes SELECT DISTINCT ?, id, split_part(name, ':', 1), value "
            f"FROM (SELECT id, name, trim(unnest({values})) AS value FROM cells JOIN kinds USING (name) WHERE kind = ?) "
            f"WHERE value NOT IN ('', {literal(NO_GENRE)})",
            [reading.entity, values],
        )
    scratch.execute("DROP TABLE kinds")


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(identifier, columns))


def _stage_title(scratch: Scratch, entity: str, key: str, column: str) -> None:
    """Stage one title an id, the first of several."""
    title = f"trim({identifier(column)})"
    scratch.execute(
        f"INSERT INTO staged_attributes SELECT ?, {identifier(key)}, 'title', arg_min({title}, row) "
        f"FROM raw WHERE {title} <> '' GROUP BY {identifier(key)}",
        [entity],
    )


def _stage_text(scratch: Scratch, entity: str, key: str, column: str) -> None:
    """Stage one text an id, the first of several; lists are joined by blanks."""
    cell = identifier(column)
    joined = f"coalesce(array_to_string(try_cast(from_json({cell}, '[\"VARCHAR\"]') AS VARCHAR[]), ' '), {cell})"
    scratch.execute(
        f"INSERT INTO staged_texts SELECT ?, {identifier(key)}, ?, "
        f"arg_min(CASE WHEN {cell} LIKE '[%' AND json_valid({cell}) THEN {joined} ELSE {cell} END, row) "
        f"FROM raw WHERE trim({cell}) <> '' GROUP BY {identifier(key)}",
        [entity, column.partition(":")[0]],
    )


def publish_attributes(publication: Publication, scratch: Scratch, dataset: str, entity: str) -> str:
    """Publish an entity's attributes and texts under its own target, where there are any; return the generation."""
    staged = "(SELECT entity FROM staged_attributes UNION ALL SELECT entity FROM staged_texts)"
    if not scratch.count(f"SELECT count(*) FROM {staged} WHERE entity = ?", [entity]):
        return publication.generation
    target = publication.target(f"{entity}s/{dataset}")
    for table in ("attributes", "texts"):
        rows = scratch.stream(f"SELECT * FROM staged_{table} WHERE entity = ?", [entity])
        target.append(table, rows, dataset=dataset)
    return target.generation


def id_column(layout: FileLayout, entity: str, id: str | None) -> str:
    """Return the column of ids: the one named, or the one that looks like it.

    Raises:
        InputError: There is none.
    """
    if id:
        return find_column(layout.path, layout.columns, id)
    by_name = common(entity, layout.columns) or next((c for c in layout.columns if plain(c) == "id"), None)
    if by_name is None:
        columns = ", ".join(layout.columns)
        raise InputError(
            f"no column looks like the {entity}'s id; there are: {columns}; name it with --id",
            path=layout.path,
            line=1,
            column="id",
        )
    return by_name


def _values(layout: FileLayout, column: str, separator: str | None) -> str:
    """Return the SQL of the values in ``cell``, a cell of the column, as a list."""
    cell = "cell"
    if separator is None:
        separator = " " if column.endswith(":token_seq") else SEPARATOR
    several = f"string_split({cell}, {literal(separator)})"
    if layout.format == "recbole" and not column.endswith("_seq"):
        return f"[{cell}]"
    if layout.format in ("jsonl", "parquet"):
        return (
            f"CASE WHEN {cell} LIKE '[%' THEN coalesce(from_json({cell}, '[\"VARCHAR\"]'), [{cell}]) ELSE {several} END"
        )
    return several


def _check_ids(scratch: Scratch, layout: FileLayout, key: str) -> None:
    row = scratch.value(f"SELECT min(row) FROM raw WHERE {identifier(key)} IS NULL OR trim({identifier(key)}) = ''")
    if isinstance(row, int):
        line = physical_line(layout, row)
        raise InputError("the id is missing", path=layout.path, line=line, column=key)
