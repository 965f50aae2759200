"""What encoders share that compute fixed features of whole windows, for classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.series.contract import SeriesConfig
from distaff.series.forecasting import Encoding
from distaff.series.heads.classify import Method
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series

_AT_ONCE = 64  # windows at a time


class FeatureConfig(SeriesConfig):
    """Settings of fixed features."""

    classifier: Method = "ridge"


class FixedFeatures(SeriesModel):
    """Fixed features of windows under a linear head; a subclass gives :meth:`of_windows`."""

    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = FeatureConfig
    config: FeatureConfig

    @abstractmethod
    def of_windows(self, values: Tensor) -> Tensor:
        """Return the features of windows ``(b, T, C)``, ``(b, F)``."""

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit nothing: the features are fixed."""

    @torch.no_grad()
    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return features ``(b, 1, F)``; a missing value counts as the training mean."""
        features = torch.cat([self.of_windows(block) for block in values.split(_AT_ONCE)])
        level = values.new_zeros(values.shape[0], values.shape[2])
        return Encoding(features.unsqueeze(1), None, level, values.new_ones(len(values), 1))

    def encoder_state(self) -> dict[str, Tensor]:
        """Return no tensors."""
        return {}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Load nothing: there is no state."""
