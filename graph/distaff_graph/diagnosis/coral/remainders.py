"""How far a metric is from what all others tell of it: a shifted mechanism shows at its metric and its causes alone.

Let the normal state be x = A x + e, with precision matrix P = (I - A)' D^-1 (I - A). If the mechanism of metric i shifts by
d, what all others leave of each metric, P (x - mean) / sqrt(diag P), shifts by (I - A)' D^-1 d: at i and at what acts on it,
and not at its effects, whose own distributions shift too. Of all metrics only i has both, so that neither a graph nor its
direction is needed to tell a cause from its effects. The covariance is shrunk towards equal variances (Ledoit and Wolf,
J. Multivariate Analysis 2004): of few rows or many metrics little is left to tell, and a remainder is the metric itself.
"""

from __future__ import annotations

import numpy as np

from distaff_data.arrays import Bools, Floats
from distaff_graph.diagnosis.coral.evidence import EnergyDistances

_BLOCKS = 4  # of the normal rows; what is left of each is by the regression on the others
_LEAST = 4  # rows that a covariance is taken from
_MOST = 10.0  # deviations that a value counts
_STILL = 1e-9  # spread, of a metric's size, of one that does not move


class Remainders:
    """What all others leave of each of M metrics in the normal state, by normal rows ``(n, M)``, at least two."""

    def __init__(self, normal: Floats) -> None:
        self._mean, spread = normal.mean(0), normal.std(0)
        self._moving: Bools = spread > _STILL * np.abs(normal).max(0)
        self._spread = np.where(self._moving, spread, 1.0)
        rows = self._scaled(normal)
        left, length = rows.copy(), max(len(rows) // _BLOCKS, 1)
        for start in range(0, len(rows), length):
            others = np.vstack([rows[:start], rows[start + length :]])
            if len(others) >= _LEAST:
                left[start : start + length] = _Regression(others).left(rows[start : start + length])
        self._all = _Regression(rows) if len(rows) >= _LEAST else None
        self._distances = EnergyDistances(left)

    def apart(self, rows: Floats) -> Floats:
        """Return how far remainders of rows ``(n, M)`` are from the normal ones, ``(M,)``; 0 of what did not move before.

        Over 1 is further than blocks of the normal rows are from the others.
        """
        if self._all is None:
            return np.zeros(rows.shape[1])
        apart: Floats = np.zeros(rows.shape[1])
        apart[self._moving] = self._distances.apart(self._all.left(self._scaled(rows)))
        return apart

    def _scaled(self, rows: Floats) -> Floats:
        """Return the metrics that move, in their deviations, ``(n, m)``; none of them outweighs all others."""
        scaled: Floats = np.clip((rows - self._mean) / self._spread, -_MOST, _MOST)[:, self._moving]
        return scaled


class _Regression:
    """The regression of each metric on all others, by rows ``(n, m)``."""

    def __init__(self, rows: Floats) -> None:
        self._mean = rows.mean(0)
        self._precision = np.linalg.pinv(shrunk_covariance(rows), hermitian=True)
        self._size = np.sqrt(np.maximum(np.diag(self._precision), 1e-300))

    def left(self, rows: Floats) -> Floats:
        """Return what is left of rows, in units of its own deviation, ``(n, m)``."""
        left: Floats = (rows - self._mean) @ self._precision / self._size
        return left


def shrunk_covariance(rows: Floats) -> Floats:
    """Return the covariance of rows ``(n, m)``, shrunk towards equal variances by the share that is expected to be best.

    The share is that of Ledoit and Wolf: of the distance between the two targets, what sampling alone makes.
    """
    n, m = rows.shape
    away = rows - rows.mean(0)
    covariance: Floats = away.T @ away / n
    target = np.eye(m) * (np.trace(covariance) / max(m, 1))
    distance = float(np.square(covariance - target).sum())
    sampling = float((np.square(away).T @ np.square(away) / n - np.square(covariance)).sum()) / n
    share = min(sampling / distance, 1.0) if distance > 0 else 1.0
    shrunk: Floats = share * target + (1 - share) * covariance
    return shrunk
