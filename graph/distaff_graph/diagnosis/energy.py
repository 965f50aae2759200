"""The energy distance of two samples of each metric (Székely and Rizzo), from one sort."""

from __future__ import annotations

import numpy as np

from distaff_data.arrays import Floats


def energy_coefficient(first: Floats, second: Floats) -> Floats:
    """Return the energy distance of two samples ``(n, M)``, ``(m, M)`` over its largest value, ``(M,)``, in [0, 1].

    H = (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / (2 E|X - Y|), 0 where nothing moves.
    """
    n, m = len(first), len(second)
    pooled = n + m
    of_all = _sum_of_distances(np.vstack([first, second]))
    of_first, of_second = _sum_of_distances(first), _sum_of_distances(second)
    between = (of_all - of_first - of_second) / (n * m)
    distance = 2 * between - 2 * of_first / n**2 - 2 * of_second / m**2
    least = 1e-12 * (np.abs(first).max(0) + np.abs(second).max(0)) * pooled
    return np.divide(np.maximum(distance, 0), 2 * between, out=np.zeros_like(between), where=between > least)


def _sum_of_distances(values: Floats) -> Floats:
    """Return the sum of |x_i - x_j| over pairs i < j, ``(M,)``, from one sort."""
    n = len(values)
    weights: Floats = 2 * np.arange(n, dtype=np.float64) - n + 1
    total: Floats = weights @ np.sort(values, axis=0)
    return total
