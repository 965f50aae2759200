"""MiniRocket: thousands of random convolutions, of each the share of rows above a threshold, and a ridge."""

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
from distaff.series.heads.classify import Method
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_timeseries.kernels import Kernels

SAMPLE = 128
"""Windows, evenly spaced, whose convolutions give the thresholds."""
_AT_ONCE = 64  # windows convolved at a time: 84 maps each


class MiniRocketConfig(SeriesConfig):
    """Settings of MiniRocket.

    Attributes:
        n_features: Proportions of a window; rounded down to a multiple of 84.
    """

    n_features: Annotated[int, Field(ge=84)] = 9996
    classifier: Method = "ridge"


class MiniRocket(SeriesModel):
    """Proportions of positive values after fixed kernels (Dempster, Schmidt and Webb, KDD 2021), all channels together.

    Two things are done otherwise than the authors': thresholds come from 128 training windows together and not from one
    window each, and channels of a kernel are drawn by a seed.
    """

    name: ClassVar[str] = "minirocket"
    control: ClassVar[bool] = True
    any_length: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = MiniRocketConfig
    config: MiniRocketConfig

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Draw channels, and take thresholds from training windows."""
        windows = slide(data, self.length_for(data), split="train")
        chosen = torch.linspace(0, len(windows) - 1, min(len(windows), SAMPLE)).long()
        self._kernels = self._bank(data, session.generator())
        self._kernels.learn_thresholds(self.take(windows, chosen)[0])
        self._kernels.to(session.device)

    @torch.no_grad()
    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return proportions ``(b, 1, F)``; a missing value counts as the training mean."""
        shares = torch.cat([self._kernels.proportions(block) for block in values.split(_AT_ONCE)])
        level = values.new_zeros(values.shape[0], values.shape[2])
        return Encoding(shares.unsqueeze(1), None, level, values.new_ones(len(values), 1))

    def encoder_state(self) -> dict[str, Tensor]:
        """Return channels and thresholds of the kernels."""
        return dict(self._kernels.state_dict())

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back channels and thresholds."""
        self._kernels = self._bank(self.data, torch.Generator())
        self._kernels.load_state_dict(tensors)

    def _bank(self, data: Series, generator: torch.Generator) -> Kernels:
        return Kernels(len(data.channels), self.length_for(data), self.config.n_features, generator)
