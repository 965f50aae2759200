"""Comparison of two models over the same units with both sources of error, seeds and units.

A run's value for a unit (a user, window or case) is a mean, plus what is the unit's own, plus what is the seed's own for all
units, plus what is that seed's own for that unit: seeds and units are crossed. The variance of a difference of means is

    units' variance of the difference / n  +  for each side: seed's own variance / its seeds,

where the seed's own variance is that of the seeds' means less the part that the first term holds already: the residual of
seeds and units over n. A negative estimate counts as 0. Degrees of freedom are Satterthwaite's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from distaff.stats.intervals import LEVEL
from distaff_data.arrays import Floats

Source = Literal["own", "borrowed", "unknown"]
_LENT = 2.0  # degrees of freedom of a spread that is borrowed: of two seeds it calls 7 to 8 % of equal pairs different


@dataclass(frozen=True)
class Spread:
    """The difference that a seed makes to one method.

    Attributes:
        means: Variance of a run's mean over units, from seed to seed.
        residual: Variance of one unit's value from seed to seed, beyond what the seed does to all units.
        df: Degrees of freedom of ``means``.
        n_units: Units of the runs that it was estimated from.
    """

    means: float
    residual: float
    df: float
    n_units: int

    @property
    def seed(self) -> float:
        """The variance that is the seed's own, for all units alike; not below 0."""
        return max(0.0, self.means - self.residual / self.n_units)


NO_SEED = Spread(0.0, 0.0, math.inf, 1)
"""The spread of a method that draws nothing at random."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        values: A row for each seed, a column for each unit, ``(S, n)``.
        spread: What a seed does, where there is one seed and it is known from elsewhere.
    """

    values: Floats
    spread: Spread | None = None

    @property
    def own(self) -> Spread | None:
        """The spread of its own seeds; None with one seed, or one unit."""
        return spread_of(self.values)


@dataclass(frozen=True)
class Comparison:
    """A paired comparison over the units (users, windows or cases) that both were measured on.

    Attributes:
        metric: What was compared.
        against: The control's name.
        difference: Mean of (model - control).
        low, high: 95 % interval of the mean difference; None where the error is not known.
        p_value: Two-sided, of no difference; None where the error is not known.
        n_units: Units compared.
        seed_variance: Whether the seeds' share of the error is from both sides' own seeds (or there is none to have),
            borrowed from other runs of the model, or unknown: then there is no interval and no p-value.
        p_holm: The p-value corrected over all comparisons of a table, after Holm; None outside a table.
        df: Degrees of freedom.
    """

    metric: str
    against: str
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    n_units: int
    seed_variance: Source = "own"
    p_holm: float | None = None
    df: float | None = None


def spread_of(values: Floats) -> Spread | None:
    """Return the spread of runs ``(S, n)`` of one configuration, a row a seed; None with one seed or one unit."""
    n_seeds, n = values.shape
    if n_seeds < 2 or n < 2:
        return None
    if not np.ptp(values, axis=0).any():  # the same for different seeds
        return NO_SEED
    means = values.mean(1)
    residuals = values - means[:, None] - values.mean(0) + means.mean()
    residual = float((residuals**2).sum() / ((n_seeds - 1) * (n - 1)))
    return Spread(float(means.var(ddof=1)), residual, n_seeds - 1, n)


def pooled_spread(spreads: Sequence[Spread]) -> Spread | None:
    """Return one spread out of those of several configurations, each weighing as its degrees of freedom; None of none."""
    if not spreads:
        return None
    drawn = [spread for spread in spreads if math.isfinite(spread.df)]
    if not drawn:
        return NO_SEED
    if len(drawn) == 1:
        return drawn[0]
    df = sum(spread.df for spread in drawn)
    means = sum(spread.means * spread.df for spread in drawn) / df
    # Per unit of the mean: configurations may have been measured on different numbers of units.
    residual = sum(spread.residual / spread.n_units * spread.df for spread in drawn) / df
    return Spread(means, residual, df, 1)


def compare_crossed(model: Side, control: Side, *, metric: str, against: str) -> Comparison:
    """Return the comparison of two methods on the same units; see the module.

    Args:
        model: Values of the model's runs, and what its seed does where they are of one seed.
        control: The same of the control, with the units in the same order.
        metric: What was measured.
        against: The control's name.
    """
    gap = model.values.mean(0) - control.values.mean(0)
    n, difference = gap.size, float(gap.mean())
    spreads = [_spread(side) for side in (model, control)]
    source: Source = "own"
    for spread, is_own in spreads:
        if spread is None:
            source = "unknown"
        elif not is_own and source != "unknown":
            source = "borrowed"
    if source == "unknown" or n < 2:
        return Comparison(metric, against, difference, None, None, None, n, source)
    units = float(gap.var(ddof=1)) / n
    variance, doubt = units, units**2 / (n - 1)
    weights: dict[Spread, float] = {}  # one estimate that serves both sides is one source of doubt
    for side, (spread, _) in zip((model, control), spreads, strict=True):
        if spread is not None:
            weights[spread] = weights.get(spread, 0.0) + 1 / len(side.values)
    for spread, weight in weights.items():
        variance += weight * spread.seed
        doubt += (weight * spread.means) ** 2 / spread.df
    if variance == 0.0:
        return Comparison(metric, against, difference, difference, difference, float(difference == 0.0), n, source)
    error, df = math.sqrt(variance), variance**2 / doubt
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, df)) * error
    p = float(2 * stats.t.sf(abs(difference) / error, df))
    return Comparison(metric, against, difference, difference - reach, difference + reach, p, n, source, df=df)


def _spread(side: Side) -> tuple[Spread | None, bool]:
    """Return what a seed does, and whether that is known of the side itself."""
    own_spread = side.own
    if own_spread is not None:
        return own_spread, True
    lent = side.spread
    if lent is not None and lent.df < _LENT:
        return None, False
    return lent, lent is NO_SEED
