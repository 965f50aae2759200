"""Feature vectors of items and users: ``.npy`` matrices, Parquet columns of lists of numbers, RecBole's ``float_seq``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from distaff_data.arrays import Floats
from distaff_data.errors import InputError, first_line
from distaff_data.ingest.layout import FileLayout
from distaff_data.warehouse import Scratch, identifier

VECTORS_TABLE = "CREATE TABLE IF NOT EXISTS staged_vectors (id VARCHAR, name VARCHAR, vector FLOAT[])"
_SCHEMA = pa.schema([("id", pa.string()), ("name", pa.string()), ("vector", pa.list_(pa.float32()))])
_SUFFIX = re.compile(r"[_-](feat|feats|feature|features|emb|embedding|embeddings|vectors?)$")
_ROWS = 4096


@dataclass(frozen=True)
class Matrix:
    """A ``.npy`` file, opened without reading it.

    Attributes:
        path: The file.
        name: The modality.
        values: ``(n, d)`` numbers on disk.
    """

    path: Path
    name: str
    values: Floats

    @classmethod
    def open(cls, path: Path, name: str | None = None) -> Matrix:
        """Open a file; the modality is named like it where no name is given (``text_feat.npy`` is ``text``).

        Raises:
            InputError: Not a matrix of finite numbers. Pickled objects are never read.
        """
        try:
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # what a foreign file makes NumPy raise is of any class
            reason = first_line(error) or type(error).__name__
            raise InputError(f"cannot read the file as a plain .npy matrix: {reason}", path=path) from None
        if values.ndim != 2 or values.dtype.kind not in "fiu" or values.shape[1] == 0:
            raise InputError(f"vectors are rows of a matrix of numbers, not {values.dtype}{values.shape}", path=path)
        for start in range(0, len(values), _ROWS):
            with np.errstate(over="ignore"):  # vectors are kept in 32 bits, so what does not fit those is not finite
                wrong = ~np.isfinite(values[start : start + _ROWS].astype(np.float32)).all(1)
            if wrong.any():
                line = start + int(wrong.argmax()) + 1
                raise InputError(
                    "a vector holds a number that is not finite, or too large for 32 bits", path=path, line=line
                )
        return cls(path, name or _SUFFIX.sub("", path.stem), values)

    def stage(self, scratch: Scratch, ids: pa.StringArray | None) -> None:
        """Add its rows to ``staged_vectors`` with their ids, which are the rows' numbers where none are given.

        Raises:
            InputError: Another number of ids than rows.
        """
        n = len(self.values)
        if ids is not None and len(ids) != n:
            raise InputError(f"there are {len(ids)} ids for {n} rows", path=self.path)
        row_ids = pa.array(np.arange(n)).cast(pa.string()) if ids is None else ids

        def batches() -> Iterator[pa.RecordBatch]:
            for start in range(0, n, _ROWS):
                yield vector_batch(row_ids[start : start + _ROWS], self.name, self.values[start : start + _ROWS])

        insert_vectors(scratch, batches())


def read_ids(path: Path) -> pa.StringArray:
    """Return the ids that rows of a matrix belong to: an id a line, or a ``.npy`` vector of them.

    Raises:
        InputError: The file is not UTF-8 text, or has an empty line in between.
    """
    if path.suffix == ".npy":
        try:
            return pa.array(np.load(path, allow_pickle=False).astype(str))
        except Exception as error:  # what a foreign file makes NumPy raise is of any class
            reason = first_line(error) or type(error).__name__
            raise InputError(f"cannot read the file as a plain .npy vector: {reason}", path=path) from None
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
    except UnicodeDecodeError:
        raise InputError("the file of ids is not UTF-8", path=path) from None
    ids = [line.strip() for line in lines]
    if "" in ids:
        raise InputError("the id is missing", path=path, line=ids.index("") + 1)
    return pa.array(ids, pa.string())


def vector_columns(layout: FileLayout) -> list[str]:
    """Return the columns that hold vectors: lists of floating-point numbers in Parquet, ``float_seq`` in RecBole's files."""
    if layout.format == "parquet":
        with _explained(layout.path):
            return [field.name for field in pq.read_schema(layout.path) if _is_vector(field.type)]
    return [column for column in layout.columns if column.endswith(":float_seq")]


def stage_columns(scratch: Scratch, layout: FileLayout, key: str) -> None:
    """Add the vectors in a file's columns to ``staged_vectors``; an id without one is left out.

    Raises:
        InputError: Something in RecBole's column is no number.
    """
    for column in vector_columns(layout):
        if layout.format == "parquet":
            insert_vectors(scratch, _parquet_batches(layout.path, key, column))
            continue
        layout.stage(scratch, "raw", [key, column])
        cell = f"trim({identifier(column)})"
        numbers = f"try_cast(regexp_split_to_array({cell}, '[ ,]+') AS FLOAT[])"
        wrong = scratch.value(
            f"SELECT {cell} FROM raw WHERE {cell} <> '' AND list_count({numbers}) < len({numbers}) LIMIT 1"
        )
        if wrong is not None:
            message = "a vector is numbers divided by blanks"
            raise InputError(message, path=layout.path, column=column, value=str(wrong)[:60])
        scratch.execute(
            f"INSERT INTO staged_vectors SELECT {identifier(key)}, ?, {numbers} FROM raw WHERE {cell} <> ''",
            [column.partition(":")[0]],
        )
        scratch.execute("DROP TABLE raw")


def _parquet_batches(path: Path, key: str, column: str) -> Iterator[pa.RecordBatch]:
    with _explained(path):
        opened = pq.ParquetFile(path)
    for batch in _batches(path, opened, key, column):
        names = pa.repeat(column, batch.num_rows)
        whole = pa.table(
            [batch[key].cast(pa.string()), names, batch[column].cast(_SCHEMA.field("vector").type)], _SCHEMA
        )
        yield from whole.filter(pa.compute.is_valid(whole["vector"])).to_batches()


def _batches(path: Path, opened: pq.ParquetFile, key: str, column: str) -> Iterator[pa.RecordBatch]:
    batches = opened.iter_batches(_ROWS, columns=[key, column])
    while True:
        with _explained(path):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what a foreign file makes Arrow raise, which is of any class, into one line."""
    try:
        yield
    except Exception as error:
        reason = first_line(error) or type(error).__name__
        raise InputError(f"cannot read the file: {reason}", path=path) from None


def vector_batch(ids: pa.StringArray, name: str, values: np.ndarray[Any, np.dtype[Any]]) -> pa.RecordBatch:
    """Return the rows of a matrix ``(n, d)`` and their ids as :func:`insert_vectors` takes them."""
    block = np.ascontiguousarray(values, dtype=np.float32)
    offsets = pa.array(np.arange(0, block.size + 1, block.shape[1], dtype=np.int32))
    vectors = pa.ListArray.from_arrays(offsets, pa.array(block.ravel()))
    return pa.record_batch([ids, pa.repeat(name, len(block)), vectors], schema=_SCHEMA)


def insert_vectors(scratch: Scratch, batches: Iterator[pa.RecordBatch]) -> None:
    """Add batches of ids, names and vectors to ``staged_vectors``."""
    scratch.stage_arrow("arrived", _SCHEMA, batches)
    scratch.execute("INSERT INTO staged_vectors SELECT id, name, vector FROM arrived")
    scratch.execute("DROP TABLE arrived")


def _is_vector(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return lists and bool(pa.types.is_floating(kind.value_type))
