"""Cycles of days and weeks taken off rows as they come: profiles by the hour, learned from whole quiet days and weeks.

Metrics sampled each minute have a base of a few hours; what the next morning brings is then out of the ordinary, every
morning, and so is every Saturday where people stay away. A metric is *seasonal* once its profiles of two days agree, or of
two weeks in what these have beyond their mean day: both are taken about their own mean and without the drift from one to
the next, and correlate by more than a half. From then on its profile, interpolated between hours, is taken off its rows;
where the week has one it stands for the day's. Hours are by the clock of the times given and not by rows: gaps do no harm.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from distaff_data.arrays import Bools, Floats

_HOUR, _DAY, _WEEK = 3_600.0, 24, 168  # seconds; hours
_AGREE = 0.5  # correlation of the profiles of two turns
_FRESH = 0.3  # weight of the latest turn beside those before
_LACKING = 0.9  # of the hours of a week that have rows, at least; a day has all


class Cycle:
    """The profiles of M metrics over a turn of so many hours.

    Args:
        n_hours: Hours of a turn: 24, or 168.
        n_metrics: M.
    """

    def __init__(self, n_hours: int, n_metrics: int) -> None:
        self.n_hours = n_hours
        empty = np.zeros((n_hours, n_metrics))
        self._state: dict[str, Floats] = {
            "sum": empty,
            "count": np.zeros(n_hours),
            "day": np.full(1, np.nan),  # the present turn
            "before": np.full((n_hours, n_metrics), np.nan),
            "profile": empty.copy(),
        }

    @property
    def seasonal(self) -> Bools:
        """The metrics that have a profile, ``(M,)``."""
        return np.asarray(self._state["profile"].any(0))

    @property
    def turned(self) -> bool:
        """True once a whole turn has ended."""
        return not np.isnan(self._state["before"]).any()

    def learn(self, times: Floats, rows: Floats) -> bool:
        """Add quiet rows ``(n, M)`` at ``times`` in seconds; return whether other metrics have a profile now."""
        changed, state = False, self._state
        length = _HOUR * self.n_hours
        turns = np.floor(times / length)
        for turn in np.unique(turns):
            if turn != state["day"][0]:
                changed |= self._end()
                state["day"] = np.full(1, turn)
            here = turns == turn
            hours = (
                np.floor(times[here] % length / _HOUR).astype(int) % self.n_hours
            )  # just below 0 rounds to a whole turn
            state["sum"] = state["sum"] + _by_hour(hours, rows[here], self.n_hours)
            state["count"] = state["count"] + np.bincount(hours, minlength=self.n_hours)
        return changed

    def expected(self, times: Floats) -> Floats:
        """Return what the hour brings, ``(n, M)``; 0 of metrics without a profile."""
        place = times / _HOUR % self.n_hours - 0.5
        low, share = np.floor(place).astype(int), (place % 1.0)[:, None]
        profile = self._state["profile"]
        brings: Floats = (1 - share) * profile[low % self.n_hours] + share * profile[(low + 1) % self.n_hours]
        return brings

    def state(self) -> dict[str, Floats]:
        """Return the state, by name; its size does not depend on how many turns it has seen."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
        self._state = {name: np.array(value) for name, value in tensors.items()}

    def _end(self) -> bool:
        """Begin the next turn; return whether other metrics have a profile by the one that ends, if it is whole."""
        state, before = self._state, self._state["before"]
        changed = False
        lately = self._mean()
        if lately is not None:
            if self.turned:
                ramp = (np.arange(self.n_hours) - (self.n_hours - 1) / 2) / self.n_hours
                drift = (lately - before).mean(0) * ramp[:, None]
                first, second = (_centred(turn - drift) for turn in (before, lately))
                alike = _alike(_beyond_day(first), _beyond_day(second)) > _AGREE
                old = state["profile"]
                fresh = np.where(old.any(0), (1 - _FRESH) * old + _FRESH * second, (first + second) / 2)
                state["profile"] = np.where(alike, fresh, 0.0)
                changed = bool((alike != old.any(0)).any())
            state["before"] = lately
        state["sum"], state["count"] = np.zeros_like(state["sum"]), np.zeros(self.n_hours)
        return changed

    def _mean(self) -> Floats | None:
        """Return the mean of each hour of the turn that ends; None where too few of them have rows.

        A day has rows in all; of a week, an hour that an incident took has the mean of that hour on the other days.
        """
        total, count = self._state["sum"], self._state["count"]
        if (count > 0).mean() < (1.0 if self.n_hours == _DAY else _LACKING):
            return None
        at = np.arange(self.n_hours) % _DAY
        of_day, n_of_day = (np.stack([values[at == hour].sum(0) for hour in range(_DAY)]) for values in (total, count))
        if not n_of_day.all():
            return None
        mean: Floats = np.where(
            (count > 0)[:, None], total / np.maximum(count, 1)[:, None], (of_day / n_of_day[:, None])[at]
        )
        return mean


