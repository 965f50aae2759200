"""The Theta method: a level that follows the series, and half of its trend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff_data.datasets.series import Series
from distaff_timeseries.controls.forecaster import Forecaster
from distaff_timeseries.controls.seasonal_naive import SeasonalNaiveConfig, find_season

_RATES = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
"""Rates of smoothing, of which each window takes the one of least squared error one step ahead."""
_ROWS = 240  # latest rows that are read: older ones weigh nothing at any rate but the lowest


class Theta(Forecaster):
    """Simple exponential smoothing with half the window's slope, on what is left without its seasonal means.

    Assimakopoulos and Nikolopoulos (2000) in the closed form of Hyndman and Billah (2003), additive; the season is chosen
    as that of the seasonal naive forecast.
    """

    name: ClassVar[str] = "theta"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = SeasonalNaiveConfig
    config: SeasonalNaiveConfig
    season: int

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Find the season."""
        self.season = find_season(self, data, self.config.season)

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return the forecasts of each window by its own smoothing rate."""
        values, mask = values[:, -_ROWS:], mask[:, -_ROWS:]
        season = self.season if 2 * self.season <= values.shape[1] else 1
        slope, middle = line(values, mask)
        n_rows = values.shape[1]
        row = torch.arange(n_rows, device=values.device)
        seasonal = _seasonal_means(
            values - slope.unsqueeze(1) * (row.view(1, -1, 1) - middle.unsqueeze(1)), mask, season
        )
        adjusted = (values - seasonal[:, row % season]) * mask
        level, rate, n_seen = smoothed(adjusted, mask)
        step = torch.arange(1, horizon + 1, device=values.device)
        ahead = step.view(1, -1, 1) - 1 + ((1 - (1 - rate) ** n_seen) / rate).unsqueeze(1)
        return level.unsqueeze(1) + 0.5 * slope.unsqueeze(1) * ahead + seasonal[:, (n_rows + step - 1) % season]

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the season."""
        return {"season": torch.tensor(self.season)}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the season."""
        self.season = int(tensors["season"])


def line(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least-squares slope of each window and channel, ``(b, C)``, and the middle of its measured rows."""
    row = torch.arange(values.shape[1], dtype=values.dtype, device=values.device).view(1, -1, 1)
    count = mask.sum(1).clamp(min=1)
    middle = (row * mask).sum(1) / count
    away = (row - middle.unsqueeze(1)) * mask
    return (away * values).sum(1) / away.square().sum(1).clamp(min=1e-9), middle


def smoothed(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the last levels of exponential smoothing, their rates, and how many values were seen, each ``(b, C)``."""
    rates = torch.tensor(_RATES, device=values.device)
    level = torch.zeros(*values[:, 0].shape, len(rates), device=values.device)
    error, seen = torch.zeros_like(level), torch.zeros_like(values[:, 0])
    for row in range(values.shape[1]):
        here, value = mask[:, row].unsqueeze(2), values[:, row].unsqueeze(2)
        begins = here & (seen.unsqueeze(2) == 0)
        away = torch.where(here & ~begins, value - level, 0.0)
        error += away.square()
        level = torch.where(begins, value, level + rates * away)
        seen += mask[:, row]
    best = error.argmin(2, keepdim=True)
    return level.gather(2, best).squeeze(2), rates[best].squeeze(2), seen


def _seasonal_means(values: Tensor, mask: Tensor, season: int) -> Tensor:
    """Return the mean of each place of the season less the mean of all places, ``(b, season, C)``; 0 without a season."""
    b, n_rows, n_channels = values.shape
    if season == 1:
        return values.new_zeros(b, 1, n_channels)
    place = (torch.arange(n_rows, device=values.device) % season).view(1, -1, 1).expand_as(values)
    shape = (b, season, n_channels)
    total = values.new_zeros(shape).scatter_add_(1, place, values * mask)
    count = values.new_zeros(shape).scatter_add_(1, place, mask.to(values.dtype))
    means = total / count.clamp(min=1)
    overall = means.sum(1, keepdim=True) / (count > 0).sum(1, keepdim=True).clamp(min=1)
    return torch.where(count > 0, means - overall, 0.0)
