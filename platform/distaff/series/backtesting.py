"""Forecasts from the past, beside the rows that followed, with the intervals that :meth:`SeriesModel.forecast` gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.intervals import check
from distaff.series.model import SeriesModel
from distaff_data.datasets.windows import Windows, with_future
from distaff_data.errors import InputError, UnsupportedError


@dataclass(frozen=True)
class Backtest:
    """Forecasts of b windows over H steps of C channels, in the channels' own units.

    Attributes:
        actual: Values that followed, NaN where none was measured, ``(b, H, C)``.
        value: Forecasts.
        low: Lower ends of the intervals; minus infinity where validation windows are too few for the coverage.
        high: Upper ends.
    """

    actual: Tensor
    value: Tensor
    low: Tensor
    high: Tensor

    def covered(self) -> Tensor:
        """Return the share of measured values within the intervals, of each channel, ``(C,)``; NaN where there is none."""
        inside = (self.actual >= self.low) & (self.actual <= self.high)
        return inside.sum((0, 1)) / torch.isfinite(self.actual).sum((0, 1))


def origins(model: SeriesModel, horizon: int, *, split: str = "test", entity: str | None = None) -> Windows:
    """Return windows that can be forecast from, with ``horizon`` rows of a split after them, those rows included.

    Args:
        model: A fitted model.
        horizon: Rows after the window.
        split: Where the rows after it lie; on validation rows the intervals were made, on training rows the model.
        entity: Of this entity alone.

    Raises:
        UnsupportedError: Each entity of the dataset is one window.
        InputError: The model knows no such entity.
    """
    data = model.data
    if data.whole:
        raise UnsupportedError("each entity of this dataset is one window; there is nothing after it to forecast")
    windows = with_future(data, model.length, horizon, split, model.device)
    if entity is None:
        return windows
    position = data.entity_ids.index(entity).as_py()
    if position < 0:
        raise InputError("the model knows no such entity", column="entity", value=entity)
    return windows.where(windows.entities == position)


def backtest(model: SeriesModel, windows: Windows, coverage: float = 0.9) -> Backtest:
    """Return forecasts from windows of :func:`origins`, beside what followed.

    Args:
        model: The model that they are of.
        windows: One at least.
        coverage: Of the intervals; see :mod:`distaff.series.intervals`; each as it was known at the time.
    """
    length = model.length
    horizon = windows.length - length
    intervals = model.intervals(horizon)
    forecasts, actual, radii = [], [], []
    for block in blocks(windows):
        values, mask = model.take(windows, block)
        history, observed = values[:, :length], mask[:, :length]
        forecasts.append(model.forecast_after(windows, block, history, observed, horizon).cpu())
        radii.append(intervals.radius(windows.where(block), history, observed, coverage))
        actual.append(torch.where(mask, values, torch.nan)[:, length:].cpu())
    scaled, radius = torch.cat(forecasts), torch.cat(radii)
    columns = (torch.cat(actual), scaled, scaled - radius, scaled + radius)
    scaler = model.scaler_for(windows.data, windows.entities, of="windows")
    return Backtest(*map(scaler.invert, columns))


def coverage_on_test(model: SeriesModel, horizon: int, coverage: float) -> tuple[Tensor, int]:
    """Return the share of test values within the intervals, of each channel, ``(C,)``, and of how many windows."""
    check(coverage)
    n_channels, n_windows = len(model.data.channels), len(origins(model, horizon))
    judged = model.intervals(horizon).coverage((coverage,), torch.ones(1, 1)) if n_windows else None
    if judged is None:
        return torch.full((n_channels,), torch.nan), 0
    return (judged.held[0].nan_to_num() * judged.n).sum(0) / judged.n.sum(0), n_windows
