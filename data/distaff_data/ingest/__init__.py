"""Files of interactions and attributes into the warehouse: detected, checked, refined, and published whole or not at all.

All work over rows is SQL in a scratch database on disk, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.ingest.attributes import FOUND, FOUND_TEXTS, id_column, stage_attributes
from distaff_data.ingest.columns import named_in_each
from distaff_data.ingest.detect import Source, existing_files, find_source
from distaff_data.ingest.embedding import embed, open_encoder
from distaff_data.ingest.layout import FORMATS, layout_of
from distaff_data.ingest.publish import Description, check_new, number_entities, publish_interactions
from distaff_data.ingest.refine import refine
from distaff_data.ingest.staging import Staged, stage_events
from distaff_data.ingest.vectors import FOUND_VECTORS, Matrix, read_ids, stage_columns, vector_columns
from distaff_data.splits.interactions import Split, parse_split
from distaff_data.tables.reports import AttributesReport, IncidentsReport, IngestReport
from distaff_data.warehouse import Publication, Scratch
from distaff_data.workspace import Workspace

Paths = str | Path | Sequence[str | Path]


def ingest_interactions(
    workspace: Workspace,
    name: str,
    paths: Paths,
    *,
    format: str | None = None,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    time: str | None = None,
    min_rating: float | None = None,
    min_interactions: int = 0,
    split: str | None = "random:0.8,0.1,0.1",
    seed: int = 0,
    replace: bool = False,
) -> IngestReport:
    """Load files of interactions as a dataset.

    A pair of user and item that repeats is merged: its latest row counts, or the first where there is no time. The
    rating threshold is applied after that, so that a user's last opinion decides.

    Args:
        workspace: Where to.
        name: Name of the dataset.
        paths: Files, one folder, or the prefix of RecBole's atomic files. Where file names or a column (``x_label``)
            divide the rows into train, valid and test, that split is kept exactly and ``split`` is not used.
        format: One of ``FORMATS``; detected from names and content when None.
        user: Column of user ids; detected when None.
        item: Column of item ids; detected when None.
        rating: Column of ratings or weights; detected when None, none when empty.
        time: Column of times, as numbers or ISO dates; detected when None, none when empty.
        min_rating: Leave out interactions rated lower.
        min_interactions: Leave out users and items with fewer, until all that stay have as many (k-core).
        split: See :func:`distaff_data.splits.interactions.parse_split`; None puts everything into train.
        seed: Seed of a random split.
        replace: Replace a dataset of that name.

    Raises:
        InputError: The files or the options are wrong; nothing was changed.
    """
    parsed = _check_options(format, split, min_rating, min_interactions)
    source = find_source([paths] if isinstance(paths, str | Path) else paths)
    warehouse = workspace.warehouse
    check_new(warehouse, name, replace=replace)  # before the reading, which may take minutes
    with warehouse.lock(f"dataset/{name}"), Scratch(workspace.scratch, source.files) as scratch:
        check_new(warehouse, name, replace=replace)
        required = [
            *(["rating"] if min_rating is not None else []),
            *(["time"] if parsed and parsed.needs_time else []),
        ]
        chosen = {"user": user, "item": item, "rating": rating, "time": time}
        staged = stage_events(scratch, source.parts, format, chosen, required)
        refined = refine(
            scratch,
            given_split=staged.given_split,
            split=parsed,
            seed=seed,
            min_rating=min_rating,
            min_interactions=min_interactions,
        )
        _stage_beside(scratch, source)
        counts = number_entities(scratch)
        facts = {**counts, **vars(refined)}
        settings = {
            "format": staged.format,
            "columns": dict(staged.columns),
            "min_rating": min_rating,
            "min_interactions": min_interactions,
            "split": _split_name(staged, parsed),
            "seed": seed,
        }
        files = ", ".join(str(path) for path in source.files)
        generation = publish_interactions(
            warehouse,
            scratch,
            Description(name, files, settings, facts),
            lambda publication: _publish_beside(publication, scratch, name),
        )
    return IngestReport(name, generation, staged.format, staged.columns, _split_name(staged, parsed), **facts)


def ingest_attributes(
    workspace: Workspace,
    entity: str,
    dataset: str,
    paths: Paths,
    *,
    id: str | None = None,
    title: str | None = None,
    columns: Sequence[str] | None = None,
    separator: str | None = None,
    text: Sequence[str] | None = None,
    rows: str | Path | None = None,
    embed_with: str | Path | None = None,
) -> AttributesReport:
    """Load what is known about a dataset's items or users: attributes, running text, feature vectors.

    Tables replace the attributes and texts that the dataset had, vectors the vectors; the other kind stays.

    Args:
        workspace: Where to.
        entity: ``item`` or ``user``.
        dataset: The dataset's name.
        paths: Tables: delimited with a header, Parquet, JSON lines, or RecBole's ``.item`` and ``.user``, in which
            Parquet's lists of floating-point numbers and RecBole's ``float_seq`` are vectors; and ``.npy`` matrices,
            named by the file or as in ``text=all-MiniLM-L6-v2.npy``.
        id: Column of ids; detected when None.
        title: Column of titles, which people are shown; detected when None, none when empty.
        columns: Columns to read, each of any of the tables; all when None.
        separator: Between values in one cell; ``|`` when None, and a space in RecBole's ``token_seq``.
        text: Columns of running text, such as descriptions, each of any of the tables; detected by name when None.
        rows: A file with the id of each row of the matrices, an id a line or ``.npy``; the rows' numbers when None.
        embed_with: A folder with a sentence-transformers model, which makes vectors named ``text`` of what the tables say.

    Raises:
        UnknownNameError: There is no such dataset.
        InputError: The files are wrong, or none of their ids occurs in the dataset; nothing was changed.
    """
    if entity not in ("item", "user"):
        raise InputError(f"attributes belong to item or user, not {entity!r}")
    named = [_named(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    files = existing_files([path for _, path in named])
    matrices = [Matrix.open(path, name) for name, path in named if path.suffix == ".npy"]
    tables = [path for path in files if path.suffix != ".npy"]
    ids = None if rows is None else read_ids(existing_files([rows])[0])
    encoder = None if embed_with is None else open_encoder(Path(embed_with))
    warehouse = workspace.warehouse
    known = [row["dataset"] for row in warehouse.rows("SELECT dataset FROM datasets WHERE kind = 'interactions'")]
    if dataset not in known:
        raise UnknownNameError("dataset", dataset, known)
    with warehouse.lock(f"{entity}s/{dataset}"), Scratch(workspace.scratch, files) as scratch:
        for table in (FOUND, FOUND_TEXTS, FOUND_VECTORS):
            scratch.execute(table)
        layouts = {path: layout_of(path, scratch, header=True) for path in tables}
        headers = {path: layout.columns for path, layout in layouts.items()}
        picked, texts = named_in_each(headers, columns or None), named_in_each(headers, text)
        for path, layout in layouts.items():
            if picked[path] != []:
                mine = {"columns": picked[path], "text": texts[path]}
                stage_attributes(scratch, entity, path, id=id, title=title, separator=separator, **mine)
            if vector_columns(layout):
                stage_columns(scratch, layout, id_column(layout, entity, id))
        for matrix in matrices:
            matrix.stage(scratch, ids)
        if encoder is not None:
            embed(scratch, encoder)
        theirs = warehouse.query(f"SELECT {entity}_id AS id FROM {entity}s WHERE dataset = ?", [dataset])
        counts = _check_found(scratch, theirs, entity, dataset, files[0])
        with warehouse.publish() as publication:
            generation = _publish_found(publication, scratch, dataset, entity)
    return AttributesReport(dataset, entity, generation, **counts)


def _named(path: str | Path) -> tuple[str | None, Path]:
    """A path, and the name in front of it as in ``text=embeddings.npy``."""
    name, equals, rest = str(path).partition("=")
    return (name, Path(rest)) if equals and rest.endswith(".npy") and not Path(path).exists() else (None, Path(path))


def _check_found(scratch: Scratch, known: pa.Table, entity: str, dataset: str, file: Path) -> dict[str, Any]:
    """Counts for the report.

    Raises:
        InputError: Nothing belongs to the dataset, an id has two vectors of a name, or their lengths differ.
    """
    scratch.stage_arrow("known", known.schema, known.to_batches())
    every = "(SELECT id FROM found UNION SELECT id FROM found_texts UNION SELECT id FROM found_vectors)"
    described = scratch.count(f"SELECT count(*) FROM {every} SEMI JOIN known USING (id)")
    if not described:
        example = scratch.value(f"SELECT min(id) FROM {every}")
        raise InputError(
            f"none of the ids occurs in dataset {dataset!r}; is it the right column?", path=file, value=example
        )
    for name, fewest, most in scratch.rows(
        "SELECT name, min(len(vector)), max(len(vector)) FROM found_vectors GROUP BY name"
    ):
        if fewest != most:
            raise InputError(f"vectors named {name!r} have {fewest} to {most} numbers; give them one length", path=file)
    twice = scratch.rows("SELECT name, id FROM found_vectors GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1")
    if twice:
        raise InputError(f"there are two vectors named {twice[0][0]!r} for this {entity}", path=file, value=twice[0][1])
    names = scratch.rows("SELECT name FROM found GROUP BY name ORDER BY name")
    texts = scratch.rows("SELECT name FROM found_texts GROUP BY name ORDER BY name")
    sizes = scratch.rows("SELECT name, any_value(len(vector)) FROM found_vectors GROUP BY name ORDER BY name")
    return {
        "attributes": tuple(str(row[0]) for row in names),
        "described": described,
        "unknown": scratch.count(f"SELECT count(*) FROM {every} ANTI JOIN known USING (id)"),
        "values": scratch.count("SELECT count(*) FROM found"),
        "texts": tuple(str(row[0]) for row in texts),
        "vectors": {str(name): int(str(size)) for name, size in sizes},
    }


def _publish_found(publication: Publication, scratch: Scratch, dataset: str, entity: str) -> str:
    """What is known has two targets, so that tables stay when vectors are replaced; returns the last generation."""
    generation = _publish_written(publication, scratch, dataset, entity)
    if scratch.count("SELECT count(*) FROM found_vectors"):
        measured = publication.target(f"{entity}-vectors/{dataset}")
        rows = scratch.stream("SELECT id, name, vector FROM found_vectors", rows=4096)
        measured.append("vectors", rows, dataset=dataset, entity=entity)
        generation = measured.generation
    return generation


def _publish_written(publication: Publication, scratch: Scratch, dataset: str, entity: str) -> str:
    """Attributes and texts of an entity under its own target, where there are any."""
    written = "(SELECT entity FROM found UNION ALL SELECT entity FROM found_texts)"
    if not scratch.count(f"SELECT count(*) FROM {written} WHERE entity = ?", [entity]):
        return publication.generation
    target = publication.target(f"{entity}s/{dataset}")
    for table, staged in (("attributes", "found"), ("texts", "found_texts")):
        target.append(table, scratch.stream(f"SELECT * FROM {staged} WHERE entity = ?", [entity]), dataset=dataset)
    return target.generation


def _check_options(
    format: str | None, split: str | None, min_rating: float | None, min_interactions: int
) -> Split | None:
    if format is not None and format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    if min_rating is not None and min_rating != min_rating:
        raise InputError("the rating threshold is a number", value=min_rating)
    if min_interactions < 0:
        raise InputError("the least number of interactions is 0 or more", value=min_interactions)
    return None if split is None else parse_split(split)


def _split_name(staged: Staged, split: Split | None) -> str:
    return "given" if staged.given_split else str(split or "none")


def _stage_beside(scratch: Scratch, source: Source) -> None:
    scratch.execute(FOUND)
    scratch.execute(FOUND_TEXTS)
    for entity, path in (("item", source.items), ("user", source.users)):
        if path is not None:
            stage_attributes(scratch, entity, path)


def _publish_beside(publication: Publication, scratch: Scratch, name: str) -> None:
    """Attributes have their own target: they stay when the interactions alone are ingested again."""
    for entity in ("item", "user"):
        _publish_written(publication, scratch, name, entity)


__all__ = ["FORMATS", "AttributesReport", "IncidentsReport", "IngestReport", "ingest_attributes", "ingest_interactions"]
