"""The raw window under the same heads: no network, nothing learned but the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from distaff.model.base import Session
from distaff.series.forecasting import Encoding
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_timeseries.patches import instance_norm


class RawRidge(SeriesModel):
    """A ridge from the instance-normalised window to its future, one for all channels; classes from the scaled window."""

    name: ClassVar[str] = "raw_ridge"
    control: ClassVar[bool] = True

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit nothing: there is no encoder."""

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return normalised values as time stamps ``(b, C, T, 1)``, and the scaled ones as instances ``(b, C, T)``."""
        normal = instance_norm(values, mask)
        return Encoding(values.transpose(1, 2), normal.values.transpose(1, 2).unsqueeze(3), normal.mean, normal.std)

    def encoder_state(self) -> dict[str, Tensor]:
        """Return no tensors."""
        return {}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Load nothing: there is no state."""
