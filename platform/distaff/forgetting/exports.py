"""Files in a workspace that somebody exported there, and that name people: found, and cleaned on request.

What ``--out`` wrote is its owner's, so it is told and left as it is unless a request says otherwise. Files of Distaff's own,
which other steps look after, are in :data:`OWN`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from distaff import exports
from distaff_data.errors import DistaffError
from distaff_data.workspace import Workspace

OWN = frozenset({"warehouse", "runs", "sweeps", "bin", "watches", ".scratch"})
_TABLES = frozenset({".csv", ".parquet", ".arrow"})
_LINES = pa_csv.ParseOptions(newlines_in_values=True)
_CHUNK = 1 << 20  # bytes of a file of another kind that are searched at a time


def naming(workspace: Workspace, people: Sequence[str]) -> list[Path]:
    """Return the files outside Distaff's own folders that name one of the people: in a cell, or anywhere in other files."""
    return [file for file in _files(workspace) if _names(file, people)]


def clean(files: Sequence[Path], people: Sequence[str]) -> list[Path]:
    """Take every row out of exported tables that names one of the people; returns the files that were rewritten.

    A file of another kind, or one that cannot be read, stays as it is.
    """
    return [file for file in files if file.suffix in _TABLES and _rewritten(file, people)]


def _files(workspace: Workspace) -> list[Path]:
    files = []
    for entry in sorted(workspace.root.iterdir()):
        if entry.name not in OWN and entry != workspace.config and not entry.is_symlink():
            inside = entry.rglob("*") if entry.is_dir() else [entry]
            files += sorted(file for file in inside if file.is_file() and not file.is_symlink())
    return files


def _names(file: Path, people: Sequence[str]) -> bool:
    try:
        if file.suffix in _TABLES:
            return any(pc.any(_matches(batch, people)).as_py() for batch in _batches(file))
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        pass  # no table, whatever its name says: what is in it is searched as it stands
    return _contains(file, people)


def _rewritten(file: Path, people: Sequence[str]) -> bool:
    try:
        with exports.writing(file) as append:
            for batch in _batches(file):
                append(pa.table(batch.filter(pc.invert(_matches(batch, people)))))
    except (pa.ArrowException, OSError, UnicodeDecodeError, DistaffError):
        return False
    return True


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    if file.suffix == ".parquet":
        with pq.ParquetFile(file) as opened:
            yield from opened.iter_batches()
    elif file.suffix == ".arrow":
        with pa.memory_map(str(file)) as mapped, pa.ipc.open_file(mapped) as opened:
            yield from (opened.get_batch(number) for number in range(opened.num_record_batches))
    else:
        with file.open("rb") as opened:
            names = next(iter(pa_csv.open_csv(file, parse_options=_LINES))).schema.names
            texts = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
            yield from pa_csv.open_csv(opened, parse_options=_LINES, convert_options=texts)


def _matches(batch: pa.RecordBatch, people: Sequence[str]) -> pa.Array:
    """Return for each row whether a cell of it, or an entry of a list in it, is one of the people."""
    wanted = pa.array([form for person in people for form in (person, f"'{person}")], pa.large_string())
    found = pa.repeat(False, batch.num_rows)
    for column in batch.columns:
        found = pc.or_(found, _column_matches(column, wanted))
    return found


def _column_matches(column: pa.Array, wanted: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _column_matches(pc.list_flatten(column), wanted)
        rows = pc.filter(pc.list_parent_indices(column), inner)
        return pc.is_in(pa.array(range(len(column)), pa.int64()), rows.cast(pa.int64()))
    if pa.types.is_struct(kind):
        found = pa.repeat(False, len(column))
        for part in column.flatten():
            found = pc.or_(found, _column_matches(part, wanted))
        return found
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.is_in(column.cast(pa.large_string()), wanted)
    if pa.types.is_integer(kind):  # an id that is a number
        return pc.is_in(column.cast(pa.string()).cast(pa.large_string()), wanted)
    return pa.repeat(False, len(column))


def _contains(file: Path, people: Sequence[str]) -> bool:
    """Tell whether a file has one of the ids anywhere, not inside a longer word; across the borders of its blocks too."""
    ids = [person.encode() for person in people]
    pattern = re.compile(rb"(?<!\w)(?:" + b"|".join(map(re.escape, ids)) + rb")(?!\w)")
    overlap, rest = max(map(len, ids)) + 1, b""
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            block = rest + chunk
            if pattern.search(block):
                return True
            rest = block[-overlap:]
    return False
