"""Damage of the tables' files: found by opening every one, told in a line, and set aside on request.

A data file that is lost takes rows of a generation with it, and a generation is shown whole or not at all: so what is
published and may have lost rows is dropped, and the line says what made it. Nothing is deleted: files go to
the folder ``.damaged``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from distaff_data.errors import DamagedError, DistaffError, first_line
from distaff_data.schema import TABLES, Table

_LOG = "_delta_log"
_HINT = "_last_checkpoint"
_PANIC = "PanicException"  # of delta-rs; it is no Exception, and has no name to import
SEE = "see: distaff doctor"


@dataclass(frozen=True)
class Damage:
    """A file of a table that is damaged or missing.

    Attributes:
        table: The table.
        file: The file.
        problem: What is wrong.
        kind: ``log``, ``first`` (the log's first entry, which holds nothing but the schema), ``hint`` (which Delta does
            without), ``data``, or ``table`` where it is missing as a whole.
        generations: Of a data file: the least and the greatest generation in it.
        reparable: True where the table is whole without the file, but for what stood in it.
    """

    table: str
    file: Path
    problem: str
    kind: str
    generations: tuple[str, str] | None = None
    reparable: bool = True


@contextmanager
def explained(table: str) -> Iterator[None]:
    """Turn what delta-rs and Arrow say about a table's files into one line.

    Raises:
        DamagedError: They said something.
        DistaffError: Somebody else wrote at the same moment.
    """
    try:
        yield
    except CommitFailedError as error:
        raise DistaffError(f"rows of {table} were taken out meanwhile; do the same again") from error
    except TableNotFoundError:
        raise DamagedError(f"table {table} is missing; {SEE}") from None
    except (DeltaError, pa.ArrowException) as error:
        raise DamagedError(f"table {table} cannot be read or written: {first_line(error)[:200]}; {SEE}") from None
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise DamagedError(f"table {table} cannot be read: its files are damaged; {SEE}") from None


def examine(folder: Path, table: str) -> list[Damage]:
    """Return what is wrong with the files of a table in a folder: of its log, and of its rows, each of which is read."""
    if not (folder / _LOG).is_dir():
        return [Damage(table, folder, "the table is missing", "table")]
    found = list(_of_log(folder / _LOG, table))
    try:
        with explained(table):
            delta = DeltaTable(str(folder))
            added = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    except (DamagedError, OSError) as error:
        return found or [Damage(table, folder / _LOG, first_line(error), "log", reparable=False)]
    return found + [damage for row in added if (damage := _of_rows(folder, table, row)) is not None]


def of_remote(location: str, table: str) -> Damage | None:
    """Return the damage of a table in an object store, whose files are read by delta-rs; None where it is whole."""
    try:
        with explained(table):
            for _ in DeltaTable(location).to_pyarrow_dataset().to_batches():
                pass
    except (DamagedError, OSError) as error:
        return Damage(table, Path(location), first_line(error), "log", reparable=False)
    return None


def first_damaged(folder: Path, tables: Iterable[str]) -> Damage | None:
    """Return the first file of some tables that is damaged; None where all can be read."""
    return next((damage for table in tables for damage in examine(folder / table, table)), None)


def set_aside(damage: Damage, folder: Path) -> None:
    """Move a damaged file out of the way, into ``folder``, and take it out of its table where it held rows.

    Raises:
        DamagedError: The table cannot be read without it.
    """
    if damage.file.is_file():
        place = folder / damage.table
        place.mkdir(parents=True, exist_ok=True)
        damage.file.rename(place / damage.file.name)
    if damage.kind == "first" and any(damage.file.parent.glob("*.json")):
        _write_first(damage.file, TABLES[damage.table])
    if damage.kind == "data":
        with explained(damage.table):
            DeltaTable(str(damage.file.parent)).repair(dry_run=False)


def _write_first(entry: Path, table: Table) -> None:
    """Write the first entry of a table's log anew, as every table's is when it is made."""
    with tempfile.TemporaryDirectory(dir=entry.parents[1]) as folder:
        DeltaTable.create(folder, schema=table.arrow)
        (Path(folder) / _LOG / entry.name).replace(entry)


def _of_log(log: Path, table: str) -> Iterator[Damage]:
    entries = {int(file.stem): file for file in log.glob("*.json") if file.stem.isdigit()}
    whole: list[int] = []
    for file in sorted(log.glob("*.checkpoint*.parquet")):
        if (problem := _unreadable(file)) is None:
            whole.append(int(file.name.partition(".")[0]))
        else:
            start = max(whole, default=-1) + 1
            last = int(file.name.partition(".")[0])
            yield Damage(table, file, problem, "hint", reparable=set(range(start, last + 1)) <= entries.keys())
    for version, file in sorted(entries.items()):
        if (problem := _torn(file)) is not None:
            needless = version <= max(whole, default=-1)
            kind = "hint" if needless else "first" if version == 0 else "log"
            yield Damage(table, file, problem, kind, reparable=needless or version in (0, max(entries)))
    hint = log / _HINT
    if hint.is_file() and _torn(hint) is not None:
        yield Damage(table, hint, "the file is not JSON", "hint")


def _torn(file: Path) -> str | None:
    try:
        lines = [json.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return "the file is not JSON"
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    return None if lines and all(isinstance(line, dict) for line in lines) else "the file is empty or cut off"


def _of_rows(folder: Path, table: str, added: dict[str, object]) -> Damage | None:
    """Return the damage of a data file that a table's log names; None where every row of it can be read."""
    file = folder / str(added["path"])
    least, greatest = added.get("min.generation"), added.get("max.generation")
    generations = (str(least), str(greatest)) if least is not None and greatest is not None else None
    if not file.is_file():
        problem: str | None = "the file is missing"
    elif file.stat().st_size != added["size_bytes"]:
        problem = f"the file has {file.stat().st_size} bytes and was written with {added['size_bytes']}"
    else:
        problem = _unreadable(file)
    return None if problem is None else Damage(table, file, problem, "data", generations)


def _unreadable(file: Path) -> str | None:
    """Return why a Parquet file cannot be read to its end; None if it can."""
    try:
        with pq.ParquetFile(file) as opened:
            rows = sum(batch.num_rows for batch in opened.iter_batches(65_536))
            expected = opened.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError, UnicodeDecodeError, MemoryError, OverflowError) as error:
        return f"the file cannot be read: {first_line(error)[:120]}"
    return None if rows == expected else f"the file has {rows} rows of {expected}"
