"""QUANT: quantiles of dyadic intervals."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff_timeseries.controls.features import FixedFeatures

_DEPTH = 6  # halvings of the window, itself included
_ROWS_EACH = 4  # rows of an interval for each of its quantiles


class Quant(FixedFeatures):
    """Quantiles of each channel over dyadic intervals (Dempster, Schmidt and Webb, DMKD 2024), of four representations.

    They are the window, its smoothed first difference, its second difference, and its spectrum. The authors' head is a
    forest of extremely randomised trees; here it is the linear head of all encoders.
    """

    name: ClassVar[str] = "quant"

    def of_windows(self, values: Tensor) -> Tensor:
        """Return quantiles, ``(b, F)``."""
        features = [
            quantiles(x[:, :, start:stop]).flatten(1)
            for x in representations(values.transpose(1, 2))
            for start, stop in intervals(x.shape[2])
        ]
        return torch.cat(features, 1)


def representations(x: Tensor) -> list[Tensor]:
    """Return the representations of channels ``(b, C, T)`` that have rows."""
    found = [x]
    if x.shape[2] > 1:
        found.append(F.avg_pool1d(F.pad(x.diff(dim=2), (2, 2), mode="replicate"), 5, 1))
    if x.shape[2] > 2:
        found.append(x.diff(n=2, dim=2))
    return [*found, torch.fft.rfft(x, dim=2).abs()]


def intervals(length: int) -> list[tuple[int, int]]:
    """Return first and last + 1 of dyadic intervals, and of those moved by half of one."""
    found = []
    for depth in range(min(_DEPTH, int(math.log2(length)) + 1)):
        borders = torch.linspace(0, length, 2**depth + 1).long().tolist()
        pairs = list(itertools.pairwise(borders))
        found += pairs
        width = length / 2**depth
        if depth and width >= 2:
            half = math.ceil(int(width) / 2)
            found += [(start + half, stop + half) for start, stop in pairs[:-1]]
    return found


def quantiles(x: Tensor) -> Tensor:
    """Return evenly spaced quantiles along the last axis, one for every four rows; every other one less the mean."""
    n = 1 + (x.shape[2] - 1) // _ROWS_EACH
    if n == 1:
        return x.quantile(0.5, dim=2, keepdim=True)
    found = x.quantile(torch.linspace(0, 1, n, device=x.device, dtype=x.dtype), dim=2).movedim(0, 2)
    found[:, :, 1::2] -= x.mean(2, keepdim=True)
    return found
