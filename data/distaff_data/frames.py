"""Frames at the border: polars, pandas and Arrow go in, and the kind that went in comes out.

Inside the platform a frame is a polars frame; Arrow is what DuckDB, Delta and torch are handed.
"""

from __future__ import annotations

from typing import Any, Literal

import narwhals as nw
import polars as pl
import pyarrow as pa

from distaff_data.errors import InputError

Kind = Literal["polars", "pandas", "pyarrow"]


def is_frame(value: object) -> bool:
    """Tell whether a value is a frame: polars (lazy too), pandas, or anything that exports an Arrow stream."""
    return isinstance(nw.from_native(value, pass_through=True), nw.DataFrame | nw.LazyFrame) or hasattr(
        value, "__arrow_c_stream__"
    )


def frame_kind(value: object) -> Kind:
    """Return the kind of frame that answers to ``value`` are given as: its own, and polars for everything else."""
    native = nw.from_native(value, pass_through=True)
    if not isinstance(native, nw.DataFrame):
        return "pyarrow" if isinstance(value, pa.RecordBatchReader | pa.RecordBatch) else "polars"
    if native.implementation.is_pandas():
        return "pandas"
    return "pyarrow" if native.implementation.is_pyarrow() else "polars"


def to_polars(frame: object) -> pl.DataFrame:
    """Return a frame as a polars frame, without copying where memory allows.

    Raises:
        InputError: Not a frame, or a lazy one of another library.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    native = nw.from_native(frame, pass_through=True)
    if isinstance(native, nw.DataFrame):
        return native.to_polars()
    if isinstance(native, nw.LazyFrame):
        return native.collect("polars").to_native()  # type: ignore[no-any-return]
    if hasattr(frame, "__arrow_c_stream__"):
        return pl.DataFrame(frame)
    raise InputError(f"cannot read a frame from {type(frame).__name__}; give a polars, pandas or Arrow frame")


def to_arrow(frame: object) -> pa.Table:
    """Return a frame as an Arrow table; see :func:`to_polars`."""
    if isinstance(frame, pa.Table):
        return frame
    if hasattr(frame, "__arrow_c_stream__") and not isinstance(frame, pl.DataFrame | pl.LazyFrame):
        return pa.table(frame)
    return to_polars(frame).to_arrow(compat_level=pl.CompatLevel.oldest())


def to_strings(column: pl.Series) -> pa.StringArray:
    """Return a polars column of texts as one Arrow array."""
    return column.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())


def positions(values: pl.Series, distinct: pl.Series) -> pl.Series:
    """Return the position of each value among distinct ones, Int64; null where it is none of them."""
    places = distinct.alias("value").to_frame().select("value", place=pl.row_index().cast(pl.Int64))
    return values.alias("value").to_frame().join(places, on="value", how="left", maintain_order="left")["place"]


def as_kind(frame: pl.DataFrame, kind: Kind) -> Any:
    """Return a polars frame as a frame of another kind."""
    if kind == "pandas":
        return frame.to_pandas()
    return to_arrow(frame) if kind == "pyarrow" else frame
