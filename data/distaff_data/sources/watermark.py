"""How far a source was read: the greatest value of a column that only grows, and how many rows have it.

The next reading begins *at* that value, not behind it: rows that were written at the same moment and were not there yet
are read then, and those that were are merged with themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from distaff_data.errors import InputError, UnknownNameError

_DATED = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}


@dataclass(frozen=True)
class Mark:
    """The greatest value of the column, and how many rows have it."""

    value: int | float | str | date
    rows: int

    def as_json(self) -> dict[str, Any]:
        """Return the mark as JSON can say it."""
        if not isinstance(self.value, date):
            return {"value": self.value, "rows": self.rows}
        return {"value": self.value.isoformat(), "type": type(self.value).__name__, "rows": self.rows}

    @staticmethod
    def of_json(said: Mapping[str, Any]) -> Mark:
        """Return the mark that :meth:`as_json` said."""
        value = said["value"]
        return Mark(_DATED[said["type"]](value) if "type" in said else value, int(said["rows"]))


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
        rows = 0
        for batch in file.iter_batches(columns=[column]):
            values = batch.column(0)
            if values.null_count:
                raise InputError("a value is missing; --since takes a column that has one", path=shown, column=column)
            if not batch.num_rows:
                continue
            most = _greatest(values, shown, column)
            if best is None or most.as_py() > best:
                best, rows = most.as_py(), 0
            if most.as_py() == best:
                rows += int(pc.sum(pc.equal(values, most)).as_py())
    return None if best is None else Mark(best, rows)


def _greatest(values: pa.Array, shown: str, column: str) -> pa.Scalar:
    kind = values.type
    fits = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    if not (fits or pa.types.is_string(kind) or pa.types.is_large_string(kind)) or pa.types.is_time(kind):
        raise InputError(f"--since takes a number, a date or a text, not {kind}", path=shown, column=column)
    most = pc.max(values)
    if most.as_py() != most.as_py():
        raise InputError("a value is no number", path=shown, column=column)
    return most
