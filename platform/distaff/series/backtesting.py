"""Forecasts from the past, beside what came: the same intervals that :meth:`SeriesModel.forecast` gives the future."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.model import SeriesModel
from distaff_data.datasets.windows import Windows, slide
from distaff_data.errors import InputError, UnsupportedError

_MOST = 256  # windows, evenly spaced, that coverage is measured on


@dataclass(frozen=True)
class Backtest:
    """Forecasts of b windows over H steps of C channels, in the channels' own units.

    Attributes:
        actual: What came, NaN where it was not measured, ``(b, H, C)``.
        value: What was forecast.
        low: Lower ends of the intervals; minus infinity where validation windows are too few for the coverage.
        high: Upper ends.
    """

    actual: Tensor
    value: Tensor
    low: Tensor
    high: Tensor

    def covered(self) -> Tensor:
        """Share of what came that lay within the intervals, of each channel, ``(C,)``; NaN where nothing came."""
        inside = (self.actual >= self.low) & (self.actual <= self.high)
        return inside.sum((0, 1)) / torch.isfinite(self.actual).sum((0, 1))


def origins(model: SeriesModel, horizon: int, *, split: str = "test", entity: str | None = None) -> Windows:
    """Windows that can be forecast from with ``horizon`` rows of a split after them, those rows included.

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
    windows = slide(data, model.length, horizon=horizon, split=split, device=model.device)
    if entity is None:
        return windows
    at = data.entity_ids.index(entity).as_py()
    if at < 0:
        raise InputError("the model knows no such entity", column="entity", value=entity)
    return windows.where(windows.entities == at)


def backtest(model: SeriesModel, windows: Windows, coverage: float = 0.9) -> Backtest:
    """Forecast from windows of :func:`origins`.

    Args:
        model: The model that they are of.
        windows: One at least.
        coverage: Of the intervals; see :func:`distaff.series.forecasting.conformal_radius`.
    """
    length, scaler = model.length, model.scaler
    assert scaler is not None
    horizon = windows.length - length
    radius = model.radius(horizon, coverage)
    forecasts, actual = [], []
    for block in blocks(windows):
        values, mask = model.take(windows, block)
        forecasts.append(model.predict(values[:, :length], mask[:, :length], horizon).cpu())
        actual.append(torch.where(mask, values, torch.nan)[:, length:].cpu())
    scaled = torch.cat(forecasts)
    parts = (torch.cat(actual), scaled, scaled - radius, scaled + radius)
    return Backtest(*map(scaler.invert, parts))


def coverage_on_test(model: SeriesModel, horizon: int, coverage: float) -> tuple[Tensor, int]:
    """How much the intervals held on test windows, ``(C,)``, and of how many: all of them, or some evenly spaced."""
    windows = origins(model, horizon)
    if not len(windows):
        return torch.full((len(model.data.channels),), torch.nan), 0
    chosen = torch.linspace(0, len(windows) - 1, min(len(windows), _MOST)).long()
    return backtest(model, windows.where(chosen), coverage).covered(), len(chosen)
