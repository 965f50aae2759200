"""A private DuckDB database on disk, in which ingestion stages user files before anything reaches the warehouse."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from distaff_data.errors import InputError, first_line
from distaff_data.warehouse import engine, query

if TYPE_CHECKING:
    import polars as pl

_NOT_UTF8 = "the file is not UTF-8; convert it first (iconv -f LATIN1 -t UTF-8)"
_MIXED_ENDS = "lines end in different ways (CR LF and LF); make them one (dos2unix)"
_BYTES = 8  # that a value takes on disk, about
_DATABASE = "scratch.duckdb"
_LINE = 64 << 20  # bytes
_ROWS_A_BYTE = 64  # of a Parquet file at most: even ids that never change take a bit a run, and no pair counts twice
_SHOWN = 80  # characters of an offending line that a message repeats


@dataclass(frozen=True)
class Reject:
    """A line of a delimited file that does not have the columns it should."""

    line: int
    column: str | None
    text: str
    message: str


class Scratch:
    """Stage and reshape files with SQL, in memory bounded by ``memory`` and disk under ``folder``.

    Only the ``inputs`` can be read; the configuration is locked. Use as a context manager: leaving it removes the
    database. Tables made with :meth:`execute` live until then.
    """

    def __init__(self, folder: Path, inputs: Sequence[Path], *, memory: str = "2GB") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix="scratch-", dir=folder)
        root = Path(self._folder.name)
        self._con = engine.connect(
            root / _DATABASE,
            memory_limit=memory,
            temp_directory=str(root / "spill"),
            preserve_insertion_order=True,
        )
        engine.lock(self._con, inputs)

    @staticmethod
    def is_abandoned(folder: Path) -> bool:
        """Tell whether a killed process left a folder with its scratch database: nobody holds the file."""
        database = folder / _DATABASE
        if not database.is_file():
            return False
        try:
            engine.connect(database).close()
        except duckdb.Error:
            return False
        return True

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._con.close()
        self._folder.cleanup()

    def execute(self, sql: str, params: Sequence[object] = ()) -> None:
        """Run a statement for its effect."""
        with _explained():
            self._con.execute(sql, list(params))

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run a query and return its rows."""
        with _explained():
            return self._con.execute(sql, list(params)).fetchall()

    def value(self, sql: str, params: Sequence[object] = ()) -> object:
        """Run a query and return the first column of its first row; None when there is no row."""
        rows = self.rows(sql, params)
        return rows[0][0] if rows else None

    def count(self, sql: str, params: Sequence[object] = ()) -> int:
        """Run a query that counts something."""
        value = self.value(sql, params)
        assert isinstance(value, int)
        return value

    def frame(self, sql: str, params: Sequence[object] = ()) -> pl.DataFrame:
        """Run a query and return its rows as a polars frame."""
        with _explained():
            return query.to_frame(self._con.sql(sql, params=list(params)).to_arrow_table())

    def stream(self, sql: str, params: Sequence[object] = (), *, rows: int = 262_144) -> pa.RecordBatchReader:
        """Run a query and return its rows as Arrow batches; read it to the end before the next call."""
        return self._con.sql(sql, params=list(params)).to_arrow_reader(rows)

    def stage_arrow(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write Arrow batches into ``table``: a BIGINT ``row`` from 1, and their columns as they are."""
        self._con.register("arriving", pa.RecordBatchReader.from_batches(schema, batches))
        self._read(table, Path("arriving"), "arriving", schema.names, cast="")
        self._con.unregister("arriving")

    def stage_delimited(
        self,
        table: str,
        path: Path,
        *,
        columns: Sequence[str],
        keep: Sequence[str],
        delimiter: str,
        header: bool,
        quote: str = '"',
    ) -> None:
        """Read a delimited UTF-8 file into ``table``: a BIGINT ``row`` from 1, and the columns to ``keep`` as text.

        Every line is checked to have all ``columns``.

        Raises:
            InputError: A line with too few or too many columns, an unterminated quote, or another encoding.
        """
        _check_lines(path)
        types = "{" + ", ".join(f"{engine.literal(name)}: 'VARCHAR'" for name in columns) + "}"
        source = (
            f"read_csv({_exactly(path)}, auto_detect = false, delim = {engine.literal(delimiter)}, "
            f"header = {str(header).lower()}, quote = {engine.literal(quote)}, escape = {engine.literal(quote)}, "
            f"columns = {types}, store_rejects = true, rejects_limit = 1, max_line_size = {_LINE})"
        )
        self._read(table, path, source, keep)
        reject = self._reject(path)
        if reject is not None:
            raise InputError(reject.message, path=path, line=reject.line, column=reject.column, value=reject.text)

    def stage_json(self, table: str, path: Path, *, columns: Sequence[str]) -> None:
        """Read a JSON-lines file into ``table``: a BIGINT ``row`` from 1, and ``columns`` as text (NULL where absent)."""
        _check_lines(path)
        types = "{" + ", ".join(f"{engine.literal(name)}: 'VARCHAR'" for name in columns) + "}"
        source = f"read_json({_exactly(path)}, format = 'newline_delimited', columns = {types})"
        try:
            self._read(table, path, source, columns)
        except InputError as error:
            # DuckDB names the following line when it runs past the end of the broken one.
            raise _malformed(path) or error from None

    def stage_parquet(self, table: str, path: Path, *, columns: Sequence[str]) -> None:
        """Read columns of a Parquet file into ``table``: a BIGINT ``row`` from 1, and ``columns`` as text.

        A list becomes a JSON array, as :meth:`stage_json` leaves one, and what is no number is missing.
        """
        source = f"read_parquet({_exactly(path)})"
        self._check_room(path, len(columns))
        types = self.parquet_columns(path)
        picked = ", ".join(f"{_as_text(column, types[column])} AS {engine.identifier(column)}" for column in columns)
        self._read(table, path, f"(SELECT {picked} FROM {source})", columns)

    def parquet_columns(self, path: Path) -> dict[str, str]:
        """Return the columns of a Parquet file, and DuckDB's names of their types.

        Raises:
            InputError: The file is no Parquet file, or is cut off.
        """
        try:
            rows = self._con.execute(f"DESCRIBE SELECT * FROM read_parquet({_exactly(path)})").fetchall()
        except duckdb.Error as error:
            raise _unreadable(path, error) from None
        return {str(row[0]): str(row[1]) for row in rows}

    def _check_room(self, path: Path, n_columns: int) -> None:
        """Refuse a Parquet file of more values than the disk has room for: a few kilobytes may hold billions."""
        try:  # of a damaged file the engine says so by an error of any class
            rows = self.count(f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({_exactly(path)})")
        except duckdb.Error as error:
            raise _unreadable(path, error) from None
        free = shutil.disk_usage(self._folder.name).free
        if rows > max(path.stat().st_size * _ROWS_A_BYTE, 1_000_000):
            raise InputError(
                f"the file has {rows:,} rows in {path.stat().st_size:,} bytes; they are all the same", path=path
            )
        if rows * n_columns * _BYTES > free:
            raise InputError(f"the file has {rows:,} rows, for which the disk has no room", path=path)

    def _read(self, table: str, path: Path, source: str, columns: Sequence[str], cast: str = "::VARCHAR") -> None:
        picked = ", ".join(f"{(q := engine.identifier(column))}{cast} AS {q}" for column in columns)
        try:
            self._con.execute(
                f"CREATE OR REPLACE TABLE {engine.identifier(table)} AS "
                f"SELECT row_number() OVER () AS row, {picked} FROM {source}"
            )
        except duckdb.Error as error:
            raise _unreadable(path, error) from None

    def _reject(self, path: Path) -> Reject | None:
        rows = self.rows(
            "SELECT line_byte_position, column_name, csv_line, error_type, error_message FROM reject_errors "
            "ORDER BY line LIMIT 1"
        )
        self.execute("DROP TABLE IF EXISTS reject_errors")
        self.execute("DROP TABLE IF EXISTS reject_scans")
        if not rows:
            return None
        offset, column, text, kind, message = rows[0]
        assert isinstance(offset, int)
        reason = _NOT_UTF8 if kind == "INVALID ENCODING" else f"{str(kind).lower()}: {str(message).strip()}"
        return Reject(_line_at(path, offset), None if column is None else str(column), str(text)[:_SHOWN], reason)


def _as_text(column: str, kind: str) -> str:
    """Return the SQL of a Parquet file's column, ready to be cast to text."""
    cell = engine.identifier(column)
    if kind.endswith("]"):
        return f"to_json({cell})"
    return f"CASE WHEN isnan({cell}) THEN NULL ELSE {cell} END" if kind in ("FLOAT", "DOUBLE") else cell


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what a statement meets in the values it reads into one line; a statement that is wrong itself stays an error.

    Raises:
        InputError: It met something.
    """
    try:
        yield
    except (duckdb.DataError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise InputError(f"the data cannot be read: {first_line(error)}") from error


def _check_lines(path: Path) -> None:
    """Refuse a file with a line of more bytes than a line may have, before DuckDB makes room for it."""
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            end = chunk.find(b"\n")
            if size + (len(chunk) if end < 0 else end) > _LINE:
                raise InputError(f"a line is longer than {_LINE >> 20} MiB; is it a text file?", path=path)
            size = size + len(chunk) if end < 0 else len(chunk) - chunk.rfind(b"\n") - 1


def _line_at(path: Path, offset: int) -> int:
    """Return the 1-based physical line of a byte; DuckDB counts records, which quoted line breaks make fewer."""
    lines, remaining = 1, offset
    with path.open("rb") as file:
        while remaining > 0 and (chunk := file.read(min(remaining, 1 << 20))):
            lines += chunk.count(b"\n")
            remaining -= len(chunk)
    return lines


def _exactly(path: Path) -> str:
    """Return the SQL literal of a path; DuckDB would take brackets and stars in a file's name for a pattern."""
    return engine.literal(engine.pattern(path))


def _malformed(path: Path) -> InputError | None:
    """Return the error of the first line that is no JSON object; None when Python finds no fault with any."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                value = json.loads(line) if line.strip() else {}
            except UnicodeDecodeError:
                return InputError(_NOT_UTF8, path=path, line=number)
            except (ValueError, RecursionError) as error:
                shown = line.decode(errors="replace").strip()[:_SHOWN]
                reason = error.msg if isinstance(error, json.JSONDecodeError) else first_line(error)
                return InputError(f"the line is not JSON: {reason}", path=path, line=number, value=shown)
            if not isinstance(value, dict):
                shown = line.decode().strip()[:_SHOWN]
                return InputError("the line is JSON, but no object", path=path, line=number, value=shown)
    return None


def _unreadable(path: Path, error: duckdb.Error) -> InputError:
    """Return an error of DuckDB's message, cut to what a person needs, with the line it names."""
    text = str(error)
    line = next(
        (int(tail.split()[0].rstrip(":,.")) for mark in ("Line: ", "in line ") if (tail := _after(text, mark))), None
    )
    if "not utf-8" in text or "Invalid unicode" in text or "Invalid Unicode" in text:
        return InputError(_NOT_UTF8, path=path, line=line)
    if "invalid state" in text:
        return InputError(_MIXED_ENDS, path=path)
    reason = text.split("Error: ", 1)[-1].split("\n", 1)[0].strip()
    return InputError(f"cannot read the file: {reason}", path=path, line=line)


def _after(text: str, mark: str) -> str:
    return text.split(mark, 1)[1] if mark in text and text.split(mark, 1)[1][:1].isdigit() else ""
