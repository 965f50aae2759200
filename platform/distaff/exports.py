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

_FORMULA = r"^[=+\-@\t\r]"
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
    """Put an apostrophe before text that starts like a formula and is no number; lists become text."""
    columns = []
    for column in table.columns:
        if pa.types.is_list(column.type):
            column = pa.array(
                ["; ".join(map(str, v)) if v is not None else None for v in column.to_pylist()], pa.string()
            )
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            risky = pc.and_(
                pc.match_substring_regex(column, _FORMULA), pc.invert(pc.match_substring_regex(column, _NUMBER))
            )
            column = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
        columns.append(column)
    return pa.table(columns, names=table.column_names)
