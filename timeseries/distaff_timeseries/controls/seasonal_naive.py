"""Forecasts that repeat the last season."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Protocol, cast

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.series.contract import SeriesConfig
from distaff.series.seasons import candidate_seasons, validation_error
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_timeseries.controls.forecaster import Forecaster


class SeasonalNaiveConfig(SeriesConfig):
    """Settings of the seasonal naive forecast.

    Attributes:
        season: Rows of a season; when None the peak of the autocorrelation, or 1, the last value, of least validation error.
    """

    season: Annotated[int | None, Field(ge=1)] = None


class SeasonalNaive(Forecaster):
    """The latest measured value at the same place of the season, again and again."""

    name: ClassVar[str] = "seasonal_naive"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = SeasonalNaiveConfig
    config: SeasonalNaiveConfig
    season: int

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Find the season in training windows, and choose among several on validation windows."""
        self.season = find_season(self, data, self.config.season)

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return the latest measured value at each place of the season; the training mean where there is none."""
        season = self.season
        n_seasons = values.shape[1] // season
        shape = (len(values), n_seasons, season, values.shape[2])
        recent, measured = (rows[:, -n_seasons * season :].reshape(shape) for rows in (values, mask))
        place = torch.arange(1, n_seasons + 1, device=values.device).view(1, -1, 1, 1)
        latest = (measured * place).argmax(1, keepdim=True)
        last = recent.gather(1, latest)[:, 0]  # a missing value is 0 already
        return last[:, torch.arange(horizon, device=values.device) % season]

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the season."""
        return {"season": torch.tensor(self.season)}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the season."""
        self.season = int(tensors["season"])


class Seasonal(Protocol):
    """A forecast by a season."""

    season: int


def find_season(model: Seasonal, data: Series, given: int | None) -> int:
    """Return the rows of a season: those given, or those that the training windows show and validation windows choose.

    Raises:
        InputError: It does not fit into a window.
    """
    forecaster = cast("Forecaster", model)
    length = forecaster.length_for(data)
    season = given or _chosen_season(model, forecaster, data, length)
    if season > length:
        raise InputError(f"a season of {season} rows does not fit into a window of {length}; set seq_len higher")
    return season


def _chosen_season(model: Seasonal, forecaster: Forecaster, data: Series, length: int) -> int:
    """Return the season, or 1, of least validation error; the highest peak where there is nothing to validate on."""
    best, chosen = float("inf"), 0
    for season in (*candidate_seasons(forecaster, data, length), 1):
        model.season = season
        error = validation_error(forecaster, data, length, max(forecaster.config.horizons))
        if error is None:
            return season
        if error < best:
            best, chosen = error, season
    return chosen
