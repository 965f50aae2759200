"""A forecast blended from simple ones by their errors on validation windows, which says which of them carries it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.series.blocks import blocks
from distaff.series.fitted_heads import with_prefix, without_prefix
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_timeseries.controls.forecaster import Forecaster
from distaff_timeseries.controls.naive import Drift, Naive
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.controls.seasonal_naive import SeasonalNaive
from distaff_timeseries.controls.seasons import evenly
from distaff_timeseries.controls.sparse_linear import SparseLinear

_COMPONENTS: tuple[type[SeriesModel], ...] = (RawRidge, SparseLinear, SeasonalNaive, Naive, Drift)
_MOST = 4096  # validation windows, evenly spaced, that weights are computed from
_BANDS = 4  # steps of the first band; each next one ends at four times as many


class ForecastBlend(Forecaster):
    """A ridge on the window, a sparse linear forecast, the last season, the last value and the drift, in a weighted mean.

    Weights are not negative and sum to 1. For each channel and each band of steps (1 to 4, 5 to 16, 17 to 64, ...) they are
    the ones of least squared error on the validation windows, so that there no component is better than the blend.
    """

    name: ClassVar[str] = "forecast_blend"

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit every component."""
        self._models = self._components()
        for model in self._models:
            model.fit(data, seed=session.seed, device=str(session.device))
        self._weights: dict[int, Tensor] = {}

    def prepare_forecasts(self, horizon: int) -> None:
        """Prepare the components, and weigh them, once for that many rows ahead."""
        steps = max(*self.config.horizons, horizon)
        for model in self._models:
            model.prepare_forecasts(horizon)
        if steps not in self._weights:
            self._weights[steps] = self._weighed(steps)

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return the weighted mean of the components' forecasts."""
        weights = self._weights[max(*self.config.horizons, horizon)][:, :horizon].to(values.device)
        forecasts = torch.stack([model.forecast_windows(values, mask, horizon) for model in self._models], 1)
        return (weights * forecasts).sum(1)

    def weights(self, horizon: int | None = None) -> dict[str, Tensor]:
        """Return the weight of each component at each step and channel, ``(H, C)``, by its name."""
        steps = max(self.config.horizons) if horizon is None else horizon
        self.prepare_forecasts(steps)
        weights = self._weights[max(*self.config.horizons, steps)][:, :steps]
        return {model.name: weight for model, weight in zip(self._models, weights, strict=True)}

    def notes(self) -> tuple[str, ...]:
        """Return which components carry the forecast of each channel."""
        shares = {name: weight.mean(0).tolist() for name, weight in self.weights().items()}
        lines = []
        for place, channel in enumerate(self.data.channels):
            ordered = sorted(((weight[place], name) for name, weight in shares.items()), reverse=True)
            lines.append(f"{channel}: " + ", ".join(f"{name} {share:.0%}" for share, name in ordered if share >= 0.005))
        return tuple(lines)

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the components' tensors, and the weights by their horizon."""
        tensors = {f"weights.{steps}": weights for steps, weights in self._weights.items()}
        for model in self._models:
            tensors |= with_prefix(f"{model.name}.", model.state())
        return tensors

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the components and the weights."""
        self._weights = {int(steps): weights for steps, weights in without_prefix("weights.", tensors).items()}
        self._models = self._components()
        for model in self._models:
            model.bind(self.data)
            model.load_state(without_prefix(f"{model.name}.", tensors))

    def _components(self) -> list[SeriesModel]:
        settings = {"seq_len": self.config.seq_len, "horizons": self.config.horizons}
        return [component(**settings) for component in _COMPONENTS]

    @torch.no_grad()
    def _weighed(self, steps: int) -> Tensor:
        """Return weights ``(K, H, C)``; all on the first component where there is nothing to validate on."""
        length, n_channels, n = self.length, len(self.data.channels), len(self._models)
        windows = evenly(slide(self.data, length, horizon=steps, split="valid", device=self.device), _MOST)
        grams = torch.zeros(steps, n_channels, n, n, dtype=torch.float64)
        for block in blocks(windows):
            values, mask = self.take(windows, block)
            history, observed, future = values[:, :length], mask[:, :length], values[:, length:]
            away = [
                (model.forecast_windows(history, observed, steps) - future) * mask[:, length:] for model in self._models
            ]
            errors = torch.stack(away, 3).double().cpu()
            grams += torch.einsum("bhck,bhcl->hckl", errors, errors)
        weights = torch.zeros(n, steps, n_channels)
        start, stop = 0, _BANDS
        while start < steps:
            band = grams[start:stop].sum(0)
            weights[:, start:stop] = torch.stack([least_squares_shares(gram) for gram in band], 1).unsqueeze(1)
            start, stop = stop, 4 * stop
        return weights


def least_squares_shares(gram: Tensor) -> Tensor:
    """Return the w of least w' G w among those that are not negative and sum to 1, ``(K,)``.

    The least lies inside one face of the simplex, where it is a linear system: all faces of a few components are tried.
    """
    n = len(gram)
    best, chosen = float("inf"), torch.eye(n)[0]
    for size in range(1, n + 1):
        for face in map(list, combinations(range(n), size)):
            within = gram[face][:, face]
            jitter = 1e-9 * within.diagonal().mean().clamp(min=1e-30)
            share = torch.linalg.solve(within + jitter * torch.eye(size), torch.ones(size, dtype=gram.dtype))
            share = share / share.sum()
            error = float(share @ within @ share)
            if bool((share >= 0).all()) and error < best * (1 - 1e-6):
                best, chosen = error, torch.zeros(n).index_copy(0, torch.tensor(face), share.float())
    return chosen
