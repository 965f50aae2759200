"""Intervals over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """Mean over seeds with its Student-t interval; ``std``, ``low`` and ``high`` are None with a single seed."""

    mean: float
    std: float | None = None
    low: float | None = None
    high: float | None = None


def seed_interval(values: Sequence[float]) -> Interval:
    """Mean, sample standard deviation and 95 % t interval of one value a seed."""
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if sample.size < 2:
        return Interval(mean)
    std = float(sample.std(ddof=1))
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, sample.size - 1)) * std / float(np.sqrt(sample.size))
    return Interval(mean, std, mean - reach, mean + reach)
