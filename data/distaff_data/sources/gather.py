"""Inputs of an ingestion as files of this machine: what is none is copied, for as long as the block lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import pyarrow as pa

from distaff_data.errors import InputError
from distaff_data.sources import iceberg, object_store, postgres, sqlite, web
from distaff_data.sources.address import Address, address_of
from distaff_data.sources.spool import ROWS, Spool
from distaff_data.sources.watermark import Mark, Since, check_goes_on, mark_of
from distaff_data.warehouse import delta_stream

if TYPE_CHECKING:
    import polars as pl


class ArrowStream(Protocol):
    """A frame, or batches as they come: polars, pandas, Arrow, or whatever exports an Arrow stream."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the stream's capsule."""


Inputs: TypeAlias = "str | Path | Sequence[str | Path] | ArrowStream | pl.LazyFrame"


@dataclass(frozen=True)
class Gathered:
    """Inputs as files of this machine.

    Attributes:
        paths: What is read.
        origins: Of each copied file where it came from.
        folder: Where the copies are.
        mark: How far a source that is read by a column goes.
    """

    paths: Sequence[str | Path]
    origins: Mapping[Path, str]
    folder: Path | None = None
    mark: Mark | None = None

    def told(self, path: Path) -> str:
        """Return by what name a person knows a file."""
        return self.origins.get(path, str(path))


@contextmanager
def gathered(
    folder: Path, inputs: Inputs, *, query: str | None = None, since: Since | None = None
) -> Iterator[Gathered]:
    """Give the inputs as files while the block lasts; what goes wrong in it names the source, not the copy.

    Args:
        folder: Where copies go.
        inputs: Files, folders, addresses, or one frame.
        query: The statement by which a database is read.
        since: Read only rows from a value on; of one database, or one Delta or Iceberg table.

    Raises:
        InputError: A source cannot be read, or a statement is given where there is no database, or the other way round.
    """
    addresses = _addresses(inputs)
    _check(addresses, query, since)
    if addresses is not None and not any(address for _, address in addresses):
        yield Gathered([given for given, _ in addresses], {})
        return
    with Spool(folder) as spool:
        found = _frame(spool, inputs) if addresses is None else _copied(spool, addresses, query, since)
        with telling(found.origins):
            yield found


@contextmanager
def telling(origins: Mapping[Path, str]) -> Iterator[None]:
    """Name the source, and not the copy, in what goes wrong while the block lasts."""
    try:
        yield
    except InputError as error:
        message = str(error)
        for path, origin in origins.items():
            message = message.replace(str(path), origin)
        error.args, error.path = (message,), origins.get(Path(str(error.path)), error.path)
        raise


def _addresses(inputs: Inputs) -> list[tuple[str | Path, Address | None]] | None:
    """Return each input with its address; None where they are a frame."""
    if isinstance(inputs, str | Path):
        return [(inputs, address_of(inputs))]
    if not isinstance(inputs, Sequence):
        return None
    return [(given, address_of(given)) for given in inputs]


def _check(
    addresses: Sequence[tuple[str | Path, Address | None]] | None, query: str | None, since: Since | None
) -> None:
    sources = [address for _, address in addresses or [] if address is not None]
    databases = [address for address in sources if address.is_database]
    if query is not None and not databases:
        raise InputError("--query is for databases: postgresql://..., sqlite:///... or an SQLite file")
    if databases and not (query or "").strip():
        raise InputError("say what is read, with --query 'SELECT ...'", path=databases[0].shown)
    if since is not None and (len(addresses or []) != 1 or len(sources) != 1 or sources[0].kind == "http"):
        raise InputError("--since reads one database, or one Delta or Iceberg table")


def _copied(
    spool: Spool, addresses: Sequence[tuple[str | Path, Address | None]], query: str | None, since: Since | None
) -> Gathered:
    paths: list[str | Path] = []
    origins: dict[Path, str] = {}
    for given, address in addresses:
        files = [Path(given)] if address is None else _copies(spool, address, query, since)
        paths += files if address is not None else [given]
        origins |= {} if address is None else dict.fromkeys(files, address.shown)
    mark = None
    if since is not None:
        if len(paths) != 1 or Path(paths[0]).suffix != ".parquet":
            raise InputError("--since reads one database, or one Delta or Iceberg table")
        shown = origins[Path(paths[0])]
        mark = mark_of(Path(paths[0]), since.column, shown)
        if since.mark is not None:
            check_goes_on(since.mark, mark, since.column, shown)
    return Gathered(paths, origins, spool.root, mark)


def _copies(spool: Spool, address: Address, query: str | None, since: Since | None) -> list[Path]:
    """Return the files that a source was copied to."""
    if address.kind == "s3" and (table := object_store.iceberg_of(address)) is not None:
        address = table
    if address.kind == "iceberg":
        schema, batches = iceberg.rows(address, since)
        return [spool.write(_as_parquet(address), schema, batches)]
    if address.kind == "s3" and not object_store.is_delta(address):
        if since is not None:
            raise InputError("--since reads one database, or one Delta or Iceberg table", path=address.shown)
        return object_store.copy(spool, address)
    if address.kind == "http":
        return [web.copy(spool, address)]
    if address.is_database:
        rows = postgres.rows if address.kind == "postgresql" else sqlite.rows
        with rows(address, query or "", since) as (schema, batches):
            return [spool.write(address, schema, batches)]
    column, least = (None, None) if since is None or since.mark is None else (since.column, since.mark.value)
    schema, batches = delta_stream(address.text, rows=ROWS, column=column, least=least)
    return [spool.write(_as_parquet(address), schema, batches)]


def _as_parquet(address: Address) -> Address:
    return replace(address, name=address.name.removesuffix(".parquet") + ".parquet")


def _frame(spool: Spool, frame: object) -> Gathered:
    """Return a frame as a Parquet file, written as it streams where it does."""
    import polars as pl  # ingestion of files does without

    from distaff_data.frames import to_arrow

    address = Address("frame", "", "frame", "frame.parquet")
    if isinstance(frame, pl.LazyFrame):
        path = spool.path(address.name)
        frame.sink_parquet(path)
    elif hasattr(frame, "__arrow_c_stream__") and not isinstance(frame, pl.DataFrame):
        reader = pa.RecordBatchReader.from_stream(frame)
        path = spool.write(address, reader.schema, reader)
    else:
        table = to_arrow(frame)
        path = spool.write(address, table.schema, table.to_batches(ROWS))
    return Gathered([path], {path: address.shown}, spool.root)
