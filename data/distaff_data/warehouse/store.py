"""Writing: appends to Delta tables, publications that appear whole, and the upkeep of both."""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import Schema, write_deltalake
from filelock import FileLock

from distaff_data.errors import DamagedError, InputError
from distaff_data.schema import DELETED, TABLES, VERSION, Table
from distaff_data.warehouse import damage, erasure
from distaff_data.warehouse import query as reading
from distaff_data.warehouse.damage import Damage
from distaff_data.warehouse.places import Place, newest
from distaff_data.warehouse.statements import Selection, select

if TYPE_CHECKING:
    import polars as pl

Rows: TypeAlias = "pa.Table | pa.RecordBatchReader | pl.DataFrame | Sequence[Mapping[str, object]]"

_COMMITTED = timedelta(hours=1)  # no append takes as long
_UNADDRESSABLE = frozenset("[]^|%")  # delta-rs 1.6 makes URLs of paths, and fails on these
_STAMP = "%Y%m%dT%H%M%S"  # begins every generation: its age can be read off, and file statistics sort by time


class Publication:
    """Rows of one generation on their way into the warehouse; invisible until published.

    Appends fill in the ``generation`` column. Obtained from :meth:`Warehouse.publish`.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self.generation = f"{datetime.now(UTC):{_STAMP}}-{uuid.uuid4().hex[:12]}"
        self.beside: dict[str, Publication] = {}
        self._warehouse = warehouse

    def append(self, table: str, rows: Rows, **constants: object) -> None:
        """Append rows to a generation table.

        Args:
            table: A generation table of the schema.
            rows: Columns by name, as Arrow, as a polars frame or as mappings; columns left out are NULL.
            constants: Columns with one value for all rows, such as ``dataset="ml-100k"``.
        """
        self._warehouse.append(table, rows, generation=self.generation, **constants)

    def target(self, name: str) -> Publication:
        """Return another target of the same commit, with a generation of its own.

        For rows that are replaced at other times than the block's: an item's attributes outlive the interactions.
        """
        return self.beside.setdefault(name, Publication(self._warehouse))


class Warehouse:
    """The tables of :mod:`distaff_data.schema`, shared by any number of processes.

    Readers never block and never see half a publication; writers only append, so they never conflict. An instance holds
    no open file and may be shared between threads. It does not survive ``fork``: start processes with ``spawn``.
    """

    def __init__(self, root: Path, location: str | None = None) -> None:
        self.root = root
        self._place = Place(str(root) if location is None else location)

    @property
    def location(self) -> str:
        """The place of the tables: :attr:`root`, or the URL of an object store."""
        return self._place.location

    @classmethod
    def create(cls, root: Path, location: str | None = None) -> Warehouse:
        """Make the tables that are missing and return the warehouse; one that exists is opened.

        Args:
            root: Folder of the locks, and of the tables unless they are elsewhere.
            location: URL of an object store's prefix where the tables are; see :mod:`distaff_data.warehouse.places`.

        Raises:
            InputError: The folder's path has a character that Delta cannot address, or the object store refuses.
        """
        place = Place(str(root) if location is None else location)
        if wrong := _UNADDRESSABLE & set(str(root.resolve())):
            raise InputError("a workspace cannot lie under a folder with this character", path=root, value=min(wrong))
        root.mkdir(parents=True, exist_ok=True)
        with _exclusive(root):
            if place.version is None:
                for table in TABLES.values():
                    place.create(table)
                place.set_version(VERSION)
        return cls.open(root, location)

    @classmethod
    def open(cls, root: Path, location: str | None = None) -> Warehouse:
        """Open an existing warehouse, bringing an older one up to this schema version.

        Raises:
            InputError: There is none, or a newer Distaff made it.
        """
        warehouse = cls(root, location)
        version = warehouse._place.version
        if version is None:
            raise InputError("there is no warehouse here; make one with: distaff init", path=warehouse.location)
        if version != VERSION:
            _migrate(root, warehouse._place)
        return warehouse

    def append(self, table: str, rows: Rows, **constants: object) -> None:
        """Append rows to a table in one commit; see :meth:`Publication.append`.

        Of a log the newest row of a key counts. So rows are dated after all that are there, whatever the clock says: one
        that was set back, or is another machine's, must not put what is written now behind what it replaces.
        """
        schema = TABLES[table].arrow
        if isinstance(rows, pa.RecordBatchReader):
            shaped = (_shape(pa.Table.from_batches([batch]), schema, constants) for batch in rows)
            stream = pa.RecordBatchReader.from_batches(schema, (b for t in shaped for b in t.to_batches()))
            with damage.explained(table), self._place.opened(table) as delta:
                write_deltalake(delta, stream, mode="append")
        else:
            framed = hasattr(rows, "__arrow_c_stream__")
            data = pa.table(rows) if framed else pa.Table.from_pylist(list(rows), schema=schema)
            data = _shape(data, schema, constants)
            with damage.explained(table):
                erasure.insist(lambda: _append(self._place, TABLES[table], data))

    @contextmanager
    def publish(self, *targets: str) -> Iterator[Publication]:
        """Write a new generation and make it the live one of each target, in one commit, when the block ends well.

        A block left by an exception, or by a killed process, changes nothing that a reader can see.
        """
        publication = Publication(self)
        yield publication
        beside = {target: other.generation for target, other in publication.beside.items()}
        self._point(dict.fromkeys(targets, publication.generation) | beside)

    def drop(self, *targets: str) -> None:
        """Make the targets' rows disappear; their space is reclaimed by :meth:`reclaim`."""
        self._point(dict.fromkeys(targets))

    def revive(self, targets: Mapping[str, str]) -> None:
        """Make generations that were dropped the live ones of their targets again; their rows must still be there."""
        self._point(targets)

    def hide(self, table: str, condition: str, params: Sequence[object] = ()) -> None:
        """Delete the rows of a log that meet a condition: its view shows them no more, and the log keeps them.

        Args:
            table: A log whose rows can be deleted.
            condition: SQL over its columns; values go through ``?`` parameters.
            params: Their values.
        """
        rows = self.rows(f"SELECT * EXCLUDE (written_at) FROM {table} WHERE {condition}", params)
        gone = {str(TABLES[table].state): DELETED}
        if rows:
            self.append(table, [row | gone for row in rows], written_at=datetime.now(UTC))

    def unhide(self, table: str, condition: str, params: Sequence[object] = ()) -> None:
        """Bring rows of a log back that :meth:`hide` took out of its view, as they were."""
        rows = self.ever(table, condition, params)
        if rows.num_rows:
            self.append(table, rows.drop_columns(["written_at"]), written_at=datetime.now(UTC))

    def ever(self, table: str, condition: str, params: Sequence[object] = ()) -> pa.Table:
        """Return the rows of a log that meet a condition, those that were deleted as they were before that."""
        with damage.explained(table):
            return reading.ever(self._place, TABLES[table], condition, params)

    def stores(self, table: str, condition: str, params: Sequence[object] = ()) -> bool:
        """Tell whether any generation of a table, live or not, has rows that meet a condition."""
        with damage.explained(table):
            return reading.stores(self._place, TABLES[table], condition, params)

    def live(self, target: str) -> str | None:
        """Return the live generation of a target; None when there is none."""
        rows = self.rows("SELECT generation FROM publications WHERE target = ?", [target])
        return None if not rows else rows[0]["generation"]

    def query(self, sql: str, params: Sequence[object] = ()) -> pa.Table:
        """Run Distaff's own SQL over the live rows; values go through ``?`` parameters.

        Returns:
            The rows as Arrow, which is what torch and Delta are handed; see :meth:`frame` for a frame to work with.
        """
        return reading.query(self._place, sql, params)

    def frame(self, sql: str, params: Sequence[object] = ()) -> pl.DataFrame:
        """Run SQL like :meth:`query` and return a polars frame, which shares its memory with the Arrow table."""
        return reading.to_frame(self.query(sql, params))

    def stream(self, sql: str, params: Sequence[object] = (), *, rows: int = 262_144) -> pa.RecordBatchReader:
        """Run SQL like :meth:`query` and return batches of ``rows`` rows, in bounded memory."""
        batches = iter(reading.stream(self._place, sql, params, rows))
        first = next(batches, None)
        if first is None:
            return self.query(sql, params).to_reader()
        return pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], batches))

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Run SQL like :meth:`query` and return a list of mappings: for few rows."""
        return self.query(sql, params).to_pylist()  # type: ignore[no-any-return]

    def select(self, sql: str, *, limit: int = 1_000_000, seconds: float = 60.0) -> Selection:
        """Run one read-only statement that a person typed; see :func:`distaff_data.warehouse.statements.select`."""
        return select(self._place, sql, limit=limit, seconds=seconds)

    def lock(self, name: str) -> FileLock:
        """Return a lock between processes, for what only one may do at a time, such as replacing one dataset."""
        folder = self.root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / (uuid.uuid5(uuid.NAMESPACE_OID, name).hex + ".lock"))

    def erase(self, table: str, condition: str, params: Sequence[object] = ()) -> int:
        """Rewrite every generation of a table, live or not, without the rows that meet a condition.

        What was there before is still in older versions of the table until :meth:`expunge`.

        Args:
            table: A generation table.
            condition: SQL over its columns; values, which reach no log, go through ``?`` parameters.
            params: Their values.

        Returns:
            How many rows went away.
        """
        with damage.explained(table):
            return erasure.erase(self._place, TABLES[table], condition, params)

    def expunge(self, table: str, condition: str, params: Sequence[object] = ()) -> int:
        """Remove every older version of a table that may hold rows that :meth:`erase` took out, its files and its log.

        A reader that has begun may fail for want of a file; the next one finds the present version. Writers are not
        disturbed.

        Args:
            table: A generation table.
            condition: The condition of the erasure.
            params: Values of its ``?`` parameters.

        Returns:
            How many files went away.
        """
        with damage.explained(table):
            return erasure.expunge(self._place, TABLES[table], condition, params)

    def keep_newest(self, table: str) -> int:
        """Remove what a log's view does not show, the rows that newer ones replaced, with the older versions of the table.

        Args:
            table: A log of which nobody asks what it said before.

        Returns:
            How many rows went away.
        """
        with damage.explained(table):
            return erasure.keep_newest(self._place, TABLES[table])

    def reclaim(self, grace: timedelta = timedelta(hours=24), tables: Iterable[str] = TABLES) -> dict[str, int]:
        """Delete rows that no reader can see, merge small files and remove unused ones.

        Args:
            grace: Leave alone what was written or replaced more recently: a reader may hold the old files, and a writer
                may be about to publish its generation.
            tables: Which tables; all when left out.

        Returns:
            Per table with something to do: how many files went away.
        """
        before = datetime.now(UTC) - grace
        removed = {}
        for table in (TABLES[name] for name in tables):
            with damage.explained(table.name):
                if gone := self._reclaim(table, before, math.ceil(grace.total_seconds() / 3600)):
                    removed[table.name] = gone
        return removed

    def damaged(self, tables: Iterable[str] = TABLES) -> list[Damage]:
        """Return what is wrong with the files of the tables; every file is read."""
        if self._place.is_remote:
            return [found for table in tables if (found := damage.of_remote(self._place.at(table), table)) is not None]
        return [found for table in tables for found in damage.examine(self.root / table, table)]

    @classmethod
    def mend(cls, root: Path) -> list[str]:
        """Repair the tables in a folder as far as can be without what was lost.

        Damaged files are moved to :attr:`aside`; tables that are missing, and the note of the schema's version, are made
        anew. What is published and may have lost rows is dropped.

        Returns:
            The targets that were dropped.
        """
        warehouse = cls(root)
        logs = [found for found in warehouse.damaged() if found.kind != "data" and found.reparable]
        for found in logs:
            damage.set_aside(found, warehouse.aside)
        for table in TABLES.values():
            with suppress(DamagedError):  # what cannot be repaired is told by what examines
                _bring_up(warehouse._place, table)
        warehouse._place.set_version(VERSION)
        return warehouse._without(found for found in warehouse.damaged() if found.kind == "data")

    @property
    def aside(self) -> Path:
        """Folder of damaged files that were taken out of the tables."""
        return self.root / ".damaged"

    def suspects(self, found: Damage) -> list[str]:
        """Return what is published and may have lost rows with a damaged data file."""
        if found.generations is None:
            return []
        sql = "SELECT target FROM publications WHERE generation BETWEEN ? AND ? ORDER BY target"
        return [str(row["target"]) for row in self.rows(sql, list(found.generations))]

    def _without(self, files: Iterable[Damage]) -> list[str]:
        """Take damaged data files out of their tables, and drop what may have lost rows with them."""
        suspects: set[str] = set()
        for found in sorted(files, key=lambda found: found.table != "publications"):
            damage.set_aside(found, self.aside)
            suspects.update(self.suspects(found))
        if suspects:
            self.drop(*sorted(suspects))
        return sorted(suspects)

    def _reclaim(self, table: Table, before: datetime, hours: int) -> int:
        if table.key is None:
            self._delete_dead(table.name, before)
        delta = self._place.delta(table.name)
        delta.optimize.compact()
        gone = delta.vacuum(
            retention_hours=hours,
            enforce_retention_duration=False,
            dry_run=False,
            full=timedelta(hours=hours)
            >= _COMMITTED,  # also what killed writers left; a younger file may have a writer
        )
        return len(gone)

    def _delete_dead(self, table: str, before: datetime) -> None:
        """Delete generations begun and replaced before ``before``."""
        published = self._place.delta("publications").to_pyarrow_table().to_pylist()
        changed = {row["target"] for row in published if row["written_at"] > before}
        kept = {row["generation"] for row in published if row["target"] in changed}
        kept |= {row["generation"] for row in self.rows("SELECT generation FROM publications")}
        binned = "SELECT unnest(generations) AS generation FROM deletions WHERE state = 'binned'"
        kept |= {row["generation"] for row in self.rows(binned)}
        dead = sorted(g for g in reading.generations(self._place, table) - kept if g < f"{before:{_STAMP}}")
        if dead:
            self._place.delta(table).delete(
                "generation IN (" + ", ".join(f"'{generation}'" for generation in dead) + ")"
            )

    def _point(self, targets: Mapping[str, str | None]) -> None:
        now = datetime.now(UTC)
        rows = [{"target": t, "generation": generation, "written_at": now} for t, generation in targets.items()]
        self.append("publications", rows)


def _append(place: Place, table: Table, data: pa.Table) -> None:
    """Append rows to a table as it stands now, a log's dated after all that it has."""
    with place.opened(table.name) as delta:
        write_deltalake(delta, data if table.key is None else _after(data, newest(delta)), mode="append")


