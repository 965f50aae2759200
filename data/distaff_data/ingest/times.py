"""Time stamps of files: the unit of each number, told by its magnitude, and what is no time but a sign for "no end".

A column is in one unit. Where its numbers look like several, or where one is so far in the future that no event can have
it, the column is refused with the line, rather than rescaled as a whole by its largest value. Dates are never rescaled.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from distaff_data.arrays import Floats
from distaff_data.errors import InputError
from distaff_data.ingest.layout import FileLayout
from distaff_data.ingest.lines import physical_line
from distaff_data.warehouse import Scratch, identifier

FAR_TIMES = ("refuse", "missing")

# From this magnitude on, a time stamp counts milli-, micro- or nanoseconds: as seconds it would lie past the year 5000.
_UNITS = ((1e17, 1e9, "nanoseconds"), (1e14, 1e6, "microseconds"), (1e11, 1e3, "milliseconds"))
_FAR = 7_258_118_400.0  # 2200-01-01
# The last day of the year 9999, in seconds and in units in which it would be taken for a day of 1978; and the last second
# that 32 bits hold.
_LAST_DAY = (253_402_214_400.0, 253_402_300_800.0)
_LAST_32_BITS = 2_147_483_647.0

_NUMBER = "TRY_CAST({0} AS DOUBLE)"
_UNIT = "CASE {cases} ELSE 1.0 END".format(
    cases=" ".join(f"WHEN abs({_NUMBER}) >= {least} THEN {unit}" for least, unit, _ in _UNITS)
)
SECONDS = f"coalesce({_NUMBER} / ({_UNIT}), epoch(TRY_CAST({{0}} AS TIMESTAMPTZ)))"
_SIGNS = " OR ".join(
    [f"{_NUMBER} = {_LAST_32_BITS}"]
    + [f"({_NUMBER} >= {_LAST_DAY[0] * k} AND {_NUMBER} < {_LAST_DAY[1] * k})" for k in (1, 1e3, 1e6)]
)
FAR = f"(isfinite({SECONDS}) AND ({SECONDS} >= {_FAR} OR {_SIGNS}))"

_NO_END = "the time is far in the future, a sign for 'no end' and no time"


def check_times(scratch: Scratch, layout: FileLayout, column: str, *, far: str = "refuse", hint: str = "") -> None:
    """Refuse the first far-off time of the column in the table ``raw``, and the first in another unit than those before.

    Args:
        scratch: The staging database, with the file's rows as text.
        layout: The file.
        column: The column of times.
        far: ``missing`` lets far-off times pass.
        hint: What else a person may do about a far-off time.

    Raises:
        InputError: There is one.
    """
    cell = identifier(column)
    is_far = f"coalesce({FAR.format(cell)}, false)"
    number, unit = _NUMBER.format(cell), _UNIT.format(cell)
    first = scratch.value(f"SELECT min(row) FROM raw WHERE {is_far}")
    if first is not None and far == "refuse":
        _refuse(scratch, layout, column, first, f"{_NO_END}; leave it empty{hint}")
    timed = f"isfinite({number}) AND {number} <> 0 AND NOT {is_far}"
    rows = scratch.rows(f"SELECT {unit}, min(row) FROM raw WHERE {timed} GROUP BY ALL ORDER BY min(row)")
    if len(rows) > 1:
        (usual, _), (other, row) = rows[:2]
        _refuse(scratch, layout, column, row, _mixed(usual, other))


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


def _mixed(usual: Any, other: Any) -> str:
    names = {unit: name for _, unit, name in _UNITS} | {1.0: "seconds"}
    return f"the time is in {names[other]}, and those before in {names[usual]}; write all in one unit"


def _refuse(scratch: Scratch, layout: FileLayout, column: str, row: object, message: str) -> NoReturn:
    assert isinstance(row, int)
    value = scratch.value(f"SELECT {identifier(column)} FROM raw WHERE row = ?", [row])
    raise InputError(message, path=layout.path, line=physical_line(layout, row), column=column, value=value)
