"""Reading: each query sees the tables it names as views over the files that are current when it starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from distaff_data.errors import DamagedError
from distaff_data.schema import DELETED, TABLES, Table
from distaff_data.warehouse import damage, engine
from distaff_data.warehouse.places import Place

if TYPE_CHECKING:
    import polars as pl

_LIVE = TABLES["publications"]


def query(place: Place, sql: str, params: Sequence[object] = ()) -> pa.Table:
    """Run Distaff's own SQL over the warehouse at ``place``; user values go through ``params``."""
    with _opened(place, sql) as con:
        return con.sql(sql, params=list(params)).to_arrow_table()


def to_frame(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a polars frame on the same memory."""
    import polars as pl  # verbs that list a few rows do without

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def stream(place: Place, sql: str, params: Sequence[object], rows: int) -> Iterable[pa.RecordBatch]:
    """Yield the result of :func:`query` in batches of ``rows`` rows, in bounded memory."""
    with _opened(place, sql) as con:
        yield from con.sql(sql, params=list(params)).to_arrow_reader(rows)


@contextmanager
def _opened(place: Place, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection with the views of the tables that a statement names."""
    names = _named(sql)
    if place.is_remote:  # what delta-rs read for one query is let go with its connection
        with engine.session() as con, whole(place, names):
            open_views(con, place, names, {})
            yield con
        return
    with engine.kept() as (con, made), whole(place, names):
        open_views(con, place, names, made)
        yield con


@contextmanager
def whole(place: Place, tables: Iterable[str]) -> Iterator[None]:
    """Say in one line which file of the tables is damaged, where a query over them fails for that.

    Raises:
        DamagedError: One is.
    """
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError):
        found = None if place.is_remote else damage.first_damaged(Path(place.location), [_LIVE.name, *sorted(tables)])
        if found is None:
            raise
        raise DamagedError(f"{found.file}: {found.problem}; {damage.SEE}") from None


def rows_of(con: duckdb.DuckDBPyConnection, table: Table, stored: str | None) -> str:
    """Make a view of all rows of a table, live or not, on a connection; returns its name.

    ``stored`` is the relation that holds them, as :meth:`~distaff_data.warehouse.places.Place.rows` gives it.
    """
    con.execute(f"CREATE TEMP VIEW every_row AS {_rows(table, stored)}")
    return "every_row"


def ever(place: Place, table: Table, condition: str, params: Sequence[object]) -> pa.Table:
    """Return the rows of a log that meet a condition: as they are, or as they were before their deletion."""
    with engine.session() as con, whole(place, [table.name]):
        stored, _ = place.rows(con, table.name)
        con.execute(f"CREATE TEMP VIEW before_deletion AS {before_deletion(table, stored)}")
        return con.sql(f"SELECT * FROM before_deletion WHERE {condition}", params=list(params)).to_arrow_table()


def stores(place: Place, table: Table, condition: str, params: Sequence[object]) -> bool:
    """Tell whether a table has rows, live or not, that meet a condition."""
    with engine.session() as con, whole(place, [table.name]):
        rows = rows_of(con, table, place.rows(con, table.name)[0])
        return con.execute(f"SELECT 1 FROM {rows} WHERE {condition} LIMIT 1", list(params)).fetchone() is not None


def generations(place: Place, table: str) -> set[str]:
    """Return every generation with rows in a table, live or not."""
    with engine.session() as con:
        rows, _ = place.rows(con, table)
        if rows is None:
            return set()
        with whole(place, [table]):
            return {str(row[0]) for row in con.execute(f"SELECT DISTINCT generation FROM {rows}").fetchall()}


def _named(sql: str) -> set[str]:
    """Return the tables whose names occur in a statement; one view too many costs a millisecond."""
    return TABLES.keys() & set(re.findall(r"\w+", sql))


def open_views(con: duckdb.DuckDBPyConnection, place: Place, names: Iterable[str], made: engine.Views) -> list[Path]:
    """Make those views of ``names`` that are not ``made`` as they must be; returns the files that DuckDB reads.

    ``publications`` is resolved first. A generation's rows are appended before its publication, so the files resolved
    afterwards hold every row of each generation seen as live; the other way round a reader could meet half of one.
    """
    wanted = [_LIVE, *(TABLES[name] for name in sorted(names) if name != _LIVE.name)]
    files: list[Path] = []
    for table in wanted:
        stored, read = place.rows(con, table.name)
        files += read
        sql = view(table, stored)
        if made.get(table.name) != sql:
            con.execute(f"CREATE OR REPLACE TEMP VIEW {engine.identifier(table.name)} AS {sql}")
            made[table.name] = sql
    return files


def view(table: Table, stored: str | None) -> str:
    """Return the SQL of a table's view: of a log the newest row of each key, of a generation table what is live."""
    rows = _rows(table, stored)
    if table.key is None:
        return f"{rows} WHERE generation IN (SELECT generation FROM {_LIVE.name} WHERE generation IS NOT NULL)"
    newest = f"{rows} QUALIFY {_newest(table)}"
    return newest if table.state is None else f"SELECT * FROM ({newest}) WHERE {_present(table)}"


def before_deletion(table: Table, stored: str | None) -> str:
    """Return the SQL of the newest row of each key of a log that stands for no deletion, whatever came after it."""
    return f"{_rows(table, stored)} WHERE {_present(table)} QUALIFY {_newest(table)}"


def _newest(table: Table) -> str:
    assert table.key is not None
    return f"row_number() OVER (PARTITION BY {', '.join(table.key)} ORDER BY written_at DESC) = 1"


def _present(table: Table) -> str:
    return f"{engine.identifier(str(table.state))} IS DISTINCT FROM {engine.literal(DELETED)}"


def _rows(table: Table, stored: str | None) -> str:
    """Return the SQL of all stored rows of a table; a typed selection of no row fills in columns that older files lack."""
    columns = ", ".join(engine.identifier(column.name) for column in table.columns)
    typed = (f"CAST(NULL AS {engine.type_name(c.type)}) AS {engine.identifier(c.name)}" for c in table.columns)
    rows = f"SELECT {', '.join(typed)} WHERE false"
    if stored is not None:
        rows += f" UNION ALL BY NAME SELECT * FROM {stored}"
    return f"SELECT {columns} FROM ({rows})"
