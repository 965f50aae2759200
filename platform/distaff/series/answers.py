"""Tables that a fitted model of series answers with: vectors, forecasts and classes of its own data or of new ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.contract import WindowModel
from distaff.series.fitted_heads import Heads
from distaff.series.intervals import check, entity_spread
from distaff.series.tables import class_table, forecast_table, vector_table
from distaff_data.datasets.covariates import Covariates
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, latest, slide, with_future
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.frames import positions
from distaff_data.ingest.frames import series_of
from distaff_data.ingest.futures import with_future_rows


def given_or_own(model: WindowModel, series: object | None) -> Series:
    """Return new data as series, or the model's own when None.

    Raises:
        InputError: The new data have other channels than the model's, or lack covariates that it reads.
    """
    if series is None:
        return model.data
    data = series if isinstance(series, Series) else series_of(series, None, split=None, seed=0)
    if len(data.channels) != len(model.data.channels):
        raise InputError(f"the model knows {len(model.data.channels)} channels, and there are {len(data.channels)}")
    if not model.reads_ahead:
        return data
    own = () if model.data.covariates is None else model.data.covariates.columns
    given = data.covariates or Covariates.of((), np.empty((len(data.values), 0)))
    return replace(data, covariates=given.under(own) if own else None)


def window_rows(model: WindowModel, length: int | None) -> int:
    """Return the rows of a window, where people may ask for another length than the model was fitted to.

    Raises:
        UnsupportedError: The model knows one length only.
        InputError: Fewer rows than it can encode.
    """
    if length is None or length == model.length:
        return model.length
    if not model.any_length:
        raise UnsupportedError(f"this {model.name} knows windows of {model.length} rows, and none of {length}")
    if length < model.least_length:
        raise InputError(f"a window has at least {model.least_length} rows", column="length", value=length)
    return length


def vector_tables(
    model: WindowModel, data: Series, length: int | None = None, step: int | None = None, level: str = "instance"
) -> Iterator[pa.Table]:
    """Yield tables of vectors, some windows at a time; together they may not fit into memory.

    Args:
        model: Fitted.
        data: Whose windows.
        length: Rows of a window; the length that the model was fitted to when None.
        step: Rows between windows' starts; a window's length when None.
        level: ``instance`` or ``timestamp``.

    Raises:
        InputError: Another level, a step below 1, or no window.
        UnsupportedError: The model has no vectors of that level, or knows one length only.
    """
    if level not in ("instance", "timestamp"):
        raise InputError("the level is instance or timestamp", column="level", value=level)
    if step is not None and step < 1:
        raise InputError("windows begin 1 row apart or more", column="step", value=step)
    rows = window_rows(model, length)
    windows = slide(data, rows, step=step or rows, device=model.device)
    if not len(windows):
        raise InputError(f"no entity has a window of {rows} rows")
    for block in blocks(windows):
        yield _vectors(model, data, windows, block, level)


def future_table(
    model: WindowModel,
    heads: Heads,
    data: Series,
    horizon: int | None,
    coverage: float,
    future: object | None = None,
) -> pa.Table:
    """Return forecasts after the last rows of each entity; see :meth:`.SeriesModel.forecast`."""
    steps = max(model.config.horizons) if horizon is None else horizon
    if steps < 1:
        raise InputError("the horizon is 1 or more", column="horizon", value=steps)
    check(coverage)
    if model.data.whole:
        raise UnsupportedError(
            f"each entity of this dataset is one window; {model.name} has nothing after it to forecast"
        )
    if future is not None and not model.reads_ahead:
        raise UnsupportedError(f"{model.name} reads no covariates; forecast_blend does")
    data, ahead = with_future_rows(data, steps, future) if model.reads_ahead else (data, data)
    intervals = heads.intervals(model, steps)
    least = min(model.length, int(model.data.lengths.min()))  # as short as the shortest entity that it was fitted to
    windows = latest(data, model.length, model.device, least=least)
    if not len(windows):
        raise InputError(f"no entity has the {least} rows that {model.name} looks back on")
    # Windows among rows that go on after them, where a model reads what is known of these.
    starts = ahead.offsets[windows.entities + 1] - (model.length + (steps if model.reads_ahead else 0))
    windows = Windows.of(ahead, starts, windows.entities, model.length, model.device)
    forecasts, radii = [], []
    known = known_entities(model.data, data)[windows.entities]
    spread = entity_spread(data, model)[windows.entities]
    for block in blocks(windows):
        values, mask = model.take(windows, block)
        forecasts.append(model.forecast_after(windows, block, values, mask, steps).cpu())
        radii.append(intervals.radius_of_new(known[block], spread[block], values, mask, coverage))
    scaled, radius = torch.cat(forecasts), torch.cat(radii)
    scaler = model.scaler_for(data, windows.entities, of="windows")
    values, low, high = map(scaler.invert, (scaled, scaled - radius, scaled + radius))
    return forecast_table(data, windows, values, low, high)


def coverage_table(model: WindowModel, heads: Heads, horizon: int | None, levels: Sequence[float]) -> pa.Table:
    """Return how intervals held on test windows; see :meth:`.SeriesModel.coverage`."""
    data = model.data
    if data.whole:
        raise UnsupportedError(
            f"each entity of this dataset is one window; {model.name} has nothing after it to forecast"
        )
    steps, chosen = max(model.config.horizons) if horizon is None else horizon, tuple(map(check, levels))
    n_windows = len(with_future(data, model.length, steps, "test"))
    std = model.scaler_for(data, torch.arange(data.n_entities), of="rows").std
    judged = heads.intervals(model, steps).coverage(chosen, std) if n_windows else None
    if judged is None:
        raise InputError(f"dataset {data.name!r} has no test window with that many rows after it", column="horizon")
    each = data.n_entities * len(data.channels)
    return pa.table(
        {
            "entity": pa.array(
                [e for e in data.entity_ids.to_pylist() for _ in data.channels] * len(levels), pa.string()
            ),
            "channel": pa.array(list(data.channels) * (data.n_entities * len(levels))),
            "coverage": pa.array([level for level in levels for _ in range(each)], pa.float64()),
            "held": judged.held.double().flatten().numpy(),
            "width": judged.width.double().flatten().numpy(),
            "n": judged.n.repeat(len(levels), 1, 1).flatten().numpy(),
        }
    ).filter(pc.field("n") > 0)


def window_classes(model: WindowModel, heads: Heads, data: Series, length: int | None = None) -> pa.Table:
    """Return the classes of windows; see :meth:`.SeriesModel.predict`."""
    windows = slide(data, window_rows(model, length), device=model.device)
    best, codes = heads.probabilities(model, windows).max(1)
    return class_table(data, windows, model.data.classes, codes, best)


def known_entities(trained: Series, data: Series) -> Tensor:
    """Return the position among a model's own entities of each entity of some data; -1 of a new one."""
    places = positions(pl.Series(data.entity_ids), pl.Series(trained.entity_ids)).fill_null(-1)
    return torch.from_numpy(places.to_numpy(writable=True))


def _vectors(model: WindowModel, data: Series, windows: Windows, block: Tensor, level: str) -> pa.Table:
    encoding = model.encode(*model.take(windows, block))
    vectors = encoding.instances.unsqueeze(2) if level == "instance" else encoding.timestamps
    if vectors is None:
        raise UnsupportedError(f"{model.name} has no vectors of time stamps; ask for level instance")
    return vector_table(data, windows.where(block), vectors.float().cpu(), level)
