"""Values of query results as Python has them and as JSON can say them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from distaff_data.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_ENDS = {"int64": 2**63 - 1, "int32": 2**31 - 1}  # how DuckDB writes infinity in times, and in dates


def cells_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return a table's rows; a date that Python cannot hold is its text."""
    return list(zip(*(_values(column) for column in table.columns), strict=True))


def records_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return a table's rows with their names.

    Raises:
        InputError: Two columns of one name, of which a record could hold one.
    """
    names = table.column_names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError("two columns have one name; give one another with AS", column=twice)
    return [dict(zip(names, row, strict=True)) for row in cells_of(table)]


def in_json(value: object) -> object:
    """Return a value that JSON can say: numbers that are none become ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.

    JSON has no such numbers; these are the texts that Protocol Buffers use for them.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: in_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [in_json(inner) for inner in value]
    return value


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):
        values = [_value(scalar) for scalar in column]
    return values


def _value(scalar: pa.Scalar) -> object:
    import pyarrow as pa

    if not scalar.is_valid:
        return None
    kind = scalar.type
    if pa.types.is_struct(kind):
        return {name: _value(inner) for name, inner in scalar.items()}
    if pa.types.is_map(kind):
        return [{part: _value(inner) for part, inner in pair.items()} for pair in scalar.values]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [_value(inner) for inner in scalar.values]
    if pa.types.is_timestamp(kind):
        return _dated(scalar, "int64", kind.unit)
    if pa.types.is_date(kind):
        return _dated(scalar, "int32", "D")
    return scalar.as_py()


def _dated(scalar: pa.Scalar, count: str, unit: str) -> object:
    """Return a date, or its text where Python's end at the year 9999."""
    import numpy as np
    import pyarrow as pa

    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        number = scalar.cast(getattr(pa, count)()).as_py()
    if abs(number) == _ENDS[count]:
        return "infinity" if number > 0 else "-infinity"
    zone = "+00:00" if pa.types.is_timestamp(scalar.type) and scalar.type.tz else ""
    wide: str = str(np.array(number).astype(f"datetime64[{unit}]"))
    return wide.replace("T", " ") + zone
