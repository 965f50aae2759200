"""The distance of each metric from its normal state, free of units, and when it left it.

z = (x - median) / max(IQR / 1.349, sd / 2, |median| / 1000): robust, yet with a floor, so that a metric that hardly moves
does not explode with the unit it is written in. A metric that never moved and then does is as novel as can be.

A metric is *anomalous* to the degree that it leaves its own past: its course is |z| over the largest |z| of its normal
rows, and never over less than 5. A metric that swings to 20 every day says nothing at 8; one that never left 3 does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distaff_data.arrays import Floats, Ints

UNUSUAL = 5.0  # a robust z that is out of the ordinary for any metric
NOVEL = 1000.0  # the most a z counts; what a metric that was constant gets when it moves


@dataclass(frozen=True)
class Baseline:
    """The normal state of each of M metrics.

    Attributes:
        median: ``(M,)``.
        scale: ``(M,)``, 0 for a metric that is constantly 0.
        reach: ``(M,)``, the largest |z| of the normal rows, at least ``UNUSUAL``.
    """

    median: Floats
    scale: Floats
    reach: Floats

    @classmethod
    def of(cls, rows: Floats) -> Baseline:
        """Return the baseline of normal rows ``(n, M)``, at least one."""
        low, median, high = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
        scale = np.maximum((high - low) / 1.349, rows.std(0) / 2)
        # Rounding alone spreads a constant by less than this.
        scale = np.where(scale > 1e-12 * np.abs(median), scale, 0)
        partly = cls(median, np.maximum(scale, np.abs(median) / 1000), np.full_like(median, UNUSUAL))
        return cls(partly.median, partly.scale, np.maximum(np.abs(partly.z(rows)).max(0), UNUSUAL))

    def z(self, rows: Floats) -> Floats:
        """Return robust z-scores of rows ``(n, M)``, within +-``NOVEL``."""
        away = rows - self.median
        moved = np.divide(away, self.scale, out=np.sign(away) * NOVEL, where=self.scale > 0)
        return np.clip(moved, -NOVEL, NOVEL)

    def course(self, z: Floats, *, upward: bool = False) -> Floats:
        """Return the anomaly of each row ``(n, M)``, over 1 where a metric is further out than it ever was."""
        return (np.maximum(z, 0) if upward else np.abs(z)) / self.reach

    def take(self, positions: Ints) -> Baseline:
        """Return the baseline of the metrics at ``positions``."""
        return Baseline(self.median[positions], self.scale[positions], self.reach[positions])

    def state(self) -> dict[str, Floats]:
        """Return its arrays, by name."""
        return {"median": self.median, "scale": self.scale, "reach": self.reach}

    @classmethod
    def restored(cls, tensors: Mapping[str, Floats]) -> Baseline:
        """Return a baseline from its arrays."""
        return cls(*(np.array(tensors[name]) for name in ("median", "scale", "reach")))


@dataclass(frozen=True)
class Anomalies:
    """The deviations of each of M metrics.

    Attributes:
        course: ``(n, M)``, at least 0, over 1 where a metric is further out than it ever was.
        own: ``(M,)``, the largest of its course.
        onset: ``(M,)``, first row over 1; infinite where there is none.
    """

    course: Floats
    own: Floats
    onset: Floats

    @classmethod
    def of(cls, course: Floats) -> Anomalies:
        """Return the anomalies of the whole course, at least one row."""
        beyond = course > 1
        return cls(course, course.max(0), np.where(beyond.any(0), beyond.argmax(0), np.inf))


def beside_peers(own: Floats, kind_of: Ints) -> Floats:
    """Return scores ``(M,)`` over 1 + the median of the other metrics of the same kind.

    What many entities share is no cause. CORAL shares the score out over the entities of each kind of metric; the median
    makes that robust to two causes.

    Args:
        own: Scores.
        kind_of: Kind of each metric (cpu, memory, ...) as an integer, ``(M,)``.
    """
    relieved = own.copy()
    for kind in np.unique(kind_of):
        members = np.flatnonzero(kind_of == kind)
        if len(members) > 1:
            relieved[members] = own[members] / (1 + _median_of_others(own[members]))
    return relieved


def _median_of_others(values: Floats) -> Floats:
    """Return for each value the median of all the others, from one sort."""
    order = np.argsort(values, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(values))
    rest, ranked = len(values) - 1, values[order]
    low, high = (rest - 1) // 2, rest // 2
    middle: Floats = (ranked[low + (low >= rank)] + ranked[high + (high >= rank)]) / 2
    return middle
