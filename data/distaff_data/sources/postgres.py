"""Rows of a PostgreSQL database: one read-only transaction, a cursor on the server, batches of bounded memory.

The password comes from ``PGPASSWORD`` or ``~/.pgpass``, as for every client of PostgreSQL.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from distaff_data.errors import InputError, UnknownNameError, first_line
from distaff_data.sources.address import Address
from distaff_data.sources.spool import ROWS
from distaff_data.sources.watermark import Since

if TYPE_CHECKING:
    import psycopg

_WAIT = 20  # seconds for a connection
_NUMERIC, _BYTES = 1700, 17
_EXACT = 2**53  # whole numbers beyond have no floating-point number of their own
_TYPES = {  # by the object ids of PostgreSQL's own types, which never change
    **dict.fromkeys((20, 21, 23, 26), pa.int64()),
    **dict.fromkeys((700, 701), pa.float64()),
    **dict.fromkeys((1005, 1007, 1016), pa.list_(pa.int64())),
    **dict.fromkeys((1021, 1022), pa.list_(pa.float64())),
    **dict.fromkeys((1002, 1009, 1014, 1015), pa.list_(pa.string())),
    16: pa.bool_(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
}


@contextmanager
def rows(address: Address, query: str, since: Since | None) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Give the columns and the rows that a statement selects, while the block lasts.

    Raises:
        InputError: The server cannot be reached or refuses, or the statement is no SELECT that it can answer.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise InputError("PostgreSQL needs psycopg; install with: pip install 'distaff[postgres]'")
    import psycopg

    try:
        with psycopg.connect(address.text, connect_timeout=_WAIT, application_name="distaff") as con:
            statement = _begin(con, query, since)
            with con.cursor("distaff") as cursor:
                cursor.itersize = ROWS
                cursor.execute(statement.encode())  # as it stands: a percent sign in it is no parameter
                columns = cursor.description or []
                if since is not None and since.column not in (names := [column.name for column in columns]):
                    raise UnknownNameError("column", since.column, names)
                schema = pa.schema([(column.name, _type(column, address)) for column in columns])
                cells = [_cell(column.type_code, kind) for column, kind in zip(columns, schema.types, strict=True)]
                yield schema, _batches(cursor, schema, cells)
            con.rollback()
    except (psycopg.Error, UnicodeError) as error:
        raise _refused(address, error) from None


def _begin(con: psycopg.Connection[tuple[Any, ...]], query: str, since: Since | None) -> str:
    """Begin a transaction that cannot write; returns the statement to run in it."""
    import psycopg
    from psycopg import sql

    con.read_only, con.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
    # A statement that ends the transaction would begin others, which may write as little.
    con.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    con.execute("SET TIME ZONE 'UTC'")
    statement = query.strip().rstrip(";")
    if since is None or since.mark is None:
        return statement
    by_bytes = sql.SQL(' COLLATE "C"' if isinstance(since.mark.value, str) else "")  # as the mark was found
    where = sql.SQL("{0}{1} >= {2} OR {0} IS NULL").format(
        sql.Identifier(since.column), by_bytes, sql.Literal(since.mark.value)
    )
    return f"SELECT * FROM ({statement}\n) AS source WHERE {where.as_string(con)}"


def _type(column: psycopg.Column, address: Address) -> pa.DataType:
    """Return the Arrow type of a column; what has none is text."""
    if column.type_code == _BYTES:
        raise InputError(
            "the column holds bytes; leave it out, or select encode() of it", path=address.shown, column=column.name
        )
    if column.type_code == _NUMERIC:
        whole = column.precision is not None and column.precision <= 38 and column.scale == 0
        return pa.decimal128(38, 0) if whole else pa.float64()
    return _TYPES.get(column.type_code, pa.string())


def _cell(code: int, kind: pa.DataType) -> Callable[[Any], Any] | None:
    """Return what makes a value of a column one of its type; None where it is."""
    if code == _NUMERIC and pa.types.is_floating(kind):
        return _real
    return _text if pa.types.is_string(kind) else None


def _real(value: Any) -> float | None:
    if value is None:
        return None
    if abs(value) > _EXACT and value == value // 1:
        raise InputError(f"{value} is too large a whole number for numeric; cast it to bigint or text in the query")
    return float(value)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value) if _is_json(value) else str(value)


def _is_json(value: Any) -> bool:
    return isinstance(value, dict | list | bool | int | float)


def _batches(
    cursor: psycopg.ServerCursor[tuple[Any, ...]], schema: pa.Schema, cells: Sequence[Callable[[Any], Any] | None]
) -> Iterator[pa.RecordBatch]:
    while found := cursor.fetchmany(ROWS):
        columns = zip(zip(*found, strict=True), cells, schema.types, strict=True)
        arrays = [pa.array(values if cell is None else map(cell, values), kind) for values, cell, kind in columns]
        yield pa.record_batch(arrays, schema=schema)


def _refused(address: Address, error: Exception) -> InputError:
    """Return the server's or the driver's message, in a line and without the password."""
    reason = first_line(error)
    if password := os.environ.get("PGPASSWORD"):
        reason = reason.replace(password, "***")
    return InputError(f"the database cannot be read: {reason}", path=address.shown)
