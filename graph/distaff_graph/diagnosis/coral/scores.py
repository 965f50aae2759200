"""The distance of each metric from its normal state, free of units, and when it left it.

z = (x - median) / max(IQR / 1.349, sd / 2, |median| / 1000): robust, yet with a floor, so that a metric that hardly moves
does not explode with the unit it is written in. A metric that never moved and then does is novel, which is evidence of its
own: its z counts to ``NOVEL`` and no further.

Both the extreme and the level of what came after the onset speak against a metric, each compared with its own past. Its
*course* is |z| over the largest |z| of its normal rows, its *level* the |median z| over the largest of blocks of its normal
rows, and neither is ever over less than 5. A metric that swings to 20 every day says nothing at 8; one that never left 3
does. An outlier has no level; memory that wanders for hours has a wide one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distaff_data.arrays import Floats, Ints

UNUSUAL = 5.0  # a robust z that is out of the ordinary for any metric
MOST = 1000.0  # the most a z counts
NOVEL = 100.0  # the most it counts of a metric that was constant: that it never moved says little of how far it may
_RESOLVED = 1e-3  # of a metric's size: deviations of a constant that are seen
_ROUNDING = 1e-12
_BLOCKS, _BLOCK_ROWS = 8, 60  # of the normal rows, at least so many blocks of at most so many rows
_SEEN = 120  # rows of an incident by which its level is taken, evenly spaced


@dataclass(frozen=True)
class Baseline:
    """The normal state of each of M metrics.

    Attributes:
        median: ``(M,)``.
        scale: ``(M,)``, 0 for a metric that is constantly 0.
        most: ``(M,)``, the most that a z counts: less for what was constant.
        reach: ``(M,)``, the largest |z| of the normal rows, at least ``UNUSUAL``.
        wander: ``(M,)``, the largest |median z| of blocks of the normal rows, at least ``UNUSUAL``.
    """

    median: Floats
    scale: Floats
    most: Floats
    reach: Floats
    wander: Floats

    @classmethod
    def of(cls, rows: Floats, *, novelty: float = NOVEL) -> Baseline:
        """Return the baseline of normal rows ``(n, M)``, at least one."""
        low, median, high = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
        scale = np.maximum((high - low) / 1.349, rows.std(0) / 2)
        constant = scale <= _ROUNDING * np.abs(median)  # rounding alone spreads a constant by less than this
        scale = np.maximum(np.where(constant, 0, scale), _RESOLVED * np.abs(median))
        ordinary = np.full_like(median, UNUSUAL)
        partly = cls(median, scale, np.where(constant, novelty, MOST), ordinary, ordinary)
        z = partly.z(rows)
        return cls(median, scale, partly.most, np.maximum(np.abs(z).max(0), UNUSUAL), _wander(z))

    def z(self, rows: Floats) -> Floats:
        """Return robust z-scores of rows ``(n, M)``, within +-``most``."""
        away = rows - self.median
        moved = np.divide(away, self.scale, out=np.sign(away) * self.most, where=self.scale > 0)
        return np.clip(moved, -self.most, self.most)

    def course(self, z: Floats, *, upward: bool = False) -> Floats:
        """Return the anomaly of each row ``(n, M)``, over 1 where a metric is further out than it ever was."""
        return (np.maximum(z, 0) if upward else np.abs(z)) / self.reach

    def level(self, z: Floats, *, upward: bool = False) -> Floats:
        """Return how far out the level of rows ``(n, M)`` is, ``(M,)``, signed; no block of rows ever was beyond 1."""
        few = z[np.unique(np.linspace(0, len(z) - 1, min(len(z), _SEEN)).astype(int))]
        level = np.median(few, axis=0)
        out: Floats = (np.maximum(level, 0) if upward else level) / self.wander
        return out

    def take(self, positions: Ints) -> Baseline:
        """Return the baseline of the metrics at ``positions``."""
        return Baseline(*(array[positions] for array in self.state().values()))

    def state(self) -> dict[str, Floats]:
        """Return its arrays, by name."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def restored(cls, tensors: Mapping[str, Floats]) -> Baseline:
        """Return a baseline from its arrays."""
        return cls(*(np.array(tensors[name]) for name in _ARRAYS))


_ARRAYS = ("median", "scale", "most", "reach", "wander")


def _wander(z: Floats) -> Floats:
    """Return the furthest that the level of blocks of normal z-scores ``(n, M)`` was out, at least ``UNUSUAL``."""
    length = int(np.clip(len(z) // _BLOCKS, 1, _BLOCK_ROWS))
    starts = np.unique(np.linspace(0, len(z) - length, min(len(z) // length, 2 * _BLOCKS)).astype(int))
    levels = np.stack([np.median(z[start : start + length], axis=0) for start in starts])
    furthest: Floats = np.maximum(np.abs(levels).max(0), UNUSUAL)
    return furthest


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
