"""Descriptions of a dataset's items or users, from files into the warehouse: attributes, running text, vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.ingest.attribute_staging import (
    create_attribute_tables,
    id_column,
    publish_attributes,
    stage_attributes,
)
from distaff_data.ingest.columns import named_in_each
from distaff_data.ingest.detect import existing_files
from distaff_data.ingest.embedding import embed, open_encoder
from distaff_data.ingest.layout import layout_of
from distaff_data.ingest.options import AttributesOptions, with_settings
from distaff_data.ingest.vectors import VECTORS_TABLE, Matrix, read_ids, stage_columns, vector_columns
from distaff_data.sources import Inputs, gathered
from distaff_data.tables.reports import AttributesReport
from distaff_data.warehouse import Publication, Scratch
from distaff_data.workspace import Workspace


def ingest_attributes(
    workspace: Workspace,
    entity: str,
    dataset: str,
    paths: Inputs,
    options: AttributesOptions | None = None,
    **settings: Any,
) -> AttributesReport:
    """Load what is known about a dataset's items or users: attributes, running text, feature vectors.

    Tables replace the attributes and texts that the dataset had, vectors the vectors; the other kind stays.

    Args:
        workspace: Where to.
        entity: ``item`` or ``user``.
        dataset: The dataset's name.
        paths: Tables: delimited with a header, Parquet, JSON lines, or RecBole's ``.item`` and ``.user``, in which
            Parquet's lists of floating-point numbers and RecBole's ``float_seq`` are vectors; and ``.npy`` matrices,
            named by the file or as in ``text=all-MiniLM-L6-v2.npy``; see :mod:`distaff_data.sources` for what is no file.
        options: How the files are read.
        settings: Single options by name, such as ``title="name"``; see
            :class:`~distaff_data.ingest.options.AttributesOptions`.

    Raises:
        UnknownNameError: There is no such dataset.
        InputError: The files are wrong, or none of their ids occurs in the dataset; nothing was changed.
    """
    options = with_settings(options or AttributesOptions(), settings)
    if entity not in ("item", "user"):
        raise InputError(f"attributes belong to item or user, not {entity!r}")
    names, inputs = _named(paths)
    with gathered(workspace.scratch, inputs, query=options.query) as found:
        files = existing_files(found.paths)
        # A prefix of an object store stands for several files, none of which then has another name.
        named = list(zip(names if len(names) == len(files) else [None] * len(files), files, strict=True))
        return _ingest(workspace, entity, dataset, named, options)


def _ingest(
    workspace: Workspace,
    entity: str,
    dataset: str,
    named: Sequence[tuple[str | None, Path]],
    options: AttributesOptions,
) -> AttributesReport:
    files = [path for _, path in named]
    matrices = [Matrix.open(path, name) for name, path in named if path.suffix == ".npy"]
    ids = None if options.rows is None else read_ids(existing_files([options.rows])[0])
    encoder = None if options.embed_with is None else open_encoder(Path(options.embed_with))
    warehouse = workspace.warehouse
    datasets = [row["dataset"] for row in warehouse.rows("SELECT dataset FROM datasets WHERE kind = 'interactions'")]
    if dataset not in datasets:
        raise UnknownNameError("dataset", dataset, datasets)
    with warehouse.lock(f"{entity}s/{dataset}"), Scratch(workspace.scratch, files) as scratch:
        create_attribute_tables(scratch)
        scratch.execute(VECTORS_TABLE)
        _stage_tables(scratch, entity, [path for path in files if path.suffix != ".npy"], options)
        for matrix in matrices:
            matrix.stage(scratch, ids)
        if encoder is not None:
            embed(scratch, encoder)
        entity_ids = warehouse.query(f"SELECT {entity}_id AS id FROM {entity}s WHERE dataset = ?", [dataset])
        counts = _checked_counts(scratch, entity_ids, entity, dataset, files[0])
        with warehouse.publish() as publication:
            generation = _publish(publication, scratch, dataset, entity)
    return AttributesReport(dataset, entity, generation, **counts)


def _named(paths: Inputs) -> tuple[list[str | None], Inputs]:
    """Return paths, and the names in front of them as in ``text=embeddings.npy``."""
    if isinstance(paths, str | Path):
        paths = [paths]
    if not isinstance(paths, Sequence):
        return [None], paths
    divided = [_named_path(path) for path in paths]
    return [name for name, _ in divided], [path for _, path in divided]


def _named_path(path: str | Path) -> tuple[str | None, str | Path]:
    name, equals, rest = str(path).partition("=")
    return (name, rest) if equals and rest.endswith(".npy") and not Path(path).exists() else (None, path)


def _stage_tables(scratch: Scratch, entity: str, tables: Sequence[Path], options: AttributesOptions) -> None:
    """Stage the attributes, texts and vectors of files with columns; a named column may be in any of them."""
    layouts = {path: layout_of(path, scratch, header=True) for path in tables}
    headers = {path: layout.columns for path, layout in layouts.items()}
    columns, texts = named_in_each(headers, options.columns or None), named_in_each(headers, options.text)
    for path, layout in layouts.items():
        if columns[path] != []:
            stage_attributes(
                scratch,
                entity,
                path,
                id=options.id,
                title=options.title,
                columns=columns[path],
                separator=options.separator,
                text=texts[path],
            )
        if vector_columns(layout):
            stage_columns(scratch, layout, id_column(layout, entity, options.id))


def _checked_counts(scratch: Scratch, ids: pa.Table, entity: str, dataset: str, file: Path) -> dict[str, Any]:
    """Return the counts of the report.

    Raises:
        InputError: Nothing belongs to the dataset, an id has two vectors of a name, their lengths differ, or one holds
            something that is no finite number.
    """
    scratch.stage_arrow("known", ids.schema, ids.to_batches())
    every = "(SELECT id FROM staged_attributes UNION SELECT id FROM staged_texts UNION SELECT id FROM staged_vectors)"
    described = scratch.count(f"SELECT count(*) FROM {every} SEMI JOIN known USING (id)")
    if not described:
        example = scratch.value(f"SELECT min(id) FROM {every}")
        raise InputError(
            f"none of the ids occurs in dataset {dataset!r}; is it the right column?", path=file, value=example
        )
    for name, fewest, most in scratch.rows(
        "SELECT name, min(len(vector)), max(len(vector)) FROM staged_vectors GROUP BY name"
    ):
        if fewest != most:
            raise InputError(f"vectors named {name!r} have {fewest} to {most} numbers; give them one length", path=file)
    unreal = "list_contains(list_transform(vector, lambda x: coalesce(isfinite(x), false)), false)"
    holed = scratch.rows(f"SELECT name, id FROM staged_vectors WHERE {unreal} ORDER BY ALL LIMIT 1")
    if holed:
        wrong = (
            f"a number in the vector {holed[0][0]!r} of this {entity} is missing, not finite, or too large for 32 bits"
        )
        raise InputError(wrong, path=file, value=holed[0][1])
    twice = scratch.rows("SELECT name, id FROM staged_vectors GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1")
    if twice:
        raise InputError(f"there are two vectors named {twice[0][0]!r} for this {entity}", path=file, value=twice[0][1])
    names = scratch.rows("SELECT name FROM staged_attributes GROUP BY name ORDER BY name")
    texts = scratch.rows("SELECT name FROM staged_texts GROUP BY name ORDER BY name")
    sizes = scratch.rows("SELECT name, any_value(len(vector)) FROM staged_vectors GROUP BY name ORDER BY name")
    return {
        "attributes": tuple(str(row[0]) for row in names),
        "described": described,
        "unknown": scratch.count(f"SELECT count(*) FROM {every} ANTI JOIN known USING (id)"),
        "values": scratch.count("SELECT count(*) FROM staged_attributes"),
        "texts": tuple(str(row[0]) for row in texts),
        "vectors": {str(name): int(str(size)) for name, size in sizes},
    }


def _publish(publication: Publication, scratch: Scratch, dataset: str, entity: str) -> str:
    """Publish what was staged; tables and vectors have a target each, so that either stays when the other is replaced.

    Returns:
        The last generation.
    """
    generation = publish_attributes(publication, scratch, dataset, entity)
    if scratch.count("SELECT count(*) FROM staged_vectors"):
        target = publication.target(f"{entity}-vectors/{dataset}")
        rows = scratch.stream("SELECT id, name, vector FROM staged_vectors", rows=4096)
        target.append("vectors", rows, dataset=dataset, entity=entity)
        generation = target.generation
    return generation
