"""Tables written for other programs; text that a spreadsheet would run as a formula is made harmless in CSV."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import tomlkit

from distaff_data.errors import InputError

_FORMULA = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"  # the last four are read like the first, full width
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def write(table: pa.Table, out: Path) -> None:
    """Write a table by the file's ending: ``.csv``, ``.parquet`` or ``.arrow``; appears whole or not at all.

    Raises:
        InputError: Another ending, or a folder that does not exist.
    """
    if out.suffix not in (".csv", ".parquet", ".arrow"):
        raise InputError("export to .csv, .parquet or .arrow", path=out)
    with whole(out) as part:
        if out.suffix == ".csv":
            pa_csv.write_csv(harmless(table), part)
        elif out.suffix == ".parquet":
            pq.write_table(table, part)
        else:
            feather.write_feather(table, str(part), compression="uncompressed")


def write_settings(settings: Mapping[str, Any], out: Path) -> None:
    """Write a configuration as TOML; appears whole or not at all.

    Raises:
        InputError: The folder does not exist.
    """
    with whole(out) as part:
        part.write_text(tomlkit.dumps(settings), encoding="utf-8")


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A file beside ``out`` that takes its place when the block ends well."""
    if not out.parent.is_dir():
        raise InputError("the folder of the output file does not exist", path=out.parent)
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def harmless(table: pa.Table) -> pa.Table:
    """Put an apostrophe before text that starts like a formula and is no number, in cells and in column names.

    Lists and other nested values become text.
    """
    columns = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        elif pa.types.is_nested(kind):
            column = pa.array([None if v is None else _flat(v) for v in column.to_pylist()], pa.string())
        columns.append(_defused(column) if _is_text(column.type) else column)
    names = _defused(pa.array(table.column_names, pa.string())).to_pylist()
    return pa.table(columns, names=names)


def _is_text(kind: pa.DataType) -> bool:
    return any(
        bool(is_kind(kind)) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _flat(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _defused(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    column = column.cast(pa.large_string())
    risky = pc.and_(pc.match_substring_regex(column, _FORMULA), pc.invert(pc.match_substring_regex(column, _NUMBER)))
    mark, nothing = pa.scalar("'", pa.large_string()), pa.scalar("", pa.large_string())
    return pc.if_else(risky, pc.binary_join_element_wise(mark, column, nothing), column)
