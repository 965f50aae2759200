"""Hydra: random kernels in groups that compete for every row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.model.base import Session
from distaff_data.datasets.series import Series
from distaff_timeseries.controls.features import FixedFeatures

_GROUPS, _KERNELS, _WIDTH = 64, 8, 9
_MOST_CHANNELS = 8


class Hydra(FixedFeatures):
    """How often, and how strongly, each kernel wins its group (Dempster, Schmidt and Webb, DMKD 2023), all dilations.

    Half of the groups read the window and half its difference. A row counts for the kernel of the largest response, by the
    response, and for that of the smallest, by one; the square roots of the sums are the features.
    """

    name: ClassVar[str] = "hydra"

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Draw weights and channels."""
        generator, n_channels = session.generator(), len(data.channels)
        reach = max(self.length_for(data) - 1, _WIDTH - 1) // (_WIDTH - 1)
        n_dilations = int(math.log2(max(reach, 1))) + 1
        weights = torch.randn(n_dilations, _GROUPS * _KERNELS, 1, _WIDTH, generator=generator)
        weights = weights - weights.mean(3, keepdim=True)
        self._weights = weights / weights.abs().sum(3, keepdim=True)
        rank = torch.rand(n_dilations, _GROUPS, n_channels, generator=generator).argsort(2).argsort(2)
        self._channels = (rank < min(_MOST_CHANNELS, max(n_channels // 2, 1))).float()

    def of_windows(self, values: Tensor) -> Tensor:
        """Return roots of sums, ``(b, F)``."""
        x = values.transpose(1, 2)
        halves = (x, x.diff(dim=2)) if x.shape[2] > 1 else (x, x)
        features = []
        for place, (weights, channels) in enumerate(zip(self._weights, self._channels, strict=True)):
            for half, groups in enumerate(torch.arange(_GROUPS).chunk(2)):
                kernels = weights.unflatten(0, (_GROUPS, _KERNELS))[groups].flatten(0, 1).to(x.device)
                mixed = (channels[groups].to(x.device) @ halves[half]).repeat_interleave(_KERNELS, 1)
                reach = 2**place * (_WIDTH // 2)
                responses = F.conv1d(mixed, kernels, padding=reach, dilation=2**place, groups=len(kernels))
                features.append(counts(responses.unflatten(1, (len(groups), _KERNELS))))
        return torch.cat(features, 1)

    def encoder_state(self) -> dict[str, Tensor]:
        """Return weights and channels."""
        return {"weights": self._weights, "channels": self._channels}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back weights and channels."""
        self._weights, self._channels = tensors["weights"], tensors["channels"]


def counts(responses: Tensor) -> Tensor:
    """Return roots of the sums of largest responses, and of the counts of smallest ones, of ``(b, G, K, T)``."""
    largest, winner = responses.max(2)
    loser = responses.argmin(2)
    shape = (*responses.shape[:2], responses.shape[2])
    soft = responses.new_zeros(shape).scatter_add_(2, winner, largest.clamp(min=0))
    hard = responses.new_zeros(shape).scatter_add_(2, loser, torch.ones_like(largest))
    return torch.cat([soft, hard], 2).sqrt().flatten(1)
