"""Models of series whose encodings are latents with a way back: what such a model offers.

A model mixes :class:`Latent` into :class:`~distaff.series.model.SeriesModel`. ``distaff factors`` then moves its
latents, decodes them and says what each does, and probes its parts for what they should not know.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FREE = "free"


@dataclass(frozen=True)
class Codes:
    """Latents of b windows.

    Attributes:
        means: ``(b, K)``.
        variances: Of the posterior, ``(b, K)``; 0 where latents are certain.
        n_angles: How many latents, the last ones, are angles. Their prior is uniform on the circle, that of the others a
            normal of variance 1.
    """

    means: Tensor
    variances: Tensor
    n_angles: int = 0

    @classmethod
    def joined(cls, blocks: Sequence[Codes]) -> Codes:
        """Blocks of windows one after the other, in the machine's memory."""
        means, variances = (torch.cat([getattr(b, of).cpu() for b in blocks]) for of in ("means", "variances"))
        return cls(means, variances, blocks[0].n_angles)


@dataclass(frozen=True)
class Part:
    """Latents from ``start`` up to ``stop`` that belong together.

    Attributes:
        name: What the part is called.
        concept: What it should tell of: ``class``, ``group``, or ``free`` for anything.
    """

    name: str
    concept: str
    start: int
    stop: int


class Latent(ABC):
    """What a model of series with latents offers beside its encodings; windows are scaled, 0 where missing."""

    @abstractmethod
    def latents(self, values: Tensor, mask: Tensor) -> Codes:
        """Latents of windows ``(b, T, C)``."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Windows ``(b, T, C)`` of latents ``(b, K)``."""

    def noise_variance(self, codes: Tensor) -> Tensor:
        """Variance of the noise around the windows of latents ``(b, K)``, scaled, ``(b, C)``; 0 where a model has none."""
        return codes.new_zeros(len(codes), 1)

    def segments(self) -> tuple[Part, ...]:
        """How the latents are parted; none where they are not."""
        return ()
