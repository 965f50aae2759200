"""DuckDB connections as this project uses them: private, silent, with nothing loaded or found by accident."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

# Replacement scans would let a query see the caller's local variables; extensions would reach for the network.
_SAFE: Mapping[str, str | bool | int] = {
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def connect(database: str | Path = ":memory:", **config: str | bool | int) -> duckdb.DuckDBPyConnection:
    """Open a connection of its own; ``config`` adds DuckDB settings."""
    con = duckdb.connect(str(database), config={**_SAFE, **config})
    con.execute("SET enable_progress_bar = false")
    con.execute("SET TimeZone = 'UTC'")  # a time without a zone means the same on every machine
    return con


def lock(con: duckdb.DuckDBPyConnection, allowed_paths: list[str]) -> None:
    """Take away everything but reading ``allowed_paths``, for the rest of the connection's life."""
    con.execute(f"SET allowed_paths = {literal(allowed_paths)}")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def literal(value: str | list[str]) -> str:
    """SQL literal of a string or a list of strings, for the places where DuckDB takes no parameter."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "[" + ", ".join(literal(item) for item in value) + "]"


def identifier(name: str) -> str:
    """SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'
