"""When did it start, by the crowd: how many metrics are further out than they ever were, over windows of several lengths.

An incident moves many metrics, or the KPI and something else. For windows of several lengths the mean of each metric's
robust z is compared with its reach, the furthest that means of so many rows ever were in the base, with a margin that is the
wider the fewer windows the base has. A row *calls* where more metrics are beyond their reach than the base's own end ever
had at once, or where the KPI is, over a long window or with another metric; an alarm is a few calling rows in a row, more
than one outlier can make. Short windows find incidents of a few rows with a base of a dozen; long ones find small shifts.

The same count tells when an incident is over: nothing calls any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from distaff.incidents.streams import Alarm
from distaff_data.arrays import Bools, Floats
from distaff_graph.diagnosis.timing import Timing

_CALLS = 3  # calling rows that are an alarm, and one more than the rows of a window that one outlier can fill
_LEAST_BASE = 6  # windows of the base; fewer tell no reach
_FITTED = 0.6  # share of the base, its beginning, that gives the reach by which its end is judged
_CLIP = 10.0  # z that counts at most: with it no single row moves the mean of 10 rows far enough
_UNUSUAL = 4.0  # standard errors of a mean that are never ordinary, whatever the base
_MARGIN = 2.0  # of the reach, over the root of the number of windows in the base
_MORE = 1.5  # times as many metrics as the base's end had at once
_CHANCE = 0.6  # times the root of their number: so many metrics at once are no incident
_ALONE = 10  # rows of a window in which the KPI needs no other metric beside it
_DRIFT = 1.5  # times as far as the base's end is from its beginning, what follows may go on
_RESOLVED, _ROUNDING = 1e-3, 1e-12


class Crowd:
    """The count of metrics beyond their reach: :meth:`rebase` with normal rows, then :meth:`update` with what follows.

    Args:
        kpi: Position of the metric that shows incidents; None if there is none.
        windows: Their lengths in rows, rising.
    """

    def __init__(self, kpi: int | None = None, windows: Sequence[int] = Timing.windows) -> None:
        self.kpi, self.windows = kpi, tuple(windows)
        self._state: dict[str, Floats] = {}

    @property
    def armed(self) -> bool:
        """True once it has a base."""
        return bool(self._state)

    @property
    def suspect(self) -> int:
        """Number of the latest rows that would belong to an incident if the alarm went off now."""
        if not self.armed:
            return 0
        runs = self._state["runs"]
        return int(max((run + w - 1 for run, w in zip(runs, self.windows, strict=False) if run), default=0))

    def rebase(self, rows: Floats) -> None:
        """Learn what is normal from complete rows ``(n, M)``; too few rows leave it off."""
        self._state = {}
        lengths = [w for w in self.windows if len(rows) >= _LEAST_BASE * w]
        if not lengths:
            return
        cut = max(int(_FITTED * len(rows)), 1)
        median, scale = _middle(rows[:cut])
        first = _standard(rows, median, scale)
        needed = [
            _most_at_once(np.abs(_means(first, w)[max(cut - w + 1, 0) :]) > _allowed(first[:cut], w), _calls(w))
            for w in lengths
        ]
        median, scale = _middle(rows)
        z = _standard(rows, median, scale)
        self._state = {
            "median": median,
            "scale": scale,
            "allowed": np.stack([_allowed(z, w) for w in lengths]),
            "needed": np.maximum(_MORE * np.array(needed), max(1.0, _CHANCE * np.sqrt(rows.shape[1]))),
            "runs": np.zeros(len(lengths)),
            "last": z[len(z) - min(len(z), self.windows[-1] - 1) :].copy(),
        }

    def update(self, rows: Floats) -> Alarm | None:
        """Return the first alarm in the next rows ``(n, M)``, None if there is none."""
        if not self.armed or not len(rows):
            return None
        calling = self.calling(rows)
        runs = _runs(calling, self._state["runs"])
        self._state["runs"] = runs[-1]
        found = [
            (int(over[0]), -int(runs[over[0], i]) - w + 1)
            for i, w in enumerate(self.windows[: runs.shape[1]])
            if len(over := np.flatnonzero(runs[:, i] >= _calls(w)))
        ]
        if not found:
            return None
        row, before = min(found)
        return Alarm(row, row + 1 + before)

    def calling(self, rows: Floats) -> Bools:
        """Return which of the next rows ``(n, M)`` call, by window, ``(n, W)``, none without a base; keeps the last ones."""
        if not self.armed:
            return np.zeros((len(rows), 0), dtype=bool)
        state = self._state
        joined = np.vstack([state["last"], _standard(rows, state["median"], state["scale"])])
        state["last"] = joined[len(joined) - min(len(joined), self.windows[-1] - 1) :].copy()
        called = np.zeros((len(rows), len(state["allowed"])), dtype=bool)
        for i, (allowed, needed) in enumerate(zip(state["allowed"], state["needed"], strict=True)):
            means = _means(joined, self.windows[i])[-len(rows) :]
            beyond = np.abs(means) > allowed
            count = beyond.sum(1)
            calls = count > needed
            if self.kpi is not None:
                alone = self.windows[i] >= _ALONE
                calls |= beyond[:, self.kpi] & (alone | (count > 1))
            called[len(rows) - len(means) :, i] = calls
        return called

    def state(self) -> dict[str, Floats]:
        """Return the state, by name; its size does not depend on how many rows it has seen."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
        self._state = {name: np.array(value) for name, value in tensors.items()}


