"""The result of a metric, and the interval that goes with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distaff.disentanglement.inputs import Floats

LEVEL = 0.95


@dataclass(frozen=True)
class Score:
    """A metric's value with what it was read from.

    Attributes:
        value: The metric.
        low, high: 95 % bootstrap interval over rows; None where the estimator cannot be resampled.
        matrix: What the value was read from, ``(K, J)``: one row a factor in ``factors``, one column a latent.
        factors: Names of the rows of ``matrix``. Factors that never vary are left out.
        dead: Latents that never vary.
        uninformative: Latents that vary but tell of no factor more than noise would.
        uncaptured: Factors of which no latent tells more than noise would.
        constant_factors: Factors that never vary.
    """

    value: float
    low: float | None
    high: float | None
    matrix: Floats
    factors: tuple[str, ...]
    dead: int
    uninformative: int
    uncaptured: int
    constant_factors: int


@dataclass(frozen=True)
class Reading:
    """A number read off representations without a table of factors.

    Attributes:
        value: The number.
        low, high: 95 % bootstrap interval; None where the statistic is not resampled.
        matrix: What the value was read from; the function says what its rows and columns are.
        dead: Latents, or chunks of them, that never vary and were left out; their cells are 0.
    """

    value: float
    low: float | None
    high: float | None
    matrix: Floats
    dead: int


def interval(value: float, replicates: Floats, *, lowest: float = 0.0, highest: float = 1.0) -> tuple[float, float]:
    """Return the percentile interval of bootstrap ``replicates`` ``(B,)``, centred on ``value``, within the metric's range.

    Recentred, since a resample holds about 63 % of the rows: what too few rows add to an estimate of dependence, they add to
    each replicate once more.
    """
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(replicates, [tail, 100 - tail]) - replicates.mean() + value
    # A skewed bootstrap may put the mean outside the middle 95 %.
    return float(np.clip(min(low, value), lowest, highest)), float(np.clip(max(high, value), lowest, highest))
