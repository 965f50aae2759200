"""Time stamps of files: the unit of each number, told by its magnitude, and what is no time but a sign for "no end".

A column is in one unit. Where its numbers look like several, or where one is so far in the future that no event can have
it, the column is refused with the line, rather than rescaled as a whole by its largest value. Dates are never rescaled.

Dates are ISO's unless a person says how they are written: ``04.08.2024`` is a day of April to some and of August to others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from distaff_data.arrays import Floats
from distaff_data.errors import InputError
from distaff_data.ingest.layout import FileLayout
from distaff_data.ingest.lines import physical_line
from distaff_data.warehouse import Scratch, identifier, literal

if TYPE_CHECKING:
    import polars as pl

FAR_TIMES = ("refuse", "missing")

# From this magnitude on, a time stamp counts milli-, micro- or nanoseconds: as seconds it would lie past the year 5000.
_UNITS = ((1e17, 1e9, "nanoseconds"), (1e14, 1e6, "microseconds"), (1e11, 1e3, "milliseconds"))
_NAMES = {unit: name for _, unit, name in _UNITS} | {1.0: "seconds"}
_FAR = 7_258_118_400.0  # 2200-01-01
# The last day of the year 9999, in seconds and in units in which it would be taken for a day of 1978; and the last second
# that 32 bits hold.
_LAST_DAY = (253_402_214_400.0, 253_402_300_800.0)
_LAST_32_BITS = 2_147_483_647.0

_NUMBER = "TRY_CAST({0} AS DOUBLE)"
_UNIT = "CASE {cases} ELSE 1.0 END".format(
    cases=" ".join(f"WHEN abs({_NUMBER}) >= {least} THEN {unit}" for least, unit, _ in _UNITS)
)
_SIGNS = " OR ".join(
    [f"{_NUMBER} = {_LAST_32_BITS}"]
    + [f"({_NUMBER} >= {_LAST_DAY[0] * k} AND {_NUMBER} < {_LAST_DAY[1] * k})" for k in (1, 1e3, 1e6)]
)

_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S")
_DAY_FIRST = tuple(f"%d{mark}%m{mark}%Y{clock}" for mark, clock in product("./-", _CLOCKS))
_AMBIGUOUS = re.compile(r"\s*\d{1,2}[./-]\d{1,2}[./-]\d{4}\b")
_EXAMPLE = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

_NO_END = "the time is far in the future, a sign for 'no end' and no time"


@dataclass(frozen=True)
class TimeReader:
    """The way that a column of times is read.

    Attributes:
        formats: The ways that a date may be written, in the signs of ``strptime``; ISO's and numbers where there are none.
    """

    formats: tuple[str, ...] = ()

    @classmethod
    def make(cls, format: str | None, day_first: bool) -> TimeReader:
        """Return the reader that a person asked for.

        Raises:
            InputError: Both are given, or the format names no day.
        """
        if format is None:
            return cls(_DAY_FIRST if day_first else ())
        if day_first:
            raise InputError("--time-format says all of how dates are written; leave --day-first out")
        read: datetime | None
        try:
            read = datetime.strptime(_EXAMPLE.strftime(format), format)
        except ValueError:
            read = None
        if read is None or (read.month, read.day) != (_EXAMPLE.month, _EXAMPLE.day):
            raise InputError("a time's format has year, month and day, such as %d.%m.%Y %H:%M", value=format)
        return cls((format,))

    def number(self, cell: str) -> str:
        """Return the SQL of a cell as a number; NULL where it is none, or numbers are no times."""
        return "NULL::DOUBLE" if self.formats else _NUMBER.format(cell)

    def seconds(self, cell: str) -> str:
        """Return the SQL of a cell in seconds since 1970; NULL where it cannot be read."""
        if self.formats:
            return f"epoch(try_strptime(trim({cell}), {literal(list(self.formats))}))"
        return f"coalesce({_NUMBER.format(cell)} / ({_UNIT.format(cell)}), {self.date(cell)})"

    def date(self, cell: str) -> str:
        """Return the SQL of a cell that is a date and no number, in seconds since 1970."""
        return self.seconds(cell) if self.formats else f"epoch(TRY_CAST({cell} AS TIMESTAMPTZ))"

    def is_far(self, cell: str) -> str:
        """Return the SQL of whether a cell is so far in the future that it is a sign for "no end"."""
        far = f"{self.seconds(cell)} >= {_FAR}"
        if not self.formats:
            far += f" OR {_SIGNS.format(cell)}"
        return f"coalesce(isfinite({self.seconds(cell)}) AND ({far}), false)"

    def of_texts(self, texts: pl.Series) -> pl.Series:
        """Return texts in seconds since 1970; null where one cannot be read."""
        import polars as pl

        stripped = texts.str.strip_chars()
        if not self.formats:  # a column of ISO's dates alone arrives as such
            return stripped.cast(pl.Float64, strict=False)
        forms = [form.replace(".%f", "%.f") for form in self.formats]  # polars' sign for a fraction
        read = [stripped.str.to_datetime(form, time_unit="us", strict=False) for form in forms]
        return pl.select(pl.coalesce(read)).to_series().dt.epoch("us") / 1e6

    def refusal(self, value: object) -> str:
        """Return what is wrong with a cell that is no time, and what to do about it."""
        if self.formats:
            shown = self.formats[0] if len(self.formats) == 1 else "day, month and year, such as 24.11.2026 09:30"
            return f"no date of the form {shown}"
        if _AMBIGUOUS.match(str(value)):
            return "a date whose day or month comes first; say so with --day-first, or with --time-format '%m/%d/%Y'"
        return NO_TIME


@dataclass(frozen=True)
class ReadTimes:
    """How a column's times were taken, which a report says.

    Attributes:
        unit: ``dates``, ``seconds`` or another unit, or ``seconds and dates``; empty where there is no time.
        far: How many far-off ones are taken as missing.
    """

    unit: str = ""
    far: int = 0


NO_TIME = "neither a number nor a date such as 2026-11-24 or 2026-11-24T09:30:00Z"


def dated_columns(scratch: Scratch, columns: Sequence[str], reader: TimeReader, *, table: str = "raw") -> list[str]:
    """Return those columns of a table in which every value that is there is a date and no number or far off."""
    if not columns:
        return []
    tests = ", ".join(_all_dates(f"nullif(trim({identifier(column)}), '')", reader) for column in columns)
    return [
        column for column, dated in zip(columns, scratch.rows(f"SELECT {tests} FROM {table}")[0], strict=True) if dated
    ]


def _all_dates(cell: str, reader: TimeReader) -> str:
    is_date = f"{reader.date(cell)} IS NOT NULL AND {reader.number(cell)} IS NULL AND NOT {reader.is_far(cell)}"
    return f"coalesce(bool_and({is_date}) FILTER (WHERE {cell} IS NOT NULL), false)"


def check_times(
    scratch: Scratch,
    layout: FileLayout,
    column: str,
    reader: TimeReader,
    *,
    far: str = "refuse",
    hint: str = "",
) -> ReadTimes:
    """Refuse the first far-off time of the column in the table ``raw``, and the first in another unit than those before.

    Returns how the others are taken.

    Args:
        scratch: The staging database, with the file's rows as text.
        layout: The file.
        column: The column of times.
        reader: How it is read.
        far: ``missing`` lets far-off times pass.
        hint: What else a person may do about a far-off time.

    Raises:
        InputError: There is one.
    """
    cell = identifier(column)
    is_far, number, unit = reader.is_far(cell), reader.number(cell), _UNIT.format(cell)
    first = scratch.value(f"SELECT min(row) FROM raw WHERE {is_far}")
    if first is not None and far == "refuse":
        _refuse(scratch, layout, column, first, f"{_NO_END}; leave it empty{hint}")
    timed = f"isfinite({number}) AND {number} <> 0 AND NOT {is_far}"
    rows = scratch.rows(f"SELECT {unit}, min(row) FROM raw WHERE {timed} GROUP BY ALL ORDER BY min(row)")
    if len(rows) > 1:
        (usual, _), (other, row) = rows[:2]
        _refuse(scratch, layout, column, row, _mixed(usual, other))
    dated = f"{reader.date(cell)} IS NOT NULL AND {number} IS NULL"
    far_off, dates = scratch.rows(
        f"SELECT count(*) FILTER ({is_far}), count(*) FILTER ({dated} AND NOT {is_far}) FROM raw"
    )[0]
    taken = [_NAMES[float(str(unit))] for unit, _ in rows] + (["dates"] if dates else [])
    return ReadTimes(" and ".join(taken), int(str(far_off)))


def seconds_of(times: Floats) -> Floats:
    """Return times in seconds.

    Raises:
        ValueError: One is far off, or in another unit than those before; its arguments are the message and the place.
    """
    size, unit = np.abs(times), np.ones_like(times)
    for least, divisor, _ in reversed(_UNITS):
        unit[size >= least] = divisor
    far = (times / unit >= _FAR) | (times == _LAST_32_BITS)
    for k in (1, 1e3, 1e6):
        far |= (times >= _LAST_DAY[0] * k) & (times < _LAST_DAY[1] * k)
    if far.any():
        raise ValueError(_NO_END, int(far.argmax()))
    timed = np.flatnonzero(times)
    others = timed[unit[timed] != unit[timed[0]]] if len(timed) else timed
    if len(others):
        raise ValueError(_mixed(unit[timed[0]], unit[others[0]]), int(others[0]))
    seconds: Floats = times / unit
    return seconds


def seconds_of_text(text: str | None) -> float:
    """Return one time in seconds: a number in the unit that its size tells, or a date of ISO 8601; NaN where it is neither.

    A date without a zone is in UTC, as everywhere. What lies so far in the future that it is a sign for "no end" is no time.
    """
    stripped = (text or "").strip()
    try:
        number = float(stripped)
    except ValueError:
        try:
            moment = datetime.fromisoformat(stripped)
        except ValueError:
            return float("nan")
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return seconds if seconds < _FAR else float("nan")
    try:
        return float(seconds_of(np.array([number]))[0])
    except ValueError:
        return float("nan")


def _mixed(usual: Any, other: Any) -> str:
    return f"the time is in {_NAMES[other]}, and those before in {_NAMES[usual]}; write all in one unit"


def _refuse(scratch: Scratch, layout: FileLayout, column: str, row: object, message: str) -> NoReturn:
    assert isinstance(row, int)
    value = scratch.value(f"SELECT {identifier(column)} FROM raw WHERE row = ?", [row])
    raise InputError(message, path=layout.path, line=physical_line(layout, row), column=column, value=value)
