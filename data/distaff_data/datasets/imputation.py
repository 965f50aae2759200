"""Imputation: measurements as they come, made complete rows; the one place that decides about gaps and counters.

* **Sampling**: rows lie on a grid of one step. A grid point takes the latest row of its interval; metrics that are sampled
  at other times were brought to common rows at ingestion, with NaN where nothing was measured.
* **Gaps**: a missing value repeats the last one measured, and before the first one the median of the normal rows. A metric
  that was never measured is 0 throughout, which no model takes for a cause.
* **Counters** that only grow, but for resets, become increments; after a reset the increment is what was counted since.
* **Units and constants** are left to what reads the rows: every model compares a metric with its own normal rows, and a
  constant metric has no spread to compare with.

The state is small and explicit, so that data that are followed are treated exactly like data that are replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distaff_data.arrays import Bools, Floats
from distaff_data.datasets.incidents import Case

_GROWING = 0.5  # share of steps in which a counter grows, at least
_RESETS = 0.02  # share of steps in which it falls, at most
_LEAST_ROWS = 10  # too few tell no counter


@dataclass
class Imputer:
    """Makes rows complete; learned from normal rows with :meth:`of`, then applied to batches in order.

    Attributes:
        counter: Which metrics count, ``(M,)``.
        last: The latest value of each metric, ``(M,)``.
    """

    counter: Bools
    last: Floats

    @classmethod
    def of(cls, normal: Floats) -> Imputer:
        """Return an imputer that knows from normal rows ``(n, M)`` what counts, and what precedes the first value."""
        middle = _median(normal)
        filled = _fill(normal, middle)
        steps = np.diff(filled, axis=0)
        counter = np.zeros(normal.shape[1], dtype=bool)
        if len(steps) >= _LEAST_ROWS:
            falls, grows = (steps < 0).mean(0), (steps > 0).mean(0)
            counter = (
                (grows > _GROWING) & (falls <= _RESETS) & (filled.min(0) >= 0) & (filled.max(0) > 2 * np.ptp(steps, 0))
            )
        first = np.argmax(~np.isnan(normal), axis=0) if len(normal) else np.zeros(normal.shape[1], dtype=np.int64)
        start = normal[first, np.arange(normal.shape[1])] if len(normal) else middle
        return cls(counter, np.where(counter & ~np.isnan(start), start, middle))

    def apply(self, rows: Floats) -> Floats:
        """Return complete rows ``(n, M)`` from the next rows in time."""
        if not len(rows):
            return rows.copy()
        filled = _fill(rows, self.last)
        before = np.vstack([self.last, filled[:-1]])
        self.last = filled[-1].copy()
        grown = filled - before
        return np.where(self.counter, np.where(grown >= 0, grown, filled), filled)

    def state(self) -> dict[str, Floats]:
        """Return the state, by name."""
        return {"counter": self.counter.astype(np.float64), "last": self.last}

    @classmethod
    def restored(cls, tensors: Mapping[str, Floats]) -> Imputer:
        """Return the imputer whose :meth:`state` this is."""
        return cls(tensors["counter"] > 0, np.array(tensors["last"]))


def impute(case: Case, normal_rows: int) -> Floats:
    """Return complete rows of a whole case ``(T, M)``; the first ``normal_rows`` rows tell which metrics count."""
    return Imputer.of(case.values[:normal_rows]).apply(case.values)


def on_grid(times: Floats, values: Floats, step: float) -> tuple[Floats, Floats]:
    """Return rows at multiples of ``step`` from the first time on; a grid point takes the latest row at or before it.

    A point in whose interval nothing was measured is a row of NaN.
    """
    grid = times[0] + step * np.arange(int(np.floor((times[-1] - times[0]) / step + 1e-6)) + 1)
    row = np.searchsorted(times, grid + 1e-6 * step, side="right") - 1
    fresh = times[row] > grid - step * (1 - 1e-6)
    return grid, np.where(fresh[:, None], values[row], np.nan)


def _median(rows: Floats) -> Floats:
    seen = ~np.isnan(rows).all(0) if len(rows) else np.zeros(rows.shape[1], dtype=bool)
    middle = np.zeros(rows.shape[1])
    if seen.any():
        middle[seen] = np.nanmedian(rows[:, seen], axis=0)
    return middle


def _fill(rows: Floats, before: Floats) -> Floats:
    """Return rows with each missing value replaced by the one above it, in the first row by ``before``."""
    if not np.isnan(rows).any():
        return rows
    padded = np.vstack([before, rows])
    latest = np.maximum.accumulate(np.where(np.isnan(padded), 0, np.arange(len(padded))[:, None]), axis=0)
    filled: Floats = np.take_along_axis(padded, latest, axis=0)[1:]
    return filled
