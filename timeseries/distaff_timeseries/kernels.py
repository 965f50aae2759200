"""Proportions of positive values after fixed convolutions, as MiniRocket has them (Dempster, Schmidt and Webb, KDD 2021).

There are 84 kernels, all ways in which three of nine weights are 2 and the others -1; each is dilated by several distances
and sees a few channels drawn at random. The feature of a window, or of a patch, under a kernel is the share of rows at which
the convolution is above a threshold. Thresholds are quantiles of the convolutions of training windows, by golden steps, so
that any number of them is spread evenly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WIDTH = 9
_ORDERS = torch.tensor(
    [[2.0 if i in chosen else -1.0 for i in range(_WIDTH)] for chosen in itertools.combinations(range(_WIDTH), 3)]
)
N_KERNELS = len(_ORDERS)
_MOST_DILATIONS = 32
_MOST_CHANNELS = 9
_GOLDEN = (math.sqrt(5) + 1) / 2


class Kernels(nn.Module):
    """A fixed bank of dilated kernels with thresholds.

    Args:
        n_channels: C.
        length: Rows of a window, T; the widest kernel reaches over it once.
        n_features: Proportions wanted; their number is rounded down to a multiple of 84, and is 84 at least.
        generator: Draws channels.
    """

    channels: Tensor
    thresholds: Tensor

    def __init__(self, n_channels: int, length: int, n_features: int, generator: torch.Generator) -> None:
        super().__init__()
        each = max(n_features // N_KERNELS, 1)
        reach = max((length - 1) // (_WIDTH - 1), 1)
        powers = torch.linspace(0, math.log2(reach), min(each, _MOST_DILATIONS))
        self.dilations: list[int] = sorted({int(d) for d in torch.floor(2**powers + 1e-4)})
        n_dilations = len(self.dilations)
        # Of each dilation's share of the features; the first have one more where it does not divide evenly.
        self.counts = [len(range(i, each, n_dilations)) for i in range(n_dilations)]
        drawn = _draw_channels(n_channels, n_dilations * N_KERNELS, generator)
        self.register_buffer("channels", drawn.view(n_dilations, N_KERNELS, n_channels))
        self.register_buffer("thresholds", torch.zeros(N_KERNELS, each))

    @property
    def n_features(self) -> int:
        """Proportions of a window."""
        return self.thresholds.numel()

    def learn_thresholds(self, values: Tensor) -> None:
        """Set the thresholds to quantiles over the rows of some training windows ``(b, T, C)``, scaled."""
        place = torch.arange(1, self.n_features + 1, device=values.device) * _GOLDEN % 1.0
        quantiles = place.view(N_KERNELS, -1)
        thresholds, first = torch.empty_like(self.thresholds), 0
        for (maps, _), count in zip(self._maps(values), self.counts, strict=True):
            ordered = maps.transpose(0, 1).flatten(1).sort(1).values
            columns = slice(first, first + count)
            rank = (quantiles[:, columns] * (ordered.shape[1] - 1)).long()
            thresholds[:, columns], first = ordered.gather(1, rank), first + count
        self.thresholds = thresholds

    def proportions(self, values: Tensor) -> Tensor:
        """Return shares of a window's rows, ``(b, F)``; every other kernel counts only rows at which it lies in the window.

        Args:
            values: Scaled, 0 where missing, ``(b, T, C)``.
        """
        shares, first = [], 0
        for (maps, inside), count in zip(self._maps(values), self.counts, strict=True):
            n = inside.sum(1)
            for column in range(first, first + count):
                above = (maps > self.thresholds[:, column, None]) & inside
                shares.append(above.sum(2) / n)
            first += count
        return torch.cat(shares, 1)

    def above(self, values: Tensor) -> Iterator[Tensor]:
        """Yield convolutions less thresholds, ``(b, 84, T)``, threshold by threshold; 84 maps at a time fit into memory."""
        first = 0
        for (maps, _), count in zip(self._maps(values), self.counts, strict=True):
            for column in range(first, first + count):
                yield maps - self.thresholds[:, column, None]
            first += count

    def local_proportions(self, values: Tensor, patch_len: int, stride: int) -> Tensor:
        """Return shares of the rows of each patch, ``(b, T_p, F)``; see :func:`distaff_timeseries.patches.patches`."""
        shares, first = [], 0
        for (maps, _), count in zip(self._maps(values), self.counts, strict=True):
            for column in range(first, first + count):
                above = (maps > self.thresholds[:, column, None]).to(values.dtype)
                padded = F.pad(above, (0, stride), mode="replicate")
                shares.append(F.avg_pool1d(padded, patch_len, stride))
            first += count
        return torch.cat(shares, 1).transpose(1, 2)

    def _maps(self, values: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return convolutions ``(b, 84, T)`` of each dilation, and which rows count over whole windows, ``(84, T)``."""
        maps_and_rows = []
        length = values.shape[1]
        row = torch.arange(length, device=values.device)
        weights = _ORDERS.to(values.device).unsqueeze(1)
        for place, dilation in enumerate(self.dilations):
            mixed = self.channels[place] @ values.transpose(1, 2)
            reach = dilation * (_WIDTH // 2)
            maps = F.conv1d(mixed, weights, padding=reach, dilation=dilation, groups=N_KERNELS)
            within = (row >= reach) & (row < length - reach)
            partial = (torch.arange(N_KERNELS, device=values.device) + place) % 2 == 1
            everywhere = ~partial if bool(within.any()) else torch.ones_like(partial)
            maps_and_rows.append((maps, within | everywhere.unsqueeze(1)))
        return maps_and_rows


def _draw_channels(n_channels: int, n: int, generator: torch.Generator) -> Tensor:
    """Return which channels each of ``n`` kernels sums, float ``(n, C)`` of 0 and 1: few more often than many."""
    most = min(n_channels, _MOST_CHANNELS)
    sizes = (2 ** (torch.rand(n, generator=generator) * math.log2(most + 1))).long().clamp(1, most)
    rank = torch.rand(n, n_channels, generator=generator).argsort(1).argsort(1)
    return (rank < sizes.unsqueeze(1)).float()
