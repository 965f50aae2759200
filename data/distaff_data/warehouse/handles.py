"""Delta tables that were opened, kept for the next call: to read on in a log costs a twentieth of reading it anew.

A table goes to one caller at a time, since each call moves it on: who erases must replace the very version that it read.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import TypeAlias

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

_Log: TypeAlias = "frozenset[tuple[str, int, int]]"  # name, size and time of each commit
_COMMIT = re.compile(r"\d{20}\.json")
_MOST = 128  # tables that wait, at most


def take(folder: Path) -> DeltaTable:
    """Return the table in a folder as it stands now, for this caller alone."""
    table = _waiting_in(str(folder))
    return DeltaTable(str(folder)) if table is None else table


def keep(folder: Path, table: DeltaTable) -> None:
    """Keep a table for the next caller. One whose commit failed is not to be kept."""
    log = _log_of(str(folder))
    with _keeping:
        _waiting[str(folder)] = log, table
        while len(_waiting) > _MOST:
            del _waiting[next(iter(_waiting))]


_keeping = threading.Lock()
_waiting: dict[str, tuple[_Log, DeltaTable]] = {}


def _waiting_in(folder: str) -> DeltaTable | None:
    """Return a table that waits, with what was committed since; None if a commit that it may have read is another now."""
    with _keeping:
        log, table = _waiting.pop(folder, (None, None))
    if log is None or table is None or not log <= _log_of(folder):
        return None
    try:
        table.update_incremental()
    except (DeltaError, OSError):  # opening it says what is wrong
        return None
    return table


def _log_of(folder: str) -> _Log:
    """Return the commits that a table's log has; none where there is no log."""
    try:
        with os.scandir(f"{folder}/_delta_log") as entries:
            commits = [(entry.name, entry.stat()) for entry in entries if _COMMIT.fullmatch(entry.name)]
    except FileNotFoundError:
        return frozenset()
    return frozenset((name, status.st_size, status.st_mtime_ns) for name, status in commits)
