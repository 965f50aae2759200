"""A forecast blended from simple ones by their errors on validation windows, which says which of them carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.series.answers import known_entities
from distaff.series.blocks import blocks
from distaff.series.fitted_heads import with_prefix, without_prefix
from distaff.series.model import SeriesModel
from distaff.series.seasons import evenly
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, usual_room, with_future
from distaff_data.errors import InputError
from distaff_timeseries.controls.forecaster import Forecaster
from distaff_timeseries.controls.naive import Drift, Naive
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.controls.seasonal_naive import SeasonalNaive
from distaff_timeseries.controls.sparse_linear import SparseLinear
from distaff_timeseries.controls.theta import Theta
from distaff_timeseries.covariate_ridge import CovariateRidge
from distaff_timeseries.entity_ridge import MOST, EntityRidges, fit_entity_ridges
from distaff_timeseries.filled_ridge import FilledRidge
from distaff_timeseries.shares import ErrorProducts, band_of, worth

_LONG = (336, 720)  # rows of longer windows, beside the usual ones, where the training rows hold two of them
_MOST = 4096  # validation windows, evenly spaced, that weights are computed from
_SIMPLE = (Theta.name, SeasonalNaive.name, Naive.name, Drift.name)
"""Components that nothing is fitted of, so that training windows judge them as well as others do."""
_OWN = "raw_ridge of each entity"
_Place = tuple[Series, Tensor]
"""Whose windows some are, and the first rows after them."""


class ForecastBlend(Forecaster):
    """Ridges on windows of several lengths, of all entities and of each, and simple forecasts, in a weighted mean.

    Simple ones are a sparse linear forecast, Theta, the last season, the last value and the drift. Where there are
    covariates, or times are moments, a ridge beside their effects joins them; see
    :mod:`distaff_timeseries.covariate_ridge`. Weights are not negative and sum to 1. For each entity, channel and band of
    steps (1 to 4, 5 to 16, 17 to 64, ...) they are the ones of least squared error on the validation windows, where those
    of all entities count too, the more the fewer its own are: as far from weights that all channels share as halves of
    these windows agree, and these as far from those of the simple forecasts. With ``seq_len`` there are windows of that
    length alone.
    """

    name: ClassVar[str] = "forecast_blend"
    reads_ahead: ClassVar[bool] = True

    def length_for(self, data: Series) -> int:
        """Return the rows of the longest windows."""
        usual = super().length_for(data)
        if self.config.seq_len is not None or data.whole:
            return usual
        return max([usual, *self._long(data)])

    def _long(self, data: Series) -> list[int]:
        room = usual_room(data, max(self.config.horizons))
        return [length for length in _LONG if 2 * length <= room and self.config.seq_len is None]

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit every component."""
        self._models = {}
        for name, model in self._components(data).items():
            model.fit(data, seed=session.seed, device=str(session.device))
            try:
                model.prepare_forecasts(max(self.config.horizons))
            except InputError:  # no training window has such a horizon; the others need none
                continue
            self._models[name] = model
        self._weights: dict[int, Tensor] = {}
        self._own: dict[int, EntityRidges] = {}

    def prepare_forecasts(self, horizon: int) -> None:
        """Prepare the components, and weigh them, once for that many rows ahead."""
        steps = max(*self.config.horizons, horizon)
        for model in self._models.values():
            model.prepare_forecasts(steps)
        if steps in self._weights:
            return
        if RawRidge.name in self._models and 1 < self.data.n_entities * len(self.data.channels) <= MOST:
            self._own[steps] = fit_entity_ridges(self._ridge, steps)
        self._weights[steps] = self._weighed(steps)

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return the weighted mean of the components' forecasts, by the weights of an entity that is not known."""
        return self._forecast(torch.full((len(values),), -1), values, mask, horizon, None)

    def forecast_after(self, windows: Windows, index: Tensor, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return the weighted mean of the components' forecasts, by the weights of each window's entity."""
        place = windows.data, windows.starts[index] + values.shape[1]
        return self._forecast(self._codes(windows, index), values, mask, horizon, place)

    def weights(self, horizon: int | None = None) -> dict[str, Tensor]:
        """Return the mean weight over entities of each component at each step and channel, ``(H, C)``, by its name."""
        steps = max(self.config.horizons) if horizon is None else horizon
        self.prepare_forecasts(steps)
        longest = max(*self.config.horizons, steps)
        weights = self._weights[longest][:-1].mean(0)[band_of(steps)].movedim(2, 0)
        return dict(zip(self._names(longest), weights, strict=True))

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
        tensors |= {f"own.{steps}": ridges.weights for steps, ridges in self._own.items()}
        for name, model in self._models.items():
            tensors |= with_prefix(f"{name}.", model.state())
        return tensors

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the components and the weights."""
        self._weights = {int(steps): weights for steps, weights in without_prefix("weights.", tensors).items()}
        self._own = {int(steps): EntityRidges(weights) for steps, weights in without_prefix("own.", tensors).items()}
        self._models = {}
        for name, model in self._components(self.data).items():
            if state := without_prefix(f"{name}.", tensors):
                model.bind(self.data)
                model.load_state(state)
                self._models[name] = model

    @property
    def _ridge(self) -> RawRidge:
        ridge = self._models[RawRidge.name]
        assert isinstance(ridge, RawRidge)
        return ridge

    def _components(self, data: Series) -> dict[str, SeriesModel]:
        usual, longest = super().length_for(data), self.length_for(data)
        horizons = self.config.horizons
        models: dict[str, SeriesModel] = {RawRidge.name: FilledRidge(seq_len=usual, horizons=horizons)}
        for length in self._long(data):
            models[f"{RawRidge.name} of {length} rows"] = FilledRidge(seq_len=length, horizons=horizons)
        for component in (SparseLinear, Theta, SeasonalNaive, Naive, Drift):
            models[component.name] = component(seq_len=longest, horizons=horizons)
        if CovariateRidge.helps(data):
            models[CovariateRidge.name] = CovariateRidge(seq_len=usual, horizons=horizons)
        return models

    def _names(self, steps: int) -> list[str]:
        return [*self._models, *([_OWN] if steps in self._own else [])]

    def _codes(self, windows: Windows, index: Tensor) -> Tensor:
        """Return the place of windows' entities among the model's own; -1 of another one."""
        entities = windows.entities[index]
        return entities if windows.data is self._data else known_entities(self.data, windows.data)[entities]

    def _forecast(self, codes: Tensor, values: Tensor, mask: Tensor, horizon: int, place: _Place | None) -> Tensor:
        longest = max(*self.config.horizons, horizon)
        weights = self._weights[longest][codes][:, band_of(horizon)]  # the last is that of an unknown one
        forecasts = self._forecasts(codes, values, mask, longest, place)[:, :horizon]
        return (weights.to(values.device) * forecasts).sum(3)

    def _forecasts(
        self,
        codes: Tensor,
        values: Tensor,
        mask: Tensor,
        steps: int,
        place: _Place | None,
        chosen: Sequence[bool] | None = None,
    ) -> Tensor:
        """Return the forecasts of every component, or of those chosen, ``(b, H, C, K)``.

        Of windows whose place is not known, a component that reads what is beside them gives what the first one does.
        """
        forecasts: list[Tensor] = []
        wanted = chosen or [True] * len(self._names(steps))
        for model, asked in zip(self._models.values(), wanted, strict=False):
            if not asked:
                continue
            if not isinstance(model, CovariateRidge):
                forecasts.append(model.forecast_windows(values[:, -model.length :], mask[:, -model.length :], steps))
            elif place is None:
                forecasts.append(forecasts[0])
            else:
                forecasts.append(model.forecast_from(*place, values, mask, steps))
        if steps in self._own and wanted[-1]:
            length = self._ridge.length
            forecasts.append(
                self._own[steps].forecast(self._ridge, codes, values[:, -length:], mask[:, -length:], steps)
            )
        return torch.stack(forecasts, 3)

    @torch.no_grad()
    def _weighed(self, steps: int) -> Tensor:
        """Return weights ``(E + 1, bands, C, K)``, the last of an entity unknown.

        Without validation windows they are equal, but for the drift, which has none.
        """
        data, names = self.data, self._names(steps)
        valid = evenly(with_future(data, self.length, steps, "valid", self.device), _MOST)
        if not len(valid):
            # A line through two values goes furthest astray where nothing was there to judge it by.
            kept = torch.tensor([name != Drift.name for name in names]).float()
            shape = data.n_entities + 1, int(band_of(steps)[-1]) + 1, len(data.channels), len(names)
            return (kept / kept.sum()).expand(shape).clone()
        halves = _halves(valid, steps)
        products = [self._products(valid.where(halves == half), steps) for half in (0, 1)]
        both = products[0] + products[1]
        simple = torch.tensor([name in _SIMPLE for name in names])
        train = evenly(with_future(data, self.length, steps, "train", self.device), _MOST // 2)
        usual = torch.zeros(data.n_entities + 1, both.grams.shape[1], len(data.channels), len(names))
        usual[..., simple] = (self._products(train, steps, simple) + both.among(simple)).shares()
        together = _Drawn.to([usual] * 3, products, both, of_all_channels=True)
        if len(data.channels) == 1:
            return together.of_both
        return _Drawn.to([*together.of_halves, together.of_both], products, both, of_all_channels=False).of_both

    def _products(self, windows: Windows, steps: int, chosen: Tensor | None = None) -> ErrorProducts:
        """Return sums of products of the errors of components, of some alone where these are told."""
        length, bands = self.length, band_of(steps)
        kept = torch.ones(len(self._names(steps)), dtype=torch.bool) if chosen is None else chosen
        products = ErrorProducts.none(self.data.n_entities, bands, len(self.data.channels), int(kept.sum()))
        for block in blocks(windows):
            values, mask = self.take(windows, block)
            history, observed, future = values[:, :length], mask[:, :length], values[:, length:]
            place, codes = (windows.data, windows.starts[block] + length), windows.entities[block]
            forecasts = self._forecasts(codes, history, observed, steps, place, kept.tolist())
            measured = mask[:, length:]
            errors = ((forecasts - future.unsqueeze(3)) * measured.unsqueeze(3)).double().cpu()
            products.add(errors, measured.cpu(), codes)
        return products


@dataclass(frozen=True)
class _Drawn:
    """Weights ``(E + 1, bands, C, K)`` by each half of the validation windows and by both, drawn to first guesses."""

    of_halves: tuple[Tensor, Tensor]
    of_both: Tensor

    @classmethod
    def to(
        cls, first: Sequence[Tensor], products: Sequence[ErrorProducts], both: ErrorProducts, *, of_all_channels: bool
    ) -> _Drawn:
        """Return the weights of least error, as far from the first guesses as each half saves by those of the other.

        Args:
            first: The first guess by each half, and by both.
            products: Of errors in each half.
            both: Of errors in both.
            of_all_channels: Channels have the same weights, and are judged together.
        """
        best = [product.shares(of_all_channels=of_all_channels) for product in (*products, both)]
        judged = [(products[1 - half], best[half][:-1], first[half][:-1]) for half in (0, 1)]
        gain = worth(judged, channels_together=of_all_channels).unsqueeze(0).unsqueeze(3)
        drawn = [guess + gain * (weights - guess) for guess, weights in zip(first, best, strict=True)]
        return cls((drawn[0], drawn[1]), drawn[2])


def _halves(windows: Windows, steps: int) -> Tensor:
    """Return 0 for the first half of each entity's windows and 1 for the others, ``(n,)``.

    Of entities with too few windows for two halves, every other one is in a half as a whole.
    """
    counts = torch.bincount(windows.entities, minlength=int(windows.entities.max()) + 1)
    place = torch.arange(len(windows)) - (counts.cumsum(0) - counts)[windows.entities]
    parity = counts.sign().cumsum(0)[windows.entities] % 2
    few = counts[windows.entities] < steps
    return torch.where(few, parity, (2 * place >= counts[windows.entities]).long())
