"""Frames and arrays in memory as series, arranged and divided exactly like files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from distaff_data.arrays import Floats
from distaff_data.datasets.covariates import Covariates, Role, coded
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.frames import is_frame, to_arrow, to_polars, to_strings
from distaff_data.ingest.columns import common
from distaff_data.ingest.grid import SeriesRows, arrange
from distaff_data.splits.series import default_split, divide

_ENTITY = "unique_id"  # as frames of ``unique_id, ds, y`` call it


def series_of(data: object, labels: Sequence[object] | None, *, split: str | None, seed: int) -> Series:
    """Return as divided series whatever people hand to a model.

    Args:
        data: :class:`Series`, which keep their own division unless ``split`` is given; an array of one series ``(R, C)``
            or of windows ``(n, T, C)``; or a frame.
        labels: Classes of the windows of an array.
        split: See :mod:`distaff_data.splits.series`; what fits the data when None.
        seed: Seed of a random split.

    Raises:
        InputError: Anything else, or data that :class:`Series` refuses.
    """
    if isinstance(data, Series):
        return data if split is None else divide(data, split, seed)
    if is_frame(data):
        if labels is not None:
            raise InputError("labels come with windows in an array; a frame has a column of them: see from_frame")
        series = from_frame(data)
    else:
        array = np.asarray(data)
        if array.ndim == 3 or labels is not None:
            series = Series.from_windows(array, labels)
        elif array.ndim in (1, 2) and array.dtype.kind in "fiub":
            rows = array[:, None] if array.ndim == 1 else array
            series = Series.from_rows(rows, [len(rows)])
        else:
            raise InputError(
                f"cannot read series from {type(data).__name__}; give Series, a frame or an array of numbers"
            )
    return divide(series, split or default_split(series), seed)


def from_frame(
    frame: object,
    *,
    time: str | None = None,
    entity: str | None = None,
    label: str | None = None,
    group: str | None = None,
    known_future: Sequence[str] = (),
    past: Sequence[str] = (),
    static: Sequence[str] = (),
    step: float | None = None,
    whole: bool = False,
    name: str = "frame",
) -> Series:
    """Return the series of a polars, pandas or Arrow frame with a row a moment; every other column is a channel.

    Args:
        frame: A polars (lazy too), pandas or Arrow frame, or anything that exports an Arrow stream.
        time: Column of time stamps or numbers; one with a usual name, or the order of rows, when None.
        entity: Column that tells several series apart; ``unique_id``, if there is one, when None.
        label: Column of each entity's class.
        group: Column of what each entity belongs to.
        known_future: Covariates that are known as far ahead as forecasts go, of numbers or of texts.
        past: Covariates that are known no further than the channels.
        static: Covariates that are the same in all rows of an entity.
        step: See :func:`distaff_data.ingest.grid.arrange`.
        whole: Whether each entity is one window.
        name: The dataset's name.

    Raises:
        InputError: Not a frame, a column that is not there or holds no numbers, or what ``arrange`` refuses.
    """
    table = to_polars(to_arrow(frame))  # by Arrow, which keeps the index of a pandas frame as a column
    if entity is None and _ENTITY in table.columns:
        entity = _ENTITY
    names = {"time": time or common("time", table.columns), "entity": entity, "label": label, "group": group}
    roles = {role: column for role, column in names.items() if column is not None}
    for column in roles.values():
        if column not in table.columns:
            raise UnknownNameError("column", column, table.columns)
    covariates = covariates_of(table, known_future, past, static, taken=roles.values())
    beside = {*roles.values(), *known_future, *past, *static}
    channels = tuple(column for column in table.columns if column not in beside)
    if not channels:
        raise InputError("the frame has no channels besides the time")
    values = np.stack([_numbers(table[column]) for column in channels], axis=1)
    texts = {role: _plain_text(table[roles[role]]) for role in ("entity", "label", "group") if role in roles}
    moments = seconds_of(table[roles["time"]]) if "time" in roles else None
    rows = SeriesRows(values, channels, time=moments, covariates=covariates, **texts)

    def where(row: int, role: str) -> Mapping[str, Any]:
        return {"line": row + 1, "column": roles.get(role, role)}

    return arrange(rows, name, where, step=step, whole=whole).data


def covariates_of(
    table: pl.DataFrame,
    known_future: Sequence[str],
    past: Sequence[str],
    static: Sequence[str],
    *,
    taken: Collection[str],
) -> Covariates | None:
    """Return some columns of a table as covariates; None where none is named.

    Raises:
        InputError: A column is named twice, or has another role among those ``taken``.
        UnknownNameError: The table has no such column.
    """
    named: list[tuple[Role, str]] = [
        *(("future", name) for name in known_future),
        *(("past", name) for name in past),
        *(("static", name) for name in static),
    ]
    names = [name for _, name in named]
    for name in names:
        if name not in table.columns:
            raise UnknownNameError("column", name, table.columns)
        if name in taken or names.count(name) > 1:
            raise InputError("the column has two roles", column=name)
    return Covariates.of(*coded([(role, table[name]) for role, name in named])) if named else None


def _numbers(column: pl.Series) -> Floats:
    """Return numbers as float64, NaN where they are missing."""
    if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.String, pl.Null):
        numbers = column.cast(pl.Float64, strict=False)
        if numbers.null_count() == column.null_count():
            return numbers.to_numpy()
    raise InputError("the column holds no numbers; say what it is, or leave it out", column=column.name)


def seconds_of(column: pl.Series) -> Floats:
    """Return times as seconds; date-times count from 1970."""
    if column.null_count():
        raise InputError("the time is missing", line=int(column.is_null().arg_max() or 0) + 1, column=column.name)
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        return column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None))).dt.epoch("us").to_numpy() / 1e6
    if column.dtype == pl.String and column.cast(pl.Float64, strict=False).null_count():
        return seconds_of(_moments(column))
    return _numbers(column)


def _moments(column: pl.Series) -> pl.Series:
    """Return texts as moments, those without a time zone in UTC."""
    for dtype in (pl.Datetime("us", "UTC"), pl.Date()):
        try:
            return column.str.strptime(dtype)
        except pl.exceptions.PolarsError:
            continue
    raise InputError("the column holds neither numbers nor dates", column=column.name)


def _plain_text(column: pl.Series) -> pa.StringArray:
    """Return ids and labels as text: of a number without a fraction, as 1.0, the whole number."""
    return to_strings(column if column.dtype.is_numeric() else column.cast(pl.String))
