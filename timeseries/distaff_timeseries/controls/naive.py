"""Forecasts by the last value, and by the line through the first and the last."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distaff_timeseries.controls.forecaster import Forecaster


class Naive(Forecaster):
    """The last measured value of the window, again and again; the training mean where there is none."""

    name: ClassVar[str] = "naive"
    control: ClassVar[bool] = True

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return the last measured value at every step."""
        last, _ = _measured(values, mask, first=False)
        return last.unsqueeze(1).expand(-1, horizon, -1).clone()


class Drift(Forecaster):
    """The line through the first and the last measured value of the window."""

    name: ClassVar[str] = "drift"
    control: ClassVar[bool] = True

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return the line's values after the window."""
        (first, start), (last, stop) = (_measured(values, mask, first=side) for side in (True, False))
        slope = (last - first) / (stop - start).clamp(min=1)
        step = torch.arange(1, horizon + 1, device=values.device).view(1, -1, 1)
        after = step + (values.shape[1] - 1 - stop).unsqueeze(1)
        return last.unsqueeze(1) + slope.unsqueeze(1) * after


def _measured(values: Tensor, mask: Tensor, *, first: bool) -> tuple[Tensor, Tensor]:
    """Return the first or the last measured value of each channel, ``(b, C)``, and its row; 0 where there is none."""
    place = torch.arange(1, values.shape[1] + 1, device=values.device).view(1, -1, 1)
    row = (mask * (place.flip(1) if first else place)).argmax(1)
    return values.gather(1, row.unsqueeze(1))[:, 0], row
