"""Rows of an SQLite database, opened for reading alone.

A column of SQLite may hold values of any type, so the statement is run twice in one transaction: to see which types each
column holds, and to read it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from distaff_data.errors import InputError, first_line
from distaff_data.sources.address import Address
from distaff_data.sources.spool import ROWS
from distaff_data.sources.watermark import Since

_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_EXACT = 2**53  # whole numbers beyond have no floating-point number of their own
_STEPS = 100_000  # of SQLite's machine after which Ctrl-C is heard


@contextmanager
def rows(address: Address, query: str, since: Since | None) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Give the columns and the rows that a statement selects, while the block lasts.

    Raises:
        InputError: The file is no database, or the statement is no SELECT that it can answer.
    """
    uri = f"file:{quote(str(Path(address.text).resolve()))}?mode=ro"
    statement = query.strip().rstrip(";")
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as con:
            con.set_progress_handler(lambda: 0, _STEPS)
            con.execute("PRAGMA query_only = ON")
            con.execute("BEGIN")
            con.set_authorizer(_only_reading)
            names = _names(con, statement)
            where, values = "", []
            if since is not None and since.mark is not None:
                cell = _quoted(since.column)
                where, values = f" WHERE {cell} COLLATE BINARY >= ? OR {cell} IS NULL", [_plain(since.mark.value)]
            source = f"FROM ({statement}\n){where}"
            schema = pa.schema([(name, _type(con, name, source, values, address)) for name in names])
            yield schema, _batches(con.execute(f"SELECT {', '.join(map(_quoted, names))} {source}", values), schema)
    except (sqlite3.Error, UnicodeError) as error:  # names that are no UTF-8 are met by the module, not by SQLite
        raise _refused(address, error) from None


def _only_reading(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY


def _names(con: sqlite3.Connection, statement: str) -> list[str]:
    with closing(con.execute(f"SELECT * FROM ({statement}\n) LIMIT 0")) as cursor:
        return [str(column[0]) for column in cursor.description]


def _type(con: sqlite3.Connection, name: str, source: str, values: Sequence[object], address: Address) -> pa.DataType:
    """Return the narrowest type that holds every value of a column."""
    cell = _quoted(name)
    kinds = ", ".join(f"max(typeof({cell}) = '{kind}')" for kind in ("integer", "real", "text", "blob"))
    far = f"max(typeof({cell}) = 'integer' AND ({cell} > {_EXACT} OR {cell} < -{_EXACT}))"
    whole, real, text, blob, beyond = con.execute(f"SELECT {kinds}, {far} {source}", values).fetchone()
    if blob:
        raise InputError("the column holds bytes; leave it out, or select hex() of it", path=address.shown, column=name)
    if text:
        return pa.string()
    if real and beyond:
        raise InputError(
            "the column mixes fractions with whole numbers too large for them; CAST it", path=address.shown, column=name
        )
    return pa.float64() if real else pa.int64() if whole else pa.string()


def _batches(cursor: sqlite3.Cursor, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while found := cursor.fetchmany(ROWS):
        columns = zip(zip(*found, strict=True), schema.types, strict=True)
        yield pa.record_batch([_column(values, kind) for values, kind in columns], schema=schema)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return values as a column of a type that holds them all: numbers among texts become texts."""
    if pa.types.is_string(kind):
        values = [value if value is None or isinstance(value, str) else str(value) for value in values]
    elif pa.types.is_floating(kind):
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, kind)


def _plain(value: object) -> object:
    """Return a mark as SQLite has it, which knows no dates."""
    return value if isinstance(value, int | float | str) else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refused(address: Address, error: Exception) -> InputError:
    hint = "; give one SELECT, which only reads" if "not authorized" in str(error) or "prohibited" in str(error) else ""
    return InputError(f"the database cannot be read: {first_line(error)}{hint}", path=address.shown)
