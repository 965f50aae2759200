"""Seasons of series, from the autocorrelation of training windows, and errors that choose among forecasts."""

from __future__ import annotations

import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.contract import WindowModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide, with_future

MOST = 512
"""Windows, evenly spaced, that seasons are estimated from and chosen on."""
_LEAST = 0.1  # autocorrelation below which there is no season


def candidate_seasons(model: WindowModel, data: Series, length: int, most: int = 3) -> list[int]:
    """Return lags of up to half a window at peaks of the mean autocorrelation, the highest first; none without a peak."""
    windows = evenly(slide(data, length, split="train"))
    values, mask = model.take(windows, torch.arange(len(windows)))
    centred = (values - (values.sum(1) / mask.sum(1).clamp(min=1)).unsqueeze(1)) * mask
    power, pairs = (_autocorrelation(rows.double()).sum((0, 2)) for rows in (centred, mask))
    curve = (power / pairs.clamp(min=1))[: length // 2 + 1]
    curve = curve / curve[0].clamp(min=1e-12)
    inner = curve[1:-1]
    peak = (inner > curve[:-2]) & (inner >= curve[2:]) & (inner > _LEAST)
    order = torch.where(peak, inner, -1.0).argsort(descending=True, stable=True)
    return [int(lag) + 1 for lag in order[: min(most, int(peak.sum()))]]


def evenly(windows: Windows, most: int = MOST) -> Windows:
    """Return some windows, evenly spaced."""
    return windows.where(torch.linspace(0, len(windows) - 1, min(len(windows), most)).long())


@torch.no_grad()
def validation_error(model: WindowModel, data: Series, length: int, horizon: int) -> float | None:
    """Return the mean squared error on some validation windows, scaled; None without such windows."""
    windows = evenly(with_future(data, length, horizon, "valid", model.device))
    total, count = 0.0, 0
    for block in blocks(windows):
        values, mask = model.take(windows, block)
        away = model.forecast_windows(values[:, :length], mask[:, :length], horizon) - values[:, length:]
        total += float((away.square() * mask[:, length:]).sum())
        count += int(mask[:, length:].sum())
    return total / count if count else None


def _autocorrelation(x: Tensor) -> Tensor:
    """Return sums of products at every lag, along the second axis of ``(b, T, C)``."""
    length = x.shape[1]
    spectrum = torch.fft.rfft(x, 2 * length, dim=1)
    products: Tensor = torch.fft.irfft(spectrum.abs().square(), 2 * length, dim=1)
    return products[:, :length]
