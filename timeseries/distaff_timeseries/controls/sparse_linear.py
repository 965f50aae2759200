"""A linear forecast of each phase of the season, with a few hundred parameters for any number of channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig
from distaff.series.blocks import blocks
from distaff.series.contract import SeriesConfig
from distaff.series.heads.ridge import Moments, solve
from distaff.series.seasons import candidate_seasons
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import with_future
from distaff_data.errors import InputError
from distaff_timeseries.controls.forecaster import Forecaster
from distaff_timeseries.patches import instance_norm

_WITHOUT = (4, 12, 24)  # periods that are tried where the autocorrelation has no peak


class SparseLinearConfig(SeriesConfig):
    """Settings of the sparse linear forecast.

    Attributes:
        period: Rows of a season; when None the peak of the autocorrelation of least validation error.
        smooth: Whether the window's moving average over a season is read beside the window.
    """

    period: Annotated[int | None, Field(ge=1)] = None
    smooth: Annotated[bool, Choices(True, False)] = True


class SparseLinear(Forecaster):
    """A ridge from the values at one place of all seasons in the window to those at the same place of the next seasons.

    All places and channels share it, as in SparseTSF (Lin et al., ICML 2024), which learns moving average and weights by
    gradient; here they are in closed form.
    """

    name: ClassVar[str] = "sparse_linear"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = SparseLinearConfig
    config: SparseLinearConfig

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Choose the period."""
        length, horizon = self.length_for(data), max(self.config.horizons)
        self._weights: dict[int, Tensor] = {}
        if self.config.period is not None:
            self.period = self.config.period
            if self.period > length:
                raise InputError(f"a period of {self.period} rows does not fit into a window of {length}")
            return
        candidates = candidate_seasons(self, data, length) or [p for p in _WITHOUT if 2 * p <= length] or [1]
        errors = {period: self._solved(data, length, period, horizon)[1] for period in candidates}
        self.period = min(candidates, key=lambda period: errors[period])

    def prepare_forecasts(self, horizon: int) -> None:
        """Fit the weights for that many rows ahead, once."""
        steps = max(*self.config.horizons, horizon)
        if steps not in self._weights:
            weights, _ = self._solved(self.data, self.length, self.period, steps)
            if weights is None:
                raise InputError(
                    f"no training window of {self.length} rows is followed by {steps} complete ones; "
                    "set seq_len or horizons lower"
                )
            self._weights[steps] = weights

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts of every phase, in order."""
        weights = self._weights[max(*self.config.horizons, horizon)].to(values.device)
        features, level = self._features(values, mask, self.period)
        phases = features @ weights  # (b, C, p, m)
        future = phases.transpose(2, 3).flatten(2).transpose(1, 2)
        return future[:, :horizon] + level.unsqueeze(1)

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the period and the weights by their horizon."""
        return {"period": torch.tensor(self.period), **{str(steps): w for steps, w in self._weights.items()}}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the period and the weights."""
        self.period = int(tensors["period"])
        self._weights = {int(name): tensor for name, tensor in tensors.items() if name != "period"}

    def _features(self, values: Tensor, mask: Tensor, period: int) -> tuple[Tensor, Tensor]:
        """Return features of every channel and phase in scaled units, ``(b, C, p, F + 1)``, and levels ``(b, C)``."""
        normal = instance_norm(values, mask)
        rows = (normal.values * normal.std.unsqueeze(1)).transpose(1, 2)
        n = rows.shape[2] // period
        columns = [rows]
        if self.config.smooth:
            before, after = (period - 1) // 2, period // 2
            columns.append(F.avg_pool1d(F.pad(rows, (before, after), mode="replicate"), period, 1))
        phases = [column[:, :, -n * period :].unflatten(2, (n, period)).transpose(2, 3) for column in columns]
        ones = normal.std.unsqueeze(2).unsqueeze(3).expand(-1, -1, period, 1)
        return torch.cat([*phases, ones], 3), normal.mean

    def _solved(self, data: Series, length: int, period: int, horizon: int) -> tuple[Tensor | None, float]:
        """Return weights ``(F + 1, m)`` and their mean squared validation error; None without a training window."""
        n_after = math.ceil(horizon / period)
        train, valid = (self._moments(data, length, period, n_after, split) for split in ("train", "valid"))
        if not train.n:
            return None, math.inf
        weights = solve(train, valid).contiguous()  # as a file gives it back: the last bit of a product depends on it
        chosen_by = valid if valid.n else train
        return weights, chosen_by.error(weights.double()) / (chosen_by.n * n_after)

    def _moments(self, data: Series, length: int, period: int, n_after: int, split: str) -> Moments:
        n_features = (length // period) * (2 if self.config.smooth else 1) + 1
        moments = Moments.empty(n_features, n_after, self.device)
        windows = with_future(data, length, n_after * period, split, self.device)
        for block in blocks(windows):
            values, mask = self.take(windows, block)
            features, level = self._features(values[:, :length], mask[:, :length], period)
            future = (values[:, length:] - level.unsqueeze(1)).transpose(1, 2).unflatten(2, (n_after, period))
            complete = mask[:, length:].transpose(1, 2).unflatten(2, (n_after, period)).all(2).flatten()
            outputs = future.transpose(2, 3).flatten(0, 2)
            moments.add(features.flatten(0, 2)[complete], outputs[complete])
        return moments
