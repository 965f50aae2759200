"""Tables as files in memory, for the browser to save."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from distaff.exports import harmless


def to_csv(table: pa.Table) -> bytes:
    """A table as CSV, UTF-8; text that a spreadsheet would run as a formula is made harmless."""
    out = io.BytesIO()
    pyarrow.csv.write_csv(harmless(table), out)
    return out.getvalue()


def to_parquet(table: pa.Table) -> bytes:
    """A table as Parquet, unchanged."""
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()
