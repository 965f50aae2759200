"""How far a source was read: the greatest value of a column that only grows, and which rows have it.

The next reading begins *at* that value, not behind it: rows that were written at the same moment and were not there yet
are read then, and those that were are merged with themselves. A value behind which nothing can come, or which has no order
in common with the others, would hide every later row, and is refused.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from distaff_data.errors import InputError, UnknownNameError

_NUMBER = r"^\s*[-+]?[0-9]+([.][0-9]*)?([eE][-+]?[0-9]+)?\s*$"
_DATED = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}
_DIGESTS = 1 << 16
_NO_END = 2200  # the year from which on a date is a sign for "no end"


@dataclass(frozen=True)
class Mark:
    """The greatest value of the column, and the rows that have it.

    Attributes:
        value: The greatest value.
        rows: How many rows have it.
        digest: What tells them from other rows of that value, too short to confirm a guess of whose they are; empty where
            an older version read them.
        fractional: Columns of numbers with a point, which would write an id in another way than whole numbers do.
    """

    value: int | float | str | date
    rows: int
    digest: str = ""
    fractional: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the mark as JSON can say it."""
        dated = isinstance(self.value, date)
        value = self.value.isoformat() if isinstance(self.value, date) else self.value
        kind = {"type": type(self.value).__name__} if dated else {}
        return {
            "value": value,
            **kind,
            "rows": self.rows,
            "digest": self.digest,
            "fractional": list(self.fractional or ()),
        }

    @staticmethod
    def of_json(said: Mapping[str, Any]) -> Mark:
        """Return the mark that :meth:`as_json` said."""
        value = said["value"]
        fractional = tuple(said["fractional"]) if "fractional" in said else None
        value = _DATED[said["type"]](value) if "type" in said else value
        return Mark(value, int(said["rows"]), str(said.get("digest", "")), fractional)

    @property
    def kind(self) -> str:
        """What the value is; values of different kinds have no order."""
        return "numbers" if isinstance(self.value, int | float) else type(self.value).__name__


@dataclass(frozen=True)
class Since:
    """The column that a source is read by, and where the last reading ended; nowhere when ``mark`` is None."""

    column: str
    mark: Mark | None = None


def mark_of(path: Path, column: str, shown: str) -> Mark | None:
    """Return how far a copied source goes; None where it has no rows.

    Raises:
        InputError: It has no such column, values are missing, or they are nothing that grows.
    """
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        if column not in schema.names:
            raise UnknownNameError("column", column, schema.names)
        best: Any = None
        rows, sums = 0, 0
        for batch in file.iter_batches():
            values = batch.column(column)
            if values.null_count:
                raise InputError("a value is missing; --since takes a column that has one", path=shown, column=column)
            if not batch.num_rows:
                continue
            most = _greatest(values, shown, column)
            if best is None or most.as_py() > best:
                best, rows, sums = most.as_py(), 0, 0
            if most.as_py() == best:
                last = batch.filter(pc.equal(values, most))
                rows, sums = rows + last.num_rows, sums + sum(_hashes(last))
    if best is None:
        return None
    _check_end(best, shown, column)
    fractional = tuple(field.name for field in schema if pa.types.is_floating(field.type))
    return Mark(best, rows, f"{sums % _DIGESTS:04x}", fractional)


def check_goes_on(before: Mark, after: Mark | None, column: str, shown: str) -> None:
    """Refuse what was read from a mark on when it cannot be what came behind it.

    Raises:
        InputError: Nothing is there from the mark on, not even the row that set it, or the values are of another kind.
    """
    said = before.as_json()["value"]
    if after is None:
        raise InputError(
            f"the source ends before {said}, where the last reading ended; begin anew with --replace",
            path=shown,
            column=column,
        )
    if after.kind != before.kind:
        raise InputError(
            f"the values are {after.kind}, and those read before were {before.kind}; begin anew with --replace",
            path=shown,
            column=column,
        )


def _hashes(rows: pa.RecordBatch) -> Iterator[int]:
    """Return a number for each row, whose sum over rows does not hang on their order."""
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        yield zlib.crc32(repr(row).encode(errors="surrogatepass"))


def _greatest(values: pa.Array, shown: str, column: str) -> pa.Scalar:
    kind = values.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    fits = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    if not (fits or is_text) or pa.types.is_time(kind):
        raise InputError(f"--since takes a number, a date or a text, not {kind}", path=shown, column=column)
    if is_text and (number := pc.index(pc.match_substring_regex(values, _NUMBER), True).as_py()) >= 0:
        raise InputError(
            "these are numbers written as text, in which 9 comes behind 10, or a mixture with text; CAST them",
            path=shown,
            column=column,
            value=values[number].as_py(),
        )
    most = pc.max(values)
    if most.as_py() != most.as_py():
        raise InputError("a value is no number", path=shown, column=column)
    return most


def _check_end(most: int | float | str | date, shown: str, column: str) -> None:
    """Refuse a greatest value behind which nothing can come."""
    if isinstance(most, float) and math.isinf(most):
        raise InputError("a value is infinite: no later row could come behind it", path=shown, column=column)
    try:
        day = datetime.fromisoformat(most) if isinstance(most, str) else most
    except ValueError:
        return
    if isinstance(day, date) and day.year >= _NO_END:
        raise InputError(
            "the date is far in the future, a sign for 'no end': no later row could come behind it",
            path=shown,
            column=column,
            value=str(most),
        )
