"""Intervals over seeds, and paired comparison over users, windows or cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from distaff_data.arrays import Floats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """Mean over seeds with its Student-t interval; ``std``, ``low`` and ``high`` are None with a single seed."""

    mean: float
    std: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A paired comparison over the units (users, windows or cases) that both were measured on.

    Attributes:
        metric: What was compared.
        against: The control's name.
        difference: Mean of (model - control).
        low, high: 95 % interval of the mean difference.
        p_value: Two-sided, of no difference.
        n_units: Units compared.
    """

    metric: str
    against: str
    difference: float
    low: float
    high: float
    p_value: float
    n_units: int


def seed_interval(values: Sequence[float]) -> Interval:
    """Mean, sample standard deviation and 95 % t interval of one value a seed."""
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if sample.size < 2:
        return Interval(mean)
    std = float(sample.std(ddof=1))
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, sample.size - 1)) * std / float(np.sqrt(sample.size))
    return Interval(mean, std, mean - reach, mean + reach)


def compare_paired(model: Floats, control: Floats, *, metric: str, against: str) -> Comparison:
    """Return the paired t comparison of per-unit values ``(n,)``, each already averaged over seeds.

    With hundreds of units or more the mean difference is close to normal, whatever the distribution of the values.
    """
    gap = model - control
    n = gap.size
    mean = float(gap.mean())
    error = float(gap.std(ddof=1) / np.sqrt(n)) if n > 1 else float("inf")
    if error == 0.0:
        return Comparison(metric, against, mean, mean, mean, 1.0 if mean == 0.0 else 0.0, n)
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, max(n - 1, 1))) * error
    p = float(2 * stats.t.sf(abs(mean / error), max(n - 1, 1)))
    return Comparison(metric, against, mean, mean - reach, mean + reach, p, n)
