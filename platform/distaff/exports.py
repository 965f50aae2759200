"""Tables written for other programs; text that a spreadsheet would run as a formula is made harmless in CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import tomlkit
from numpy.typing import NDArray

from distaff_data.atomic import replacing
from distaff_data.errors import InputError

_FORMULA = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"  # the last four are read like the first, full width
TIMES = frozenset({"time", "start", "onset", "trigger"})  # columns of the warehouse that hold seconds
DATES_FROM = 1e8  # seconds since 1970 from which times are dates; smaller ones count rows, or a recording's own seconds
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


_WRITERS: Mapping[str, Callable[[Path, pa.Schema], Any]] = {
    ".csv": lambda path, schema: pa_csv.CSVWriter(path, schema),
    ".parquet": lambda path, schema: pq.ParquetWriter(path, schema),
    ".arrow": lambda path, schema: pa.ipc.new_file(path, schema),
}


def write(table: pa.Table, out: Path) -> None:
    """Write a table by the file's ending: ``.csv``, ``.parquet`` or ``.arrow``; appears whole or not at all.

    Raises:
        InputError: Another ending, or a folder that does not exist.
    """
    with writing(out) as append:
        append(table)


def check(out: Path) -> None:
    """Refuse a file that no table can be written to, before long work for it.

    Raises:
        InputError: Another ending than :func:`write` knows, or a folder that does not exist.
    """
    if out.suffix not in _WRITERS:
        raise InputError("export to .csv, .parquet or .arrow", path=out)
    if not out.parent.is_dir():
        raise InputError("the folder of the output file does not exist", path=out.parent)


def write_files(folder: Path, name: str, texts: Mapping[str, str]) -> dict[str, Path]:
    """Write texts beside each other and return their files by ending; signs that no file name may have become ``_``.

    Args:
        folder: Where to; made if it is not there.
        name: Name of the files without an ending.
        texts: By ending, such as ``html``.

    Raises:
        InputError: The folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("the folder to write to is a file", path=folder)
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w.\-]", "_", name)
    files = {ending: folder / f"{stem}.{ending}" for ending in texts}
    for ending, file in files.items():
        with replacing(file) as partial:
            partial.write_text(texts[ending], encoding="utf-8")
    return files


@contextmanager
def writing(out: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Write tables of one schema below each other as they come; the file appears when the block ends well.

    Raises:
        InputError: Another ending, or a folder that does not exist.
    """
    check(out)
    with whole(out) as temporary, ExitStack() as stack:
        writer = None

        def append(table: pa.Table) -> None:
            nonlocal writer
            table = harmless(table) if out.suffix == ".csv" else table
            if writer is None:
                writer = stack.enter_context(_WRITERS[out.suffix](temporary, table.schema))
            writer.write_table(table)

        yield append
        stack.close()  # before the file takes its place


def write_settings(settings: Mapping[str, Any], out: Path) -> None:
    """Write a configuration as TOML; appears whole or not at all.

    Raises:
        InputError: The folder does not exist.
    """
    with whole(out) as temporary:
        temporary.write_text(tomlkit.dumps(settings), encoding="utf-8")


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A file beside ``out`` that takes its place when the block ends well."""
    if not out.parent.is_dir():
        raise InputError("the folder of the output file does not exist", path=out.parent)
    with replacing(out) as temporary:
        yield temporary


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


def dates(seconds: NDArray[np.float64]) -> NDArray[Any]:
    """Return seconds since 1970 as dates in UTC, to the millisecond; row numbers and a recording's seconds as they are."""
    there = np.isfinite(seconds)
    if not there.any() or seconds[there].min() < DATES_FROM:
        return seconds
    moments = np.full(len(seconds), np.datetime64("NaT"), dtype="datetime64[ms]")
    moments[there] = np.round(seconds[there] * 1000).astype("int64").astype("datetime64[ms]")
    return moments


def with_dates(table: pa.Table) -> pa.Table:
    """Return a table for people, whose times are dates where they are seconds since 1970."""
    for name in sorted(TIMES & set(table.column_names)):
        if not pa.types.is_floating(table.schema.field(name).type):
            continue
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(dates(table[name].to_numpy())))
    return table
