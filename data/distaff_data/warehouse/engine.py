"""DuckDB connections as this project uses them: private, silent, with nothing loaded or found by accident."""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa

# Replacement scans would let a query see the caller's local variables; extensions would reach for the network.
_SAFE: Mapping[str, str | bool | int] = {
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

_TYPES: Mapping[pa.DataType, str] = {
    pa.string(): "VARCHAR",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.int64(): "BIGINT",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
}


def connect(database: str | Path = ":memory:", **config: str | bool | int) -> duckdb.DuckDBPyConnection:
    """Open a connection of its own; ``config`` adds DuckDB settings."""
    return _quiet(duckdb.connect(str(database), config={**_SAFE, **config}))


def session() -> duckdb.DuckDBPyConnection:
    """Open a connection to the one database in memory that this process's queries share.

    Its temporary views are its own. A database for each query would cost more than most queries do, and would read the
    footers of the same files again.
    """
    global _shared
    with _sharing:
        if _shared is None:
            _shared = duckdb.connect(":memory:", config=dict(_SAFE))
            _shared.execute("SET GLOBAL parquet_metadata_cache = true")
        return _quiet(_shared.cursor())


Views: TypeAlias = dict[str, str]  # the SQL of each temporary view that a connection has, by its name


@contextmanager
def kept() -> Iterator[tuple[duckdb.DuckDBPyConnection, Views]]:
    """Give a :func:`session` that goes on to the next query, with the views that it has from those before.

    To make a view anew costs as much as most queries. A session whose query failed, or was left before its last row, is
    closed.
    """
    try:
        con, views = _idle.pop()
    except IndexError:
        con, views = session(), {}
    try:
        yield con, views
    except BaseException:
        con.close()
        raise
    if len(_idle) < _IDLE:
        _idle.append((con, views))
    else:
        con.close()


_IDLE = 8  # sessions that wait for a query, at most
_idle: list[tuple[duckdb.DuckDBPyConnection, Views]] = []
_shared: duckdb.DuckDBPyConnection | None = None
_sharing = threading.Lock()
_inherited: list[duckdb.DuckDBPyConnection] = []


def _start_anew() -> None:
    """Let a forked child open a database of its own: the threads that work in its parent's were not forked.

    The parent's is kept, since to close it is to wait for those threads.
    """
    global _idle, _shared, _sharing
    if _shared is not None:
        _inherited.extend([_shared, *(con for con, _ in _idle)])
    _idle, _shared, _sharing = [], None, threading.Lock()


os.register_at_fork(after_in_child=_start_anew)


def _quiet(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    con.execute("SET enable_progress_bar = false")
    con.execute("SET TimeZone = 'UTC'")  # a time without a zone means the same on every machine
    return con


def lock(con: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> None:
    """Take away everything but reading ``files``, for the rest of the connection's life."""
    allowed = [name for file in files for name in {str(file), pattern(file)}]
    con.execute(f"SET allowed_paths = {literal(allowed)}")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def pattern(file: Path) -> str:
    """Return a file's path as a glob pattern that matches only it: DuckDB takes every path for a pattern."""
    return glob.escape(str(file))


def literal(value: str | list[str]) -> str:
    """Return the SQL literal of a string or a list of strings, for the places where DuckDB takes no parameter."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "[" + ", ".join(literal(item) for item in value) + "]"


def identifier(name: str) -> str:
    """Return the SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def type_name(kind: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type that the schema's columns have.

    Raises:
        KeyError: A type that no column has had yet.
    """
    if pa.types.is_list(kind):
        return f"{type_name(kind.value_type)}[]"
    return _TYPES[kind]
