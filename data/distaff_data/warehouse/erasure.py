"""Taking rows out for good: out of every generation, and out of the older versions that a Delta table keeps.

A Delta table forgets nothing by itself: a deleted row stays in its old file, and ids stay in the log, which notes the
least and greatest value of each file and the condition of each deletion. So rows are taken out by rewriting whole
generations under a condition that names only those; then the old files go, and the log up to a fresh checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from distaff_data.schema import Table
from distaff_data.warehouse import engine
from distaff_data.warehouse import query as reading

_ATTEMPTS = 20
_LOG_KEPT = "delta.logRetentionDuration"
_USUAL = "interval 30 days"  # Delta's default


def erase(root: Path, table: Table, condition: str, params: Sequence[object]) -> int:
    """See :meth:`distaff_data.warehouse.Warehouse.erase`; tried again when somebody else writes at the same moment."""
    for attempt in range(_ATTEMPTS):
        try:
            return _erase(root, table, condition, params)
        except CommitFailedError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def expunge(root: Path, table: Table) -> int:
    """See :meth:`distaff_data.warehouse.Warehouse.expunge`."""
    folder = root / table.name
    gone = DeltaTable(folder).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    DeltaTable(folder).alter.set_table_properties({_LOG_KEPT: "interval 0 seconds"})
    delta = DeltaTable(folder)
    delta.create_checkpoint()
    delta.cleanup_metadata()
    DeltaTable(folder).alter.set_table_properties({_LOG_KEPT: _USUAL})
    return len(gone)


def _erase(root: Path, table: Table, condition: str, params: Sequence[object]) -> int:
    delta = DeltaTable(root / table.name)  # the version that is read is the one that is replaced
    with engine.connect() as con:
        rows = reading.every_row(con, root, table)
        found = con.execute(
            f"SELECT generation, count(*) FROM {rows} WHERE {condition} GROUP BY generation", list(params)
        ).fetchall()
        if not found:
            return 0
        named = ", ".join(engine.literal(str(generation)) for generation, _ in found)
        kept = con.sql(
            f"SELECT * FROM {rows} WHERE generation IN ({named}) AND ({condition}) IS NOT TRUE", params=list(params)
        ).to_arrow_reader(262_144)
        write_deltalake(delta, kept.cast(table.arrow), mode="overwrite", predicate=f"generation IN ({named})")
    return sum(int(count) for _, count in found)
