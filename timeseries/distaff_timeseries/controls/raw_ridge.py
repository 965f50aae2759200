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
        """There is none."""

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Time stamps are the normalised values ``(b, C, T, 1)``, instances the scaled ones ``(b, C, T)``."""
        seen = instance_norm(values, mask)
        return Encoding(values.transpose(1, 2), seen.values.transpose(1, 2).unsqueeze(3), seen.mean, seen.std)

    def parts(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def put_parts(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing."""
