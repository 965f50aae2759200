"""A table of an incident read whole: of metrics, of names, or of a graph; and its columns as numbers, texts and times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from distaff_data.arrays import Floats
from distaff_data.errors import InputError, first_line
from distaff_data.ingest.times import TimeReader, seconds_of

_NOT_UTF8 = "not UTF-8; convert it first (iconv -f LATIN1 -t UTF-8)"


def read_table(path: Path) -> pa.Table:
    """Return a Parquet or CSV file whole.

    Raises:
        InputError: It is missing, empty or cannot be read, or two columns have one name.
    """
    if not path.is_file():
        raise InputError("there is no such file", path=path)
    if path.stat().st_size == 0:
        raise InputError("the file is empty", path=path)
    try:
        table = pq.read_table(path) if path.suffix.lower() in (".parquet", ".pq") else pacsv.read_csv(path)
        names = table.column_names
    except UnicodeDecodeError:
        raise InputError(f"the file is {_NOT_UTF8}", path=path) from None
    except Exception as error:  # what a foreign file makes Arrow raise is of any class
        reason = first_line(error) or type(error).__name__
        raise InputError(f"the file cannot be read: {reason}", path=path) from None
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError("two columns have this name", path=path, line=1, column=twice)
    return _decoded(path, table)


def _decoded(path: Path, table: pa.Table) -> pa.Table:
    """Return a table with its bytes as text: Arrow leaves a column of a CSV file as bytes where one value is not UTF-8.

    Raises:
        InputError: They are no text.
    """
    for place, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            try:
                text = table.column(place).cast(pa.string())
            except pa.ArrowInvalid:
                raise InputError(f"the column is {_NOT_UTF8}", path=path, column=field.name) from None
            table = table.set_column(place, field.name, text)
    return table


def texts_of(table: pa.Table, column: str) -> pl.Series:
    """Return a column as text, numbers as Arrow writes them."""
    return pl.Series(column, table[column].cast(pa.string()))


def numbers_of(path: Path, column: pa.ChunkedArray, name: str) -> Floats:
    """Return numbers with NaN where nothing or no finite number stands."""
    try:
        numbers = column.cast(pa.float64()).to_numpy().astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        wrong = ((i + 2, v.as_py()) for i, v in enumerate(column) if not _is_number(v.as_py()))
        line, value = next(wrong, (None, None))
        raise InputError("the value is no number", path=path, line=line, column=name, value=value) from None
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _is_number(value: object) -> bool:
    if value is None:
        return True
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def read_times(path: Path, column: pa.ChunkedArray, name: str, reader: TimeReader) -> Floats:
    """Return a column of times in seconds, float64 ``(n,)``, one on each row.

    Raises:
        InputError: One is missing or cannot be read, or they look like several units.
    """
    if pa.types.is_string(column.type):
        texts = pl.Series(name, column)
        seconds = reader.of_texts(texts)
        wrong = (seconds.is_null() & texts.is_not_null()).arg_true()
        if len(wrong):
            row = int(wrong[0])
            message = reader.refusal(texts[row])
            raise InputError(message, path=path, line=row + 2, column=name, value=texts[row])
        return _checked_times(path, seconds.to_numpy().astype(np.float64), column, name)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        times: Floats = column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() / 1e6
    else:
        times = numbers_of(path, column, name)
    return _checked_times(path, times, column, name)


def _checked_times(path: Path, times: Floats, column: pa.ChunkedArray, name: str) -> Floats:
    if np.isnan(times).any():
        raise InputError("a time stamp is missing", path=path, line=int(np.isnan(times).argmax()) + 2, column=name)
    try:
        return seconds_of(times)
    except ValueError as error:
        message, at = error.args
        raise InputError(message, path=path, line=at + 2, column=name, value=column[at].as_py()) from None
