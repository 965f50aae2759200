"""MultiRocket: four summaries of what lies above a threshold, after fixed convolutions of the window and its difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_timeseries.controls.features import FeatureConfig, FixedFeatures
from distaff_timeseries.controls.minirocket import SAMPLE
from distaff_timeseries.kernels import Kernels

_POOLS = 4


class MultiRocketConfig(FeatureConfig):
    """Settings of MultiRocket.

    Attributes:
        n_features: Summaries of a window; rounded down to a multiple of 672.
    """

    n_features: Annotated[int, Field(ge=672)] = 9408


class MultiRocket(FixedFeatures):
    """Share, mean, mean place and longest stretch of positive values (Tan, Dempster, Bergmeir and Webb, DMKD 2022).

    Kernels and thresholds are those of :class:`.MiniRocket`, one bank for the window and one for its difference. The
    authors take five times as many features.
    """

    name: ClassVar[str] = "multirocket"
    Config: ClassVar[type[ModelConfig]] = MultiRocketConfig
    config: MultiRocketConfig

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Draw channels, and take thresholds from training windows."""
        windows = slide(data, self.length_for(data), split="train")
        chosen = torch.linspace(0, len(windows) - 1, min(len(windows), SAMPLE)).long()
        values, generator = self.take(windows, chosen)[0], session.generator()
        self._banks = self._made(data, generator)
        for bank, x in zip(self._banks, (values, values.diff(dim=1)), strict=True):
            bank.learn_thresholds(x)
            bank.to(session.device)

    def of_windows(self, values: Tensor) -> Tensor:
        """Return the summaries, ``(b, F)``."""
        inputs = (values, values.diff(dim=1))
        return torch.cat(
            [summaries(maps) for bank, x in zip(self._banks, inputs, strict=True) for maps in bank.above(x)], 1
        )

    def encoder_state(self) -> dict[str, Tensor]:
        """Return channels and thresholds of both banks."""
        return {f"{i}.{name}": t for i, bank in enumerate(self._banks) for name, t in bank.state_dict().items()}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back channels and thresholds."""
        self._banks = self._made(self.data, torch.Generator())
        for i, bank in enumerate(self._banks):
            bank.load_state_dict({name[2:]: t for name, t in tensors.items() if name.startswith(f"{i}.")})

    def _made(self, data: Series, generator: torch.Generator) -> tuple[Kernels, Kernels]:
        length, n = self.length_for(data), self.config.n_features // (2 * _POOLS)
        first, second = (Kernels(len(data.channels), max(rows, 2), n, generator) for rows in (length, length - 1))
        return first, second


def summaries(maps: Tensor) -> Tensor:
    """Return of what is above 0 in ``(b, K, T)`` the share, mean, mean place and longest stretch, ``(b, 4 K)``.

    Mean and place are 0 where nothing is; place and stretch are parts of the rows.
    """
    length = maps.shape[2]
    positive = maps > 0
    count = positive.sum(2)
    some = count.clamp(min=1)
    place = torch.arange(length, device=maps.device, dtype=maps.dtype) / length
    mean = maps.clamp(min=0).sum(2) / some
    middle = (positive * place).sum(2) / some
    row = torch.arange(1, length + 1, device=maps.device)
    gap = torch.where(positive, 0, row).cummax(2).values  # the last row that was not above
    stretch = (row - gap).amax(2)
    return torch.cat([count / length, mean, middle, stretch / length], 1)
