"""Places of a warehouse's tables: a folder, or a prefix of an object store such as ``s3://bucket/prefix``.

Both have the same layout. Of a folder DuckDB reads the files; of an object store delta-rs does, as Arrow batches that
DuckDB takes in, so that DuckDB needs no way out and holds no secret. Credentials and the server come from the environment
alone (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL`` and so on), where delta-rs
finds them; nothing here reads, stores or prints them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from distaff_data.atomic import replacing
from distaff_data.errors import DamagedError, InputError, first_line
from distaff_data.schema import Table
from distaff_data.warehouse import damage, engine, handles

SCHEMES = ("s3://",)
_VERSION_FILE = "schema.json"
_NEWEST = "max.written_at"
_FIRST = "00000000000000000000.json"  # the commit that makes a table
_NOTED_ON, _PROPERTY = "publications", "distaff.schema"  # where there are no files but those of tables


def is_remote(location: str) -> bool:
    """Tell whether a location is in an object store.

    Raises:
        InputError: It is a URL, but none that is known, or one with a password in it.
    """
    if "://" not in location:
        return False
    if "@" in location.partition("://")[2].partition("/")[0]:
        raise InputError("credentials come from the environment (AWS_ACCESS_KEY_ID, ...), not from the warehouse's URL")
    if not location.startswith(SCHEMES):
        raise InputError(f"a warehouse lies in a folder or under {' or '.join(SCHEMES)}bucket/prefix", value=location)
    return True


@dataclass(frozen=True)
class Place:
    """Tables under a folder or a URL.

    Attributes:
        location: The folder's path, or the URL.
    """

    location: str

    def at(self, table: str) -> str:
        """Return the path or URL of a table."""
        return f"{self.location.rstrip('/')}/{table}"

    def delta(self, table: str) -> DeltaTable:
        """Return a table as it stands now.

        Raises:
            DamagedError: It is damaged or missing.
        """
        with damage.explained(table):
            return DeltaTable(self.at(table))

    @contextmanager
    def opened(self, table: str) -> Iterator[DeltaTable]:
        """Give a table as it stands now while the block lasts; one in a folder is kept for the next, unless that failed.

        Raises:
            DamagedError: It is damaged or missing.
        """
        if self.is_remote:
            yield self.delta(table)
            return
        folder = Path(self.at(table))
        with damage.explained(table):
            delta = handles.take(folder)
        yield delta
        handles.keep(folder, delta)

    def untouched(self, table: str) -> bool:
        """Tell whether nothing was ever committed to a table in a folder since it was made, nor left beside it."""
        if self.is_remote:
            return False
        folder = Path(self.at(table))
        if next(folder.glob("*.parquet"), None) is not None:
            return False
        return [file.name for file in folder.glob("_delta_log/*")] == [_FIRST]

    def create(self, table: Table) -> DeltaTable:
        """Return a table, which is made if it is missing.

        Raises:
            InputError: The object store cannot be reached, or refuses.
        """
        if not self.is_remote:
            with damage.explained(table.name):
                return DeltaTable.create(self.at(table.name), schema=table.arrow, mode="ignore")
        try:
            return DeltaTable.create(self.at(table.name), schema=table.arrow, mode="ignore")
        except (DeltaError, OSError) as error:
            raise InputError(f"cannot write to {self.location}: {first_line(error)}") from None

    def rows(self, con: duckdb.DuckDBPyConnection, table: str) -> tuple[str | None, list[Path]]:
        """Return a relation of every row of a table as it stands now, on a connection.

        Returns:
            Its SQL, None when there are no rows; and the files that DuckDB itself will read.
        """
        if not self.is_remote:
            files = self.files(table)
            return (scan(files), files) if files else (None, [])
        delta = self.delta(table)
        if not delta.file_uris():
            return None, []
        relation = f"_stored_{table}"
        con.register(relation, delta.to_pyarrow_dataset())
        return engine.identifier(relation), []

    def files(self, table: str) -> list[Path]:
        """Return a table's current files in a folder. Delta gives URIs, in which the folder's spaces are escaped."""
        folder = Path(self.at(table))
        log = folder / "_delta_log"
        if not log.is_dir():
            return _files_of(folder, self.delta(table))
        made = log.stat()
        with os.scandir(log) as found:
            entries = tuple(sorted((entry.name, entry.stat().st_size) for entry in found if entry.is_file()))
        if [name for name, _ in entries] == [_FIRST] and _has_no_rows(log / _FIRST):
            return []  # most tables of most workspaces
        with damage.explained(table):
            return list(_listed(folder, entries, (made.st_dev, made.st_ino, made.st_mtime_ns)))

    @property
    def version(self) -> int | None:
        """Version of the schema that the tables have; None when there is no warehouse here."""
        if not self.is_remote:
            return _version_in(self.version_file)
        try:
            if not DeltaTable.is_deltatable(self.at(_NOTED_ON)):
                return None
            noted = self.delta(_NOTED_ON).metadata().configuration.get(_PROPERTY)
        except (DeltaError, OSError) as error:
            raise InputError(f"cannot read {self.location}: {first_line(error)}") from None
        return None if noted is None else int(noted)

    def set_version(self, version: int) -> None:
        """Note the version of the schema."""
        if self.is_remote:
            noted = {_PROPERTY: str(version)}
            self.delta(_NOTED_ON).alter.set_table_properties(noted, raise_if_not_exists=False)
            return
        with replacing(Path(self.location) / _VERSION_FILE) as temporary:
            temporary.write_text(json.dumps({"version": version}))

    @property
    def version_file(self) -> Path:
        """The file that says the version, of tables in a folder."""
        return Path(self.location) / _VERSION_FILE

    @cached_property
    def is_remote(self) -> bool:
        """True where the tables are in an object store."""
        return is_remote(self.location)


def newest(log: DeltaTable) -> datetime | None:
    """Return a moment that no row of a log was written after; None where it has no rows.

    It is read off the statistics of the files, which Delta cuts off to milliseconds.
    """
    files = pa.table(log.get_add_actions(flatten=True))
    found = pc.max(files[_NEWEST]).as_py() if _NEWEST in files.column_names else None
    return None if found is None else found + timedelta(milliseconds=1)


@lru_cache(maxsize=256)
def _listed(folder: Path, entries: tuple[tuple[str, int], ...], made: tuple[int, int, int]) -> tuple[Path, ...]:
    """Return the files that a table's log lists, as long as the log has the same entries and is the same folder.

    Reading a log costs more than most queries. Should it grow while it is read, its newer files are kept for the older
    entries: a reader may see what was committed after it asked, never what was replaced before.
    """
    delta = handles.take(folder)
    files = tuple(_files_of(folder, delta))
    handles.keep(folder, delta)
    return files


def _has_no_rows(commit: Path) -> bool:
    """Tell whether the commit that made a table is whole and put nothing into it."""
    try:
        actions = {action for line in commit.read_bytes().splitlines() for action in json.loads(line)}
    except (ValueError, TypeError, RecursionError):  # the table's own reader says what is wrong
        return False
    return actions >= {"metaData", "protocol"} and "add" not in actions


def _files_of(folder: Path, delta: DeltaTable) -> list[Path]:
    return [folder / PurePosixPath(uri).name for uri in delta.file_uris()]


def _version_in(file: Path) -> int | None:
    if not file.exists():
        return None
    try:
        return int(json.loads(file.read_bytes())["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedError(f"{file}: the file is damaged; distaff doctor --fix writes it anew") from None


def scan(files: list[Path]) -> str:
    """Return the SQL of the rows in files."""
    return f"read_parquet({engine.literal([engine.pattern(file) for file in files])}, union_by_name = true)"
