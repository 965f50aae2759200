"""Rows of a stream one step apart: of several within a step the latest counts, and short gaps are rows of nothing.

What reads a stream counts in rows, so a row that is missing, or one more than there should be, must not move the others. The
step is that of the first rows; until a few are there, they pass as they come. A source whose rows come at another pace from
some moment on has that step then. A gap of more than ``_GAP`` rows is left as it is: rows that repeat one value would pass
for a calm that nobody saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from distaff_data.arrays import Floats

_GAP = 10  # rows
_NEAR = 0.25  # of a step: times that are off by less are as good as on it
_FOLLOWS = 0.1  # of what a time is off, by which the next one is expected: clocks drift
_OTHER = 2.0  # times as fast or as slow is another pace
_LEAST, _ENOUGH = 8, 60  # distances that tell a step; beyond which it is known

Doubled = list[float]
"""Times of rows that a later one of the same step took the place of."""


class Pace:
    """The step of a stream and the time of its latest row."""

    def __init__(self) -> None:
        self.step = self.latest = 0.0  # no step yet
        self._expected = 0.0  # where the latest row would be if no clock were off
        self._begun = False
        self._first: list[float] = []  # distances of the first rows

    def even(self, times: Floats, rows: Floats) -> tuple[Floats, Floats, Doubled]:
        """Return the next rows ``(n, M)`` at rising ``times``, one step apart, and what was left out of them."""
        if not len(times):
            return times, rows, []
        apart = np.diff(times)
        if self._begun:
            apart = np.concatenate([[times[0] - self.latest], apart])
        known = self.step
        if known and len(apart) >= _LEAST and not 1 / _OTHER <= float(np.median(apart)) / known <= _OTHER:
            known, self._first = 0.0, []  # another pace
        if len(self._first) < _ENOUGH:
            self._first += apart.tolist()
            self.step = _step_of(self._first) if len(self._first) >= _LEAST else 0.0
        if not known or bool((np.abs(apart - self.step) <= _NEAR * self.step).all()):
            self._at(times[-1], times[-1])
            return times, rows, []
        return self._placed(times, rows)

    def state(self) -> dict[str, Any]:
        """Return the state, for a checkpoint."""
        return {"step": self.step, "latest": self.latest, "expected": self._expected, "begun": self._begun,
                "first": self._first}  # fmt: skip

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self.step, self.latest = float(state["step"]), float(state["latest"])
        self._expected, self._begun = float(state["expected"]), bool(state["begun"])
        self._first = list(state["first"])

    def _at(self, time: float, expected: float) -> None:
        self.latest, self._expected, self._begun = float(time), float(expected), True

    def _placed(self, times: Floats, rows: Floats) -> tuple[Floats, Floats, Doubled]:
        """Return rows, each in its step: row by row, since which step a row is in depends on those before."""
        placed: list[tuple[float, Floats]] = []
        doubled: Doubled = []
        for time, row in zip(times.tolist(), rows, strict=True):
            away = time - self._expected
            steps = round(away / self.step)
            if steps <= 0:  # the step has a row already
                if placed:
                    doubled.append(placed[-1][0])
                    placed[-1] = (time, row)
                else:
                    doubled.append(time)
                continue
            if 1 < steps <= _GAP + 1:
                nothing = np.full(rows.shape[1], np.nan)
                before = self.latest
                placed += [(before + (time - before) * k / steps, nothing) for k in range(1, steps)]
            placed.append((time, row))
            off = away - steps * self.step
            self._at(time, time if steps > _GAP + 1 else self._expected + steps * self.step + _FOLLOWS * off)
        if not placed:
            return times[:0], rows[:0], doubled
        return np.array([time for time, _ in placed]), np.stack([row for _, row in placed]), doubled


def _step_of(apart: list[float]) -> float:
    """Return the step of rows this far apart: their whole span over the steps in it, which jitter hardly moves."""
    middle = float(np.median(apart))
    return sum(apart) / max(sum(round(distance / middle) for distance in apart), 1)
