"""What forecasts that have no embeddings share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from distaff.model.base import Session
from distaff.series.forecasting import Encoding
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.errors import UnsupportedError


class Forecaster(SeriesModel):
    """A forecast and nothing else; a subclass gives ``forecast_windows``."""

    classifies: ClassVar[bool] = False

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit nothing."""

    def prepare_forecasts(self, horizon: int) -> None:
        """Fit nothing: there is no head."""

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Refuse: a forecast is all there is."""
        raise UnsupportedError(f"{self.name} forecasts and has no embeddings; raw_ridge has")

    def encoder_state(self) -> dict[str, Tensor]:
        """Return no tensors."""
        return {}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Load nothing: there is no state."""
