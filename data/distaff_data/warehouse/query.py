"""Reading: each query sees the tables it names as views over the files that are current when it starts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from distaff_data.errors import InputError, first_line, first_paragraph
from distaff_data.schema import TABLES, Table
from distaff_data.warehouse import engine
from distaff_data.warehouse.places import Place

if TYPE_CHECKING:
    import polars as pl

_LIVE = TABLES["publications"]


@dataclass(frozen=True)
class Selection:
    """Result of one read-only statement: the first rows, and whether more were left."""

    table: pa.Table
    truncated: bool


def query(place: Place, sql: str, params: Sequence[object] = ()) -> pa.Table:
    """Run Distaff's own SQL over the warehouse at ``place``; user values go through ``params``."""
    with engine.session() as con:
        _open_views(con, place, _named(sql))
        return con.sql(sql, params=list(params)).to_arrow_table()


def to_frame(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a polars frame on the same memory."""
    import polars as pl  # verbs that list a few rows do without

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def stream(place: Place, sql: str, params: Sequence[object], rows: int) -> Iterable[pa.RecordBatch]:
    """Yield the result of :func:`query` in batches of ``rows`` rows, in bounded memory."""
    with engine.session() as con:
        _open_views(con, place, _named(sql))
        yield from con.sql(sql, params=list(params)).to_arrow_reader(rows)


def select(place: Place, sql: str, *, limit: int, seconds: float, memory: str = "2GB") -> Selection:
    """Run one SELECT a person typed, with no way out of the warehouse.

    Raises:
        InputError: Not exactly one SELECT, an SQL error, or a statement stopped after ``seconds``.
    """
    # Without a temporary directory: DuckDB would let the statement read every file in it.
    with engine.connect(memory_limit=memory, temp_directory="") as con:
        try:
            statements = con.extract_statements(sql)
        except duckdb.Error as error:
            raise InputError(f"cannot read the statement: {first_line(error)}") from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InputError("give exactly one SELECT statement; everything else is refused")
        engine.lock(con, _open_views(con, place, TABLES))
        timer = threading.Timer(seconds, con.interrupt)
        timer.start()
        try:
            table = _head(con.sql(sql).to_arrow_reader(min(limit + 1, 100_000)), limit + 1)
        except duckdb.InterruptException:
            raise InputError(f"the statement ran longer than {seconds:g} s and was stopped") from None
        except duckdb.Error as error:
            raise InputError(f"the statement failed: {first_paragraph(error)}") from None
        finally:
            timer.cancel()
    return Selection(table.slice(0, limit), table.num_rows > limit)


def rows_of(con: duckdb.DuckDBPyConnection, table: Table, stored: str | None) -> str:
    """Make a view of all rows of a table, live or not, on a connection; returns its name.

    ``stored`` is the relation that holds them, as :meth:`~distaff_data.warehouse.places.Place.rows` gives it.
    """
    con.execute(f"CREATE TEMP VIEW every_row AS {_rows(table, stored)}")
    return "every_row"


def generations(place: Place, table: str) -> set[str]:
    """Return every generation with rows in a table, live or not."""
    with engine.session() as con:
        rows, _ = place.rows(con, table)
        if rows is None:
            return set()
        return {str(row[0]) for row in con.execute(f"SELECT DISTINCT generation FROM {rows}").fetchall()}


def _named(sql: str) -> set[str]:
    """Return the tables whose names occur in a statement; one view too many costs a millisecond."""
    return TABLES.keys() & set(re.findall(r"\w+", sql))


def _open_views(con: duckdb.DuckDBPyConnection, place: Place, names: Iterable[str]) -> list[Path]:
    """Make the views of ``names``; returns the files that DuckDB reads.

    ``publications`` is resolved first. A generation's rows are appended before its publication, so the files resolved
    afterwards hold every row of each generation seen as live; the other way round a reader could meet half of one.
    """
    wanted = [_LIVE, *(TABLES[name] for name in sorted(names) if name != _LIVE.name)]
    files: list[Path] = []
    for table in wanted:
        stored, read = place.rows(con, table.name)
        files += read
        con.execute(f"CREATE TEMP VIEW {engine.identifier(table.name)} AS {_view(table, stored)}")
    return files


def _view(table: Table, stored: str | None) -> str:
    """Return the SQL of a table's view: of a log the newest row of each key, of a generation table what is live."""
    rows = _rows(table, stored)
    if table.key is None:
        return f"{rows} WHERE generation IN (SELECT generation FROM {_LIVE.name} WHERE generation IS NOT NULL)"
    key = ", ".join(table.key)
    return f"{rows} QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY written_at DESC) = 1"


def _rows(table: Table, stored: str | None) -> str:
    """Return the SQL of all stored rows of a table; a typed selection of no row fills in columns that older files lack."""
    columns = ", ".join(engine.identifier(column.name) for column in table.columns)
    typed = (f"CAST(NULL AS {engine.type_name(c.type)}) AS {engine.identifier(c.name)}" for c in table.columns)
    rows = f"SELECT {', '.join(typed)} WHERE false"
    if stored is not None:
        rows += f" UNION ALL BY NAME SELECT * FROM {stored}"
    return f"SELECT {columns} FROM ({rows})"


def _head(reader: pa.RecordBatchReader, limit: int) -> pa.Table:
    kept: list[pa.RecordBatch] = []
    missing = limit
    for batch in reader:
        kept.append(batch.slice(0, missing))
        missing -= kept[-1].num_rows
        if missing <= 0:
            break
    return pa.Table.from_batches(kept, schema=reader.schema)
