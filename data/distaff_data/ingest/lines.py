"""Physical lines of a file's rows, for error messages only."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from distaff_data.ingest.layout import FileLayout


def physical_line(layout: FileLayout, row: int) -> int:
    """Return the 1-based line on which the ``row``-th row begins; in a Parquet file, which has no lines, the row itself."""
    if layout.format in ("parquet", "lightgcn"):
        return row
    row_of_file = row + 1 if layout.header else row
    starts = _quoted_starts(layout) if layout.quote else _plain_starts(layout)
    return next((line for number, line in enumerate(starts, 1) if number == row_of_file), row_of_file)


def _plain_starts(layout: FileLayout) -> Iterator[int]:
    with layout.path.open("rb") as file:
        yield from (number for number, line in enumerate(file, 1) if line.strip(b"\r\n"))


def _quoted_starts(layout: FileLayout) -> Iterator[int]:
    """Yield the lines on which records begin: a quoted value may run over several."""
    with layout.path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter=layout.delimiter, quotechar=layout.quote)
        start = 1
        for record in reader:
            if record:
                yield start
            start = reader.line_num + 1
