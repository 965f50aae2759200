"""The calendar of rows whose times are moments: hour, day of the week, hour of the week, month."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from distaff_data.datasets.ahead import steps_of
from distaff_data.datasets.series import Series

_SINCE = 2e8  # seconds from which a time counts from 1970, and not from the start of a recording
_HOUR, _DAY, _WEEK = 3600.0, 86400.0, 604800.0
_YEAR_ROWS = 2 * 365 * _DAY  # training time below which months cannot be told from a trend
_WEEK_ROWS = 4 * _WEEK
_THURSDAY = 3  # the weekday of the first of January 1970, from Monday


@dataclass(frozen=True)
class Calendar:
    """Which parts of the calendar tell rows apart.

    Attributes:
        hour: Of the day.
        day: Of the week.
        hour_of_week: All 168 together.
        month: Of the year.
    """

    hour: bool
    day: bool
    hour_of_week: bool
    month: bool

    @classmethod
    def of(cls, data: Series) -> Calendar | None:
        """Return what training rows can show; None where times are no moments, or too far apart for any of it."""
        train = data.rows_of("train")
        if data.whole or not bool(train.any()) or float(data.times.min()) < _SINCE:
            return None
        step = float(steps_of(data).median())
        times = data.times[train]
        span = float(times.max() - times.min())
        hour, day = step < _DAY and span >= 2 * _DAY, step <= _DAY and span >= 2 * _WEEK
        month = step <= 32 * _DAY and span >= _YEAR_ROWS
        calendar = cls(hour, day, hour and day and step <= 3 * _HOUR and span >= _WEEK_ROWS, month)
        return calendar if calendar.width else None

    @property
    def width(self) -> int:
        """Columns."""
        return 24 * self.hour + 7 * self.day + 168 * self.hour_of_week + 12 * self.month

    def columns(self, times: Tensor) -> Tensor:
        """Return a column for each hour, day, ..., which is 1 in its rows, float32 ``(n, width)``."""
        hour = (times.remainder(_DAY) / _HOUR).floor().long()
        days = (times / _DAY).floor().long()
        weekday = (days + _THURSDAY).remainder(7)
        parts = [
            (self.hour, hour, 24),
            (self.day, weekday, 7),
            (self.hour_of_week, 24 * weekday + hour, 168),
            (self.month, _month(days), 12),
        ]
        hot = [torch.nn.functional.one_hot(code, n).float() for wanted, code, n in parts if wanted]
        return torch.cat(hot, 1) if hot else torch.zeros(len(times), 0)


def _month(days: Tensor) -> Tensor:
    """Return the months, from 0, of days since 1970 in the Gregorian calendar."""
    # Years that begin in March have their leap day at the end, so that months have fixed first days.
    day = days + 719468
    era = day.div(146097, rounding_mode="floor")
    of_era = day - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    return (from_march + 2).remainder(12)
