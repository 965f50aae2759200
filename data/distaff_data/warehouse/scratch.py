"""A private DuckDB database on disk, in which ingestion stages user files before anything reaches the warehouse."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa

from distaff_data.errors import InputError
from distaff_data.warehouse import engine


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
            root / "scratch.duckdb",
            memory_limit=memory,
            temp_directory=str(root / "spill"),
            preserve_insertion_order=True,
        )
        engine.lock(self._con, [str(path) for path in inputs])

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._con.close()
        self._folder.cleanup()

    def execute(self, sql: str, params: Sequence[object] = ()) -> None:
        """Run a statement for its effect."""
        self._con.execute(sql, list(params))

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run a query and return its rows."""
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

    def stream(self, sql: str, params: Sequence[object] = (), *, rows: int = 262_144) -> pa.RecordBatchReader:
        """Run a query and return its rows as Arrow batches; read it to the end before the next call."""
        return self._con.sql(sql, params=list(params)).to_arrow_reader(rows)

    def stage_delimited(
        self, table: str, path: Path, *, columns: Sequence[str], delimiter: str, header: bool, quote: str = '"'
    ) -> None:
        """Read a delimited UTF-8 file into ``table``: a BIGINT ``row`` from 1, and ``columns`` as text.

        Raises:
            InputError: A line with too few or too many columns, an unterminated quote, or another encoding.
        """
        types = "{" + ", ".join(f"{engine.literal(name)}: 'VARCHAR'" for name in columns) + "}"
        source = (
            f"read_csv({engine.literal(str(path))}, auto_detect = false, delim = {engine.literal(delimiter)}, "
            f"header = {str(header).lower()}, quote = {engine.literal(quote)}, escape = {engine.literal(quote)}, "
            f"columns = {types}, store_rejects = true, rejects_limit = 1, max_line_size = 67108864)"
        )
        self._read(table, path, source)
        reject = self._reject(path)
        if reject is not None:
            raise InputError(reject.message, path=path, line=reject.line, column=reject.column, value=reject.text)

    def stage_json(self, table: str, path: Path, *, columns: Sequence[str]) -> None:
        """Read a JSON-lines file into ``table``: a BIGINT ``row`` from 1, and ``columns`` as text (NULL where absent)."""
        types = "{" + ", ".join(f"{engine.literal(name)}: 'VARCHAR'" for name in columns) + "}"
        self._read(
            table,
            path,
            f"read_json({engine.literal(str(path))}, format = 'newline_delimited', columns = {types})",
        )

    def stage_parquet(self, table: str, path: Path, *, columns: Sequence[str]) -> None:
        """Read columns of a Parquet file into ``table``: a BIGINT ``row`` from 1, and ``columns`` as text."""
        self._read(table, path, f"read_parquet({engine.literal(str(path))})", columns)

    def parquet_columns(self, path: Path) -> list[str]:
        """Column names of a Parquet file.

        Raises:
            InputError: The file is no Parquet file, or is cut off.
        """
        try:
            return [str(row[0]) for row in self.rows(f"DESCRIBE SELECT * FROM read_parquet({engine.literal(str(path))})")]
        except duckdb.Error as error:
            raise _unreadable(path, error) from None

    def _read(self, table: str, path: Path, source: str, columns: Sequence[str] | None = None) -> None:
        picked = "*" if columns is None else ", ".join(f"{(q := engine.identifier(c))}::VARCHAR AS {q}" for c in columns)
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
        reason = f"{str(kind).lower()}: {str(message).strip()}"
        return Reject(_line_at(path, offset), None if column is None else str(column), str(text), reason)


def _line_at(path: Path, offset: int) -> int:
    """1-based physical line of a byte; DuckDB counts records, which quoted line breaks make fewer."""
    lines, left = 1, offset
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            lines += chunk.count(b"\n")
            left -= len(chunk)
    return lines


def _unreadable(path: Path, error: duckdb.Error) -> InputError:
    """DuckDB's message, cut to what a person needs, with the line it names."""
    text = str(error)
    line = next((int(tail.split()[0].rstrip(":,.")) for mark in ("Line: ", "in line ") if (tail := _after(text, mark))), None)
    if "not utf-8" in text or "Invalid unicode" in text or "Invalid Unicode" in text:
        return InputError("the file is not UTF-8; convert it first (iconv -f LATIN1 -t UTF-8)", path=path, line=line)
    reason = text.split("Error: ", 1)[-1].split("\n", 1)[0].strip()
    return InputError(f"cannot read the file: {reason}", path=path, line=line)


def _after(text: str, mark: str) -> str:
    return text.split(mark, 1)[1] if mark in text and text.split(mark, 1)[1][:1].isdigit() else ""
