"""A ridge on what covariates and the calendar leave of a series, to which their effects ahead are added."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.series.answers import known_entities
from distaff.series.blocks import blocks
from distaff.series.heads.ridge import Moments, solve
from distaff.series.seasons import candidate_seasons
from distaff_data.datasets.series import Scaler, Series
from distaff_data.datasets.windows import Windows, with_future
from distaff_data.errors import InputError
from distaff_timeseries.calendars import Calendar
from distaff_timeseries.controls.forecaster import Forecaster
from distaff_timeseries.effects import Effects, Regressors, covariate_scaler, fit_effects
from distaff_timeseries.filled_ridge import filled
from distaff_timeseries.patches import instance_norm

_RECENT = 48  # latest rows of past covariates that are read


@dataclass(frozen=True)
class _Beside:
    """What is known of the rows of some series: effects ``(R, C)``, and past covariates ``(R, P)``, both scaled."""

    data: Series
    effects: Tensor
    past: Tensor


@dataclass(frozen=True)
class _Solution:
    """Effects, the weights of the ridge on what they leave, and its validation error."""

    regressors: Regressors
    effects: Effects
    weights: Tensor | None
    error: float


class CovariateRidge(Forecaster):
    """The ridge of the window's rest; covariates that are known no further than the window join it where that helps.

    Whether the effects are of covariates, of the calendar or of both is chosen on validation windows.
    """

    name: ClassVar[str] = "covariate_ridge"
    control: ClassVar[bool] = True

    @classmethod
    def helps(cls, data: Series) -> bool:
        """Tell whether there is anything beside the channels to forecast by."""
        return not data.whole and (Calendar.of(data) is not None or _has(data, "future") or _has(data, "past"))

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Find the effects, and choose among them."""
        self._elsewhere: _Beside | None = None
        self._season = next(iter(candidate_seasons(self, data, self.length_for(data), 1)), 1)
        calendar, known, horizon = Calendar.of(data), _has(data, "future"), max(self.config.horizons)
        choices: list[tuple[bool, Calendar | None]] = [(True, None)] if known else []
        if calendar is not None:
            choices += [(covariates, calendar) for covariates in ((True, False) if known else (False,))]
        solved = [
            self._solution(data, Regressors.of(data, c, covariates=k), horizon) for k, c in choices or [(False, None)]
        ]
        best = min(solved, key=lambda solution: solution.error)  # the first where there is nothing to validate on
        self._regressors, self._effects = best.regressors, best.effects
        self._weights: dict[int, Tensor] = {} if best.weights is None else {horizon: best.weights}
        self._own = self._known_beside(data, self._regressors, self._effects)

    def _solution(self, data: Series, regressors: Regressors, horizon: int) -> _Solution:
        effects = self._fitted(data, regressors)
        return _Solution(regressors, effects, *self._solved(self._known_beside(data, regressors, effects), horizon))

    def _fitted(self, data: Series, regressors: Regressors) -> Effects:
        if regressors.calendar is None and not regressors.covariates:
            return Effects(torch.zeros(data.n_entities + 1, len(data.channels), 0))
        scaled = self.scaler_for(data, data.entity_of_row(), of="rows").apply(data.values, data.mask)
        return fit_effects(data, scaled, regressors, self._season)

    def prepare_forecasts(self, horizon: int) -> None:
        """Fit the ridge for that many rows ahead, once."""
        steps = max(*self.config.horizons, horizon)
        if steps not in self._weights:
            weights, _ = self._solved(self._own, steps)
            if weights is None:
                raise InputError(f"no training window of {self.length} rows is followed by {steps} complete ones")
            self._weights[steps] = weights

    def forecast_after(self, windows: Windows, index: Tensor, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return the forecasts of the rests of windows, and the effects at the rows after them.

        The rows after the windows are rows of the windows' data, where covariates are to be known ahead.
        """
        ends = windows.starts[index] + values.shape[1]
        return self.forecast_from(windows.data, ends, values, mask, horizon)

    def forecast_from(self, data: Series, ends: Tensor, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts ``(b, H, C)`` of the rows from ``ends`` on, given the rows before them.

        Args:
            data: Whose rows.
            ends: The first rows ahead, ``(b,)``.
            values: Of the rows before, scaled, 0 where missing, ``(b, T, C)`` with at least a window's rows.
            mask: Likewise.
            horizon: H.
        """
        beside = self._beside(data)
        values, mask = values[:, -self.length :], mask[:, -self.length :]
        weights = self._weights[max(*self.config.horizons, horizon)].to(values.device)
        x, level = self._rows(beside, ends, values, mask)
        outputs = torch.einsum("bcf,gfh->bhc" if len(weights) == 1 else "bcf,cfh->bhc", x, weights)
        ahead = _taken(beside.effects, ends.unsqueeze(1) + torch.arange(outputs.shape[1]))
        return (outputs + level.unsqueeze(1) + ahead.to(outputs.device))[:, :horizon]

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the effects, what they are of, the season, and the weights by their horizon."""
        calendar = self._regressors.calendar
        parts = (
            [False] * 4 if calendar is None else [calendar.hour, calendar.day, calendar.hour_of_week, calendar.month]
        )
        return {
            "effects": self._effects.weights,
            "of": torch.tensor([self._regressors.covariates, *parts]),
            "season": torch.tensor(self._season),
            **{f"weights.{steps}": weights for steps, weights in self._weights.items()},
        }

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`encoder_state` gave."""
        covariates, *parts = (bool(flag) for flag in tensors["of"])
        calendar = Calendar(*parts) if any(parts) else None
        self._season, self._effects = int(tensors["season"]), Effects(tensors["effects"])
        self._regressors = Regressors.of(self.data, calendar, covariates=covariates)
        self._weights = {
            int(name.removeprefix("weights.")): tensor
            for name, tensor in tensors.items()
            if name.startswith("weights.")
        }
        self._own, self._elsewhere = self._known_beside(self.data, self._regressors, self._effects), None

    def _beside(self, data: Series) -> _Beside:
        """Return what is known of the rows of any data; that of the last other data is kept."""
        if data is self._own.data:
            return self._own
        if self._elsewhere is None or self._elsewhere.data is not data:
            codes = known_entities(self.data, data)
            regressors = self._regressors
            if regressors.scaler is not None:
                regressors = Regressors(regressors.calendar, regressors.covariates, self._covariate_scaler(data, codes))
            self._elsewhere = _Beside(data, self._effects.of(data, codes, regressors), self._past(data, codes))
        return self._elsewhere

    def _known_beside(self, data: Series, regressors: Regressors, effects: Effects) -> _Beside:
        codes = torch.arange(data.n_entities)
        return _Beside(data, effects.of(data, codes, regressors), self._past(data, codes))

    def _past(self, data: Series, codes: Tensor) -> Tensor:
        """Return past covariates, scaled, ``(R, P)``."""
        if data.covariates is None:
            return torch.zeros(len(data.values), 0)
        scaler = self._covariate_scaler(data, codes).of_rows(data.entity_of_row())
        return scaler.apply(data.covariates.values, data.covariates.mask)[:, data.covariates.having("past")]

    def _covariate_scaler(self, data: Series, codes: Tensor) -> Scaler:
        """Return the scaler of covariates of any data: an entity that is not known is scaled by all of its rows."""
        known, strange = covariate_scaler(self.data, "train"), (codes < 0).unsqueeze(1)
        if not bool(strange.any()):
            return Scaler(known.mean[codes], known.std[codes])
        own, place = covariate_scaler(data, None), codes.clamp(min=0)
        return Scaler(
            torch.where(strange, own.mean, known.mean[place]), torch.where(strange, own.std, known.std[place])
        )

    def _rows(self, beside: _Beside, ends: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows of the regression, ``(b, C, F + 1)``, and levels ``(b, C)``."""
        before = ends.unsqueeze(1) + torch.arange(-values.shape[1], 0)
        rest = (values - _taken(beside.effects, before).to(values.device)) * mask
        normal = instance_norm(*filled(rest, mask, self._season))
        scale = normal.std.unsqueeze(2)
        window = normal.values.transpose(1, 2) * scale
        past = _taken(beside.past, before)
        past = (past - past.mean(1, keepdim=True))[:, -_RECENT:].flatten(1).to(values.device)
        return torch.cat([window, past.unsqueeze(1).expand(-1, window.shape[1], -1), scale], 2), normal.mean

    @torch.no_grad()
    def _solved(self, beside: _Beside, horizon: int) -> tuple[Tensor | None, float]:
        """Return weights ``(G, F + 1, H)``, G = 1 or C, and their mean squared validation error; None without windows."""
        length, n_channels = self.length_for(beside.data), len(beside.data.channels)
        n_groups = n_channels if beside.past.shape[1] else 1
        width = length + beside.past.shape[1] * min(_RECENT, length) + 1
        sums = {
            split: [Moments.empty(width, horizon, self.device) for _ in range(n_groups)] for split in ("train", "valid")
        }
        for split, moments in sums.items():
            windows = with_future(beside.data, length, horizon, split, self.device)
            for block in blocks(windows):
                values, mask = self.take(windows, block)
                ends = windows.starts[block] + length
                x, level = self._rows(beside, ends, values[:, :length], mask[:, :length])
                ahead = _taken(beside.effects, ends.unsqueeze(1) + torch.arange(horizon)).to(values.device)
                y = (values[:, length:] - ahead - level.unsqueeze(1)).transpose(1, 2)
                whole = mask[:, length:].all(1)
                for group, own in enumerate(torch.arange(n_channels).split(-(-n_channels // n_groups))):
                    moments[group].add(x[:, own][whole[:, own]], y[:, own][whole[:, own]])
        if not all(moments.n for moments in sums["train"]):
            return None, math.inf
        of_window = length if beside.past.shape[1] else 0
        pairs = list(zip(sums["train"], sums["valid"], strict=True))
        weights = torch.stack([solve(train, valid, n_window=of_window) for train, valid in pairs])
        n = sum(valid.n for _, valid in pairs)
        errors = (valid.error(own.double()) for own, (_, valid) in zip(weights, pairs, strict=True))
        return weights.contiguous(), math.fsum(errors) / (n * horizon) if n else math.inf


def _has(data: Series, role: str) -> bool:
    return data.covariates is not None and any(column.role == role for column in data.covariates.columns)


def _taken(rows: Tensor, places: Tensor) -> Tensor:
    """Return rows at some places, those beyond the first and the last as these are."""
    return rows[places.clamp(0, len(rows) - 1)]