def _calls(window: int) -> int:
    """Return how many calling rows are an alarm: a mean of fewer than ``_ALONE`` rows is moved by one outlier."""
    return max(_CALLS, window + 1) if window < _ALONE else _CALLS


def _middle(rows: Floats) -> tuple[Floats, Floats]:
    """Return medians and scales ``(M,)``; a constant is exact to a thousandth of its size."""
    low, median, high = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
    scale = np.maximum((high - low) / 1.349, rows.std(0) / 2)
    scale = np.where(scale > _ROUNDING * np.abs(median), scale, 0)
    return median, np.maximum(scale, np.maximum(_RESOLVED * np.abs(median), 1e-300))


def _standard(rows: Floats, median: Floats, scale: Floats) -> Floats:
    with np.errstate(over="ignore"):  # of a constant 0, whose scale is nothing
        return np.clip((rows - median) / scale, -_CLIP, _CLIP)


def _means(z: Floats, window: int) -> Floats:
    """Return means of so many rows, ``(n - window + 1, M)``."""
    total = np.vstack([np.zeros((1, z.shape[1])), np.cumsum(z, axis=0)])
    means: Floats = (total[window:] - total[:-window]) / window
    return means


def _allowed(z: Floats, window: int) -> Floats:
    """Return how far out means of so many rows may be, ``(M,)``, by those of normal z-scores ``(n, M)``.

    Loads that rise through a morning and memory that fills go on where the base ends, so its drift is allowed for.
    """
    if len(z) < window:
        return np.full(z.shape[1], np.inf)
    reach = np.maximum(np.abs(_means(z, window)).max(0), _UNUSUAL / np.sqrt(window))
    third = max(len(z) // 3, 1)
    drift = np.abs(np.median(z[-third:], axis=0) - np.median(z[:third], axis=0))
    allowed: Floats = reach * (1 + _MARGIN / np.sqrt(len(z) / window)) + _DRIFT * drift
    return np.minimum(allowed, 0.99 * _CLIP)


def _most_at_once(beyond: Bools, rows: int) -> float:
    """Return the most metrics that were beyond their reach in so many rows in a row, over ``(n, M)``."""
    count = beyond.sum(1)
    if len(count) < rows:
        return float(count.max(initial=0))
    return float(np.lib.stride_tricks.sliding_window_view(count, rows).min(1).max())


def _runs(calling: Bools, before: Floats) -> Floats:
    """Return for each row how many rows up to it have called without a break, ``(n, W)``."""
    runs = np.empty(calling.shape)
    run = before
    for row, calls in enumerate(calling):
        run = np.where(calls, run + 1, 0)
        runs[row] = run
    return runs