class Seasons:
    """The profiles of M metrics over days and weeks.

    Args:
        n_metrics: M.
    """

    def __init__(self, n_metrics: int) -> None:
        self._n_metrics = n_metrics
        self._day = Cycle(_DAY, n_metrics)
        self._week: Cycle | None = None  # from the end of the first day on: most streams are shorter

    @property
    def known(self) -> bool:
        """True once any metric is seasonal."""
        return any(cycle.seasonal.any() for cycle in self._cycles)

    def learn(self, times: Floats, rows: Floats) -> bool:
        """Add quiet rows ``(n, M)`` at ``times`` in seconds; return whether other metrics are seasonal now."""
        changed, days = False, np.floor(times / (_HOUR * _DAY))
        for day in np.unique(days):  # so that a batch of many days tells what many batches do
            of_day = times[days == day], rows[days == day]
            changed |= self._day.learn(*of_day)
            if self._week is None and self._day.turned:
                self._week = Cycle(_WEEK, self._n_metrics)
            if self._week is not None:
                changed |= self._week.learn(*of_day)
        return changed

    def without(self, times: Floats, rows: Floats) -> Floats:
        """Return rows ``(n, M)`` less what the hour brings."""
        if not self.known:
            return rows
        expected = self._day.expected(times)
        if self._week is not None:
            expected = np.where(self._week.seasonal, self._week.expected(times), expected)
        return rows - expected

    def state(self) -> dict[str, Floats]:
        """Return the state, by name; its size does not depend on how many days it has seen."""
        week = {} if self._week is None else {f"week_{name}": value for name, value in self._week.state().items()}
        return self._day.state() | week

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
        of_week = {name.removeprefix("week_"): value for name, value in tensors.items() if name.startswith("week_")}
        self._day.load_state({name: value for name, value in tensors.items() if not name.startswith("week_")})
        self._week = Cycle(_WEEK, self._n_metrics) if of_week else None
        if self._week is not None:
            self._week.load_state(of_week)

    @property
    def _cycles(self) -> list[Cycle]:
        return [self._day] if self._week is None else [self._day, self._week]


def _by_hour(hours: np.ndarray[tuple[int], np.dtype[np.int64]], rows: Floats, n_hours: int) -> Floats:
    """Return the sums of rows ``(n, M)`` of each hour, ``(n_hours, M)``."""
    total: Floats = (hours == np.arange(n_hours)[:, None]).astype(float) @ rows
    return total


def _centred(profile: Floats) -> Floats:
    centred: Floats = profile - profile.mean(0)
    return centred


def _beyond_day(profile: Floats) -> Floats:
    """Return a day's profile as it is, a week's less its mean day."""
    if len(profile) == _DAY:
        return profile
    days = profile.reshape(-1, _DAY, profile.shape[1])
    beyond: Floats = (days - days.mean(0)).reshape(profile.shape)
    return beyond


def _alike(first: Floats, second: Floats) -> Floats:
    """Return the correlations ``(M,)`` of centred profiles; 0 where one is flat."""
    size = np.sqrt((first**2).sum(0) * (second**2).sum(0))
    alike: Floats = np.divide((first * second).sum(0), size, out=np.zeros_like(size), where=size > 0)
    return alike
