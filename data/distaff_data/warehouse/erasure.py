"""Removal of rows for good: from every generation, and from the older versions that a Delta table keeps.

A Delta table forgets nothing by itself: a deleted row stays in its old file, and ids stay in the log, which notes the
least and greatest value of each file and the condition of each deletion. So rows are taken out by rewriting whole
generations under a condition that names only those; then the old files go, and the log up to a fresh checkpoint.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import duckdb
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError

from distaff_data.schema import Table
from distaff_data.warehouse import engine
from distaff_data.warehouse import query as reading
from distaff_data.warehouse.places import Place, scan

T = TypeVar("T")

_ATTEMPTS = 20
_PAUSE = 0.2  # seconds between attempts, at most: two writers that lost to each other do not meet again
_HALF_WRITTEN = 3600.0  # seconds after which a file that cannot be read has no writer any more
_LOG_KEPT = "delta.logRetentionDuration"
_USUAL = "interval 30 days"  # Delta's default


def erase(place: Place, table: Table, condition: str, params: Sequence[object]) -> int:
    """Erase as :meth:`distaff_data.warehouse.Warehouse.erase` says, again when somebody writes at the same moment."""
    return insist(lambda: _erase(place, table, condition, params))


def insist(commit: Callable[[], T]) -> T:
    """Try a commit again while Delta refuses it because rows went away or came meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return commit()
        except CommitFailedError:
            time.sleep(random.uniform(0.0, _PAUSE))
    return commit()


def expunge(place: Place, table: Table, condition: str, params: Sequence[object]) -> int:
    """Expunge as :meth:`distaff_data.warehouse.Warehouse.expunge` says."""
    if place.untouched(table.name):
        return 0
    delta = place.delta(table.name)
    if delta.version() == 0:  # no row was ever committed
        return _remove_strays(place, table, condition, params)
    gone = len(delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False))
    gone += _remove_strays(place, table, condition, params)
    delta.update_incremental()
    delta.alter.set_table_properties({_LOG_KEPT: "interval 0 seconds"})
    delta.update_incremental()
    delta.create_checkpoint()
    delta.cleanup_metadata()
    delta.update_incremental()
    delta.alter.set_table_properties({_LOG_KEPT: _USUAL})
    return gone


def keep_newest(place: Place, table: Table) -> int:
    """Keep newest as :meth:`distaff_data.warehouse.Warehouse.keep_newest` says."""
    gone = insist(lambda: _keep_newest(place, table))
    expunge(place, table, "false", [])
    return gone


def _remove_strays(place: Place, table: Table, condition: str, params: Sequence[object]) -> int:
    """Remove files that no version of the table needs, and that hold such rows.

    A writer that was killed leaves files that were never committed, and vacuuming leaves those, since a writer that is alive
    has some too. So they are looked into; one that cannot be read is half written, and goes when it is old. In an object
    store they are not looked into: all go when they are old.
    """
    if place.is_remote:
        hours = math.ceil(_HALF_WRITTEN / 3600)
        delta = place.delta(table.name)
        return len(delta.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False, full=True))
    # Before the version: what is committed meanwhile is in that.
    files = list(Path(place.at(table.name)).glob("*.parquet"))
    needed = set(place.files(table.name))
    strays = [file for file in files if file not in needed and _holds(table, file, condition, params)]
    for file in strays:
        file.unlink(missing_ok=True)
    return len(strays)


def _holds(table: Table, file: Path, condition: str, params: Sequence[object]) -> bool:
    with engine.connect() as con:
        try:
            rows = reading.rows_of(con, table, scan([file]))
            return con.execute(f"SELECT 1 FROM {rows} WHERE {condition} LIMIT 1", list(params)).fetchone() is not None
        except duckdb.Error:
            return file.exists() and time.time() - file.stat().st_mtime > _HALF_WRITTEN


def _erase(place: Place, table: Table, condition: str, params: Sequence[object]) -> int:
    if place.untouched(table.name):
        return 0
    delta = place.delta(table.name)  # the version that is read is the one that is replaced
    with engine.session() as con, reading.whole(place, [table.name]):
        stored, _ = place.rows(con, table.name)
        if stored is None:
            return 0
        rows = reading.rows_of(con, table, stored)
        counts = con.execute(
            f"SELECT generation, count(*) FROM {rows} WHERE {condition} GROUP BY generation", list(params)
        ).fetchall()
        if not counts:
            return 0
        named = ", ".join(engine.literal(str(generation)) for generation, _ in counts)
        kept = con.sql(
            f"SELECT * FROM {rows} WHERE generation IN ({named}) AND ({condition}) IS NOT TRUE", params=list(params)
        ).to_arrow_reader(262_144)
        write_deltalake(delta, kept.cast(table.arrow), mode="overwrite", predicate=f"generation IN ({named})")
    return sum(int(count) for _, count in counts)


def _keep_newest(place: Place, table: Table) -> int:
    delta = place.delta(table.name)  # the version that is read is the one that is replaced
    with engine.session() as con, reading.whole(place, [table.name]):
        stored, _ = place.rows(con, table.name)
        reading.rows_of(con, table, stored)
        con.execute(f"CREATE TEMP VIEW newest AS {reading.view(table, stored)}")
        sql = "SELECT (SELECT count(*) FROM every_row) - (SELECT count(*) FROM newest)"
        ((replaced,),) = con.execute(sql).fetchall()
        if replaced:
            kept = con.sql("SELECT * FROM newest").to_arrow_table().cast(table.arrow)
            write_deltalake(delta, kept, mode="overwrite")
    return int(replaced)