def _shape(data: pa.Table, schema: pa.Schema, constants: Mapping[str, object]) -> pa.Table:
    """Bring rows to a table's schema: constants added, missing columns NULL, types cast, unknown columns refused."""
    unknown = (set(data.column_names) | constants.keys()) - set(schema.names)
    if unknown:
        raise ValueError(f"columns not in the schema: {sorted(unknown)}")
    columns = []
    for field in schema:
        if field.name in constants:
            columns.append(pa.repeat(pa.scalar(constants[field.name], field.type), data.num_rows))
        elif field.name in data.column_names:
            columns.append(data.column(field.name).cast(field.type))
        else:
            columns.append(pa.nulls(data.num_rows, field.type))
    return pa.table(columns, schema=schema)


def _after(data: pa.Table, newest: datetime | None) -> pa.Table:
    """Return a log's rows, those dated too early dated anew."""
    if newest is None:
        return data
    at = data.schema.get_field_index("written_at")
    least = pa.scalar(newest, data.schema.field(at).type)
    early = pc.fill_null(pc.less(data.column(at), least), True)
    return data.set_column(at, data.schema.field(at), pc.if_else(early, least, data.column(at)))


@contextmanager
def _exclusive(root: Path) -> Iterator[None]:
    with FileLock(root / ".schema.lock"):
        yield


def _migrate(root: Path, place: Place) -> None:
    with _exclusive(root):
        version = place.version
        if version is not None and version > VERSION:
            raise InputError(
                f"the warehouse has schema {version}, newer than this Distaff's {VERSION}; upgrade", path=place.location
            )
        for table in TABLES.values():
            _bring_up(place, table)
        place.set_version(VERSION)


def _bring_up(place: Place, table: Table) -> None:
    """Create a table that is missing; add the columns it lacks. Doing it twice does nothing."""
    delta = place.create(table)
    present = {field.name for field in delta.schema().fields}
    missing = [field for field in Schema.from_arrow(table.arrow).fields if field.name not in present]
    if missing:
        delta.alter.add_columns(missing)
