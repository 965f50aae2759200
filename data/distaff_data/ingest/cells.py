"""Cells of a delimited file one by one, for files of more columns than an engine of tables has patience for."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

import pyarrow as pa

from distaff_data.errors import InputError
from distaff_data.ingest.layout import FileLayout

CELLS = pa.schema([("line", pa.int64()), ("id", pa.string()), ("name", pa.string()), ("cell", pa.string())])
_CELLS = 1 << 16  # a batch


def cells(layout: FileLayout, key: str, picked: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the cells of some columns with the id and the line of their row; time and memory grow with the file alone.

    Raises:
        InputError: A row with too few or too many columns, or another encoding.
    """
    place = {column: at for at, column in enumerate(layout.columns)}
    at, ids = [place[column] for column in picked], place[key]
    names = pa.array(picked, pa.string())
    waiting: list[pa.RecordBatch] = []
    for line, row in _rows(layout):
        if len(row) != len(layout.columns):
            message = f"the row has {len(row)} columns and the header {len(layout.columns)}"
            raise InputError(message, path=layout.path, line=line)
        columns = [pa.repeat(pa.scalar(line, pa.int64()), len(at)), pa.repeat(row[ids], len(at)), names]
        waiting.append(pa.record_batch([*columns, pa.array([row[n] or None for n in at], pa.string())], schema=CELLS))
        if len(waiting) * len(at) >= _CELLS:
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting = []
    yield from waiting


def _rows(layout: FileLayout) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row ends, and its cells."""
    try:
        with layout.path.open(encoding="utf-8-sig", newline="") as file:
            if layout.quote:
                reader = csv.reader(file, delimiter=layout.delimiter, quotechar=layout.quote, strict=True)
                rows: Iterator[tuple[int, list[str]]] = ((reader.line_num, row) for row in reader if row)
            else:
                lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(file, 1))
                rows = ((number, line.split(layout.delimiter)) for number, line in lines if line)
            if layout.header:
                next(rows, None)
            yield from rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the file: {error}", path=layout.path) from None
