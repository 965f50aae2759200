"""Frames and arrays in memory as series, arranged and divided exactly like files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.ingest.columns import common
from distaff_data.ingest.grid import SeriesRows, arrange
from distaff_data.splits.series import default_split, divide


def series_of(data: object, labels: Sequence[object] | None, *, split: str | None, seed: int) -> Series:
    """Whatever people hand to a model, as divided series.

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
    if hasattr(data, "__arrow_c_stream__"):
        found = from_frame(data)
    else:
        array = np.asarray(data)
        if array.ndim == 3 or labels is not None:
            found = Series.from_windows(array, labels)
        elif array.ndim in (1, 2) and array.dtype.kind in "fiub":
            rows = array[:, None] if array.ndim == 1 else array
            found = Series.from_rows(rows, [len(rows)])
        else:
            raise InputError(
                f"cannot read series from {type(data).__name__}; give Series, a frame or an array of numbers"
            )
    return divide(found, split or default_split(found), seed)


def from_frame(
    frame: object,
    *,
    time: str | None = None,
    entity: str | None = None,
    label: str | None = None,
    group: str | None = None,
    step: float | None = None,
    whole: bool = False,
    name: str = "frame",
) -> Series:
    """Series of a polars, pandas or Arrow frame with a row a moment; every other column is a channel.

    Args:
        frame: Anything that exports an Arrow stream.
        time: Column of time stamps or numbers; one with a usual name, or the order of rows, when None.
        entity: Column that tells several series apart.
        label: Column of each entity's class.
        group: Column of what each entity belongs to.
        step: See :func:`distaff_data.ingest.grid.arrange`.
        whole: Whether each entity is one window.
        name: The dataset's name.

    Raises:
        InputError: Not a frame, a column that is not there or holds no numbers, or what ``arrange`` refuses.
    """
    if not hasattr(frame, "__arrow_c_stream__"):
        raise InputError(f"cannot read series from {type(frame).__name__}; give a frame")
    table = pa.table(frame)
    names = {"time": time or common("time", table.column_names), "entity": entity, "label": label, "group": group}
    roles = {role: column for role, column in names.items() if column is not None}
    for column in roles.values():
        if column not in table.column_names:
            raise UnknownNameError("column", column, table.column_names)
    channels = tuple(column for column in table.column_names if column not in roles.values())
    if not channels:
        raise InputError("the frame has no channels besides the time")
    values = np.stack([_numbers(table, column) for column in channels], axis=1)
    texts = {
        r: table[roles[r]].cast(pa.string()).combine_chunks() if r in roles else None
        for r in ("entity", "label", "group")
    }
    rows = SeriesRows(values, channels, time=_seconds(table, roles["time"]) if "time" in roles else None, **texts)

    def where(row: int, role: str) -> Mapping[str, Any]:
        return {"line": row + 1, "column": roles.get(role, role)}

    return arrange(rows, name, where, step=step, whole=whole).data


def _numbers(table: pa.Table, column: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    try:
        return table[column].cast(pa.float64()).to_numpy().astype(np.float64)  # type: ignore[no-any-return]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError("the column holds no numbers; say what it is, or leave it out", column=column) from None


def _seconds(table: pa.Table, column: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = table[column]
    if values.null_count:
        row = int(pc.index(pc.is_null(values), True).as_py())
        raise InputError("the time is missing", line=row + 1, column=column)
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return values.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() / 1e6  # type: ignore[no-any-return]
    return _numbers(table, column)
