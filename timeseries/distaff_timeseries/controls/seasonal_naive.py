"""Forecasts that repeat the last season."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.series.contract import SeriesConfig
from distaff.series.forecasting import Encoding
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_data.errors import InputError, UnsupportedError

_MOST = 512  # windows, evenly spaced, that the season is estimated from
_LEAST = 0.1  # autocorrelation below which there is no season


class SeasonalNaiveConfig(SeriesConfig):
    """Settings of the seasonal naive forecast.

    Attributes:
        season: Rows of a season; from the autocorrelation when None, and 1, the last value, where there is none.
    """

    season: Annotated[int | None, Field(ge=1)] = None


class SeasonalNaive(SeriesModel):
    """The latest measured value at the same place of the season, again and again."""

    name: ClassVar[str] = "seasonal_naive"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    classifies: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = SeasonalNaiveConfig
    config: SeasonalNaiveConfig

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Find the season in training windows."""
        length = self.length_for(data)
        self.season = self.config.season or self._season_of(data, length)
        if self.season > length:
            raise InputError(
                f"a season of {self.season} rows does not fit into a window of {length}; set seq_len higher"
            )

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

    def prepare_forecasts(self, horizon: int) -> None:
        """Fit nothing: there is no head."""

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Refuse: a forecast is all there is."""
        raise UnsupportedError(f"{self.name} forecasts and has no embeddings; raw_ridge has")

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the season."""
        return {"season": torch.tensor(self.season)}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the season."""
        self.season = int(tensors["season"])

    def _season_of(self, data: Series, length: int) -> int:
        """Return the lag of the highest peak of the mean autocorrelation, up to half a window."""
        windows = slide(data, length, split="train")
        chosen = torch.linspace(0, len(windows) - 1, min(len(windows), _MOST)).long()
        values, mask = self.take(windows, chosen)
        centred = (values - (values.sum(1) / mask.sum(1).clamp(min=1)).unsqueeze(1)) * mask
        power, pairs = (_autocorrelation(rows.double()).sum((0, 2)) for rows in (centred, mask))
        curve = (power / pairs.clamp(min=1))[: length // 2 + 1]
        curve = curve / curve[0].clamp(min=1e-12)
        inner = curve[1:-1]
        peak = (inner > curve[:-2]) & (inner >= curve[2:]) & (inner > _LEAST)
        return int(torch.where(peak, inner, -1.0).argmax()) + 1 if bool(peak.any()) else 1


def _autocorrelation(x: Tensor) -> Tensor:
    """Return sums of products at every lag, along the second axis of ``(b, T, C)``."""
    length = x.shape[1]
    spectrum = torch.fft.rfft(x, 2 * length, dim=1)
    products: Tensor = torch.fft.irfft(spectrum.abs().square(), 2 * length, dim=1)
    return products[:, :length]
