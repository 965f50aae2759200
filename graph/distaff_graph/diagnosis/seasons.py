"""Daily cycles taken off rows as they come: profiles by the hour of the day, learned from whole quiet days.

Metrics sampled each minute have a base of a few hours; what the next morning brings is then out of the ordinary, every
morning. A metric is *seasonal* once its profiles of two days agree: both are taken about their own mean and without the
drift from one day to the next, and correlate by more than a half. From then on its profile, interpolated between hours, is
taken off its rows. Hours are by the clock of the times given and not by rows, so gaps do no harm.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from distaff_data.arrays import Floats

_DAY, _HOURS = 86_400.0, 24
_AGREE = 0.5  # correlation of two days' profiles
_FRESH = 0.3  # weight of the latest day beside the days before


class Seasons:
    """The daily profiles of M metrics.

    Args:
        n_metrics: M.
    """

    def __init__(self, n_metrics: int) -> None:
        empty, day = np.zeros((_HOURS, n_metrics)), np.full((_HOURS, n_metrics), np.nan)
        self._state: dict[str, Floats] = {
            "sum": empty,
            "count": np.zeros(_HOURS),
            "day": np.full(1, np.nan),
            "before": day,
            "profile": empty.copy(),
        }

    @property
    def known(self) -> bool:
        """True once any metric is seasonal."""
        return bool(self._state["profile"].any())

    def learn(self, times: Floats, rows: Floats) -> bool:
        """Add quiet rows ``(n, M)`` at ``times`` in seconds; return whether other metrics are seasonal now."""
        changed, state = False, self._state
        days = np.floor(times / _DAY)
        for day in np.unique(days):
            if day != state["day"][0]:
                changed |= self._end_of_day()
                state["day"] = np.full(1, day)
            here = days == day
            hours = np.floor(times[here] % _DAY / _DAY * _HOURS).astype(int)
            state["sum"] = state["sum"] + _by_hour(hours, rows[here])
            state["count"] = state["count"] + np.bincount(hours, minlength=_HOURS)
        return changed

    def without(self, times: Floats, rows: Floats) -> Floats:
        """Return rows ``(n, M)`` less what the hour brings."""
        if not self.known:
            return rows
        place = times % _DAY / _DAY * _HOURS - 0.5
        low, share = np.floor(place).astype(int), (place % 1.0)[:, None]
        profile = self._state["profile"]
        expected: Floats = (1 - share) * profile[low % _HOURS] + share * profile[(low + 1) % _HOURS]
        return rows - expected

    def state(self) -> dict[str, Floats]:
        """Return the state, by name; its size does not depend on how many days it has seen."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
        self._state = {name: np.array(value) for name, value in tensors.items()}

    def _end_of_day(self) -> bool:
        """Begin the next day; return whether other metrics are seasonal by the one that ends, if it is whole."""
        state = self._state
        whole, before = bool((state["count"] > 0).all()), state["before"]
        changed = False
        if whole:
            today = state["sum"] / state["count"][:, None]
            if not np.isnan(before).any():
                drift = (today - before).mean(0) * ((np.arange(_HOURS) - (_HOURS - 1) / 2) / _HOURS)[:, None]
                first, second = (_centred(day - drift) for day in (before, today))
                size = np.sqrt((first**2).sum(0) * (second**2).sum(0))
                alike = np.divide((first * second).sum(0), size, out=np.zeros_like(size), where=size > 0) > _AGREE
                old = state["profile"]
                fresh = np.where(old.any(0), (1 - _FRESH) * old + _FRESH * second, (first + second) / 2)
                state["profile"] = np.where(alike, fresh, 0.0)
                changed = bool((alike != old.any(0)).any())
            state["before"] = today
        state["sum"], state["count"] = np.zeros_like(state["sum"]), np.zeros(_HOURS)
        return changed


def _by_hour(hours: np.ndarray[tuple[int], np.dtype[np.int64]], rows: Floats) -> Floats:
    """Return the sums of rows ``(n, M)`` of each hour, ``(24, M)``."""
    total: Floats = (hours == np.arange(_HOURS)[:, None]).astype(float) @ rows
    return total


def _centred(profile: Floats) -> Floats:
    centred: Floats = profile - profile.mean(0)
    return centred
