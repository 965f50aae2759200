"""Changes of a system, such as deployments, from a CSV file: when, of which entity, and what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from distaff_data.errors import InputError, first_line
from distaff_data.ingest.frames import seconds_of

_COLUMNS = ("time", "entity", "what")


@dataclass(frozen=True)
class SystemChange:
    """One change.

    Attributes:
        time: When, in seconds.
        entity: Of which entity.
        what: In words.
    """

    time: float
    entity: str
    what: str


def read_changes(path: str | Path) -> tuple[SystemChange, ...]:
    """Return the changes in a file with the columns time, entity and what, by time.

    Raises:
        InputError: The file cannot be read, lacks a column, or a time is missing or is none.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no file of changes {str(file)!r}", column="changes")
    made = file.stat()
    return _read(file, (made.st_mtime_ns, made.st_size))


@lru_cache(maxsize=4)  # each incident of a run asks anew
def _read(file: Path, state: tuple[int, int]) -> tuple[SystemChange, ...]:
    """Return the changes in a file as long as it is in this state."""
    try:
        table = pl.read_csv(file, schema_overrides={"entity": pl.String, "what": pl.String})
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name} is no CSV file: {first_line(error)}", column="changes") from error
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        has = ", ".join(table.columns)
        raise InputError(f"{file.name} lacks the column {', '.join(missing)}; it has {has}", column="changes")
    times = seconds_of(table["time"])
    entities, words = (table[name].fill_null("").to_list() for name in ("entity", "what"))
    changes = (
        SystemChange(float(time), entity, what) for time, entity, what in zip(times, entities, words, strict=True)
    )
    return tuple(sorted(changes, key=lambda change: (change.time, change.entity)))
