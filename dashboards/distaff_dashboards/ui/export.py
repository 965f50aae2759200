"""Tables as files in memory, for the browser to save."""

from __future__ import annotations

import io

import polars as pl
import pyarrow.csv

from distaff.exports import dates, harmless
from distaff_data.frames import to_arrow


def to_csv(table: pl.DataFrame) -> bytes:
    """Return a table as CSV, UTF-8; text that a spreadsheet would run as a formula is made harmless."""
    out = io.BytesIO()
    pyarrow.csv.write_csv(harmless(to_arrow(table)), out)
    return out.getvalue()


def to_parquet(table: pl.DataFrame) -> bytes:
    """Return a table as Parquet, unchanged."""
    out = io.BytesIO()
    table.write_parquet(out)
    return out.getvalue()


def with_dates(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table for people, whose ``time`` and ``start`` are dates where they are seconds since 1970."""
    times = {"time", "start"} & set(table.columns)
    return table.with_columns(pl.Series(name, dates(table[name].to_numpy())) for name in times)
