"""The methods of models of series whose encodings are latents with a way back.

A :class:`~distaff.series.model.SeriesModel` with the methods of :class:`Latent` has latents; it need not inherit from it.
``distaff factors`` moves them, decodes them and says what each does, and probes its segments for what they should not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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
        """Return the codes of blocks of windows, one after the other, in the machine's memory."""
        means, variances = (torch.cat([getattr(b, of).cpu() for b in blocks]) for of in ("means", "variances"))
        return cls(means, variances, blocks[0].n_angles)


@dataclass(frozen=True)
class LatentRange:
    """Latents from ``start`` up to ``stop`` that belong together.

    Attributes:
        name: Its name.
        concept: What it should tell of: ``class``, ``group``, or ``free`` for anything.
    """

    name: str
    concept: str
    start: int
    stop: int


@runtime_checkable
class Latent(Protocol):
    """A model of series with latents; windows are scaled, 0 where missing."""

    def latents(self, values: Tensor, mask: Tensor) -> Codes:
        """Return the latents of windows ``(b, T, C)``."""

    def decode(self, codes: Tensor) -> Tensor:
        """Return windows ``(b, T, C)`` of latents ``(b, K)``."""

    def noise_variance(self, codes: Tensor) -> Tensor:
        """Return the variance of noise around the windows of latents ``(b, K)``, scaled, ``(b, C)``; 0 for none."""

    def segments(self) -> tuple[LatentRange, ...]:
        """Return the segments of the latents; none where they are not divided."""
