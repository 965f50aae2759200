"""Bounds on chances that hold at any sample size, where a normal approximation would not."""

from __future__ import annotations

import numpy as np

from distaff_data.arrays import Floats


def bennett(deviation: Floats, variance: Floats) -> Floats:
    """Return a bound on the chance that a sum of independent parts is as far from its mean, two-sided (Bennett 1962).

    No part is further than 1 from its mean. The bound is near a normal tail where the variance is large, and near a Poisson
    tail where few parts differ from 0: of a rare thing a few more or less than expected are no finding.

    Args:
        deviation: Distance from the mean.
        variance: Of the sum, of the same shape.
    """
    size, spread = np.abs(deviation), np.maximum(variance, 1e-300)
    x = size / spread
    exponent = spread * ((1.0 + x) * np.log1p(x) - x)
    return np.asarray(np.minimum(2.0 * np.exp(-exponent), 1.0))
