"""Rows of an Iceberg table: the snapshot that its newest metadata names, read file by file, and nothing outside its folder.

The table is read as it lies, without a catalog, so the newest metadata file of the folder counts; the address of one
metadata file reads the table as it was then. What the metadata names elsewhere is refused before it is opened: a table of
somebody else's would otherwise choose what is read here.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from distaff_data.errors import InputError, UnknownNameError, first_line
from distaff_data.sources.address import Address
from distaff_data.sources.spool import ROWS
from distaff_data.sources.watermark import Since

if TYPE_CHECKING:
    from pyiceberg.table import Table

_PROPERTIES = {"s3.endpoint": "AWS_ENDPOINT_URL", "s3.region": "AWS_REGION", "s3.access-key-id": "AWS_ACCESS_KEY_ID",
               "s3.secret-access-key": "AWS_SECRET_ACCESS_KEY", "s3.session-token": "AWS_SESSION_TOKEN"}  # fmt: skip


def rows(address: Address, since: Since | None) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the columns and the rows of a table.

    Args:
        address: Of its metadata file.
        since: Read only rows from a value on.

    Raises:
        InputError: It cannot be read, or names files outside its folder.
    """
    if importlib.util.find_spec("pyiceberg") is None:
        raise InputError("Iceberg tables need pyiceberg; install with: pip install 'distaff[iceberg]'")
    from pyiceberg.expressions import AlwaysTrue, GreaterThanOrEqual, IsNull, Or
    from pyiceberg.table import StaticTable

    settings = {name: value for name, variable in _PROPERTIES.items() if (value := os.environ.get(variable))}
    try:
        table = StaticTable.from_metadata(address.text, settings)
        names = [field.name for field in table.schema().fields]
        if since is not None and since.column not in names:
            raise UnknownNameError("column", since.column, names)
        _check_inside(table, address)
        mark = None if since is None or since.mark is None else since.mark.value
        at_least: Any = GreaterThanOrEqual  # the library does not type these signatures
        is_null: Any = IsNull
        where: Any = AlwaysTrue()
        if since is not None and mark is not None:
            where = Or(at_least(since.column, mark), is_null(since.column))
        scan = table.scan(row_filter=where)
        for task in scan.plan_files():
            for file in (task.file, *task.delete_files):
                _check(file.file_path, address)
        reader = scan.to_arrow_batch_reader()
    except InputError:
        raise
    except Exception as error:  # what a foreign table makes its readers raise is of any class
        raise _refused(address, error) from None
    return reader.schema, _batches(address, reader)


def _batches(address: Address, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        for batch in reader:
            for start in range(0, len(batch), ROWS):
                yield batch.slice(start, ROWS)
    except Exception as error:
        raise _refused(address, error) from None


def _check_inside(table: Table, address: Address) -> None:
    """Refuse a table whose snapshot is listed by files outside its folder."""
    snapshot = table.current_snapshot()
    if snapshot is not None:
        _check(snapshot.manifest_list, address)
        for manifest in snapshot.manifests(table.io):
            _check(manifest.manifest_path, address)


def _check(path: str, address: Address) -> None:
    folder, place = _plain(address.text.rpartition("/metadata/")[0]), _plain(path)
    if not place.startswith(folder + "/") or "/../" in place:
        raise InputError("the table names a file outside its folder, which is not read", path=address.shown, value=path)


def _plain(path: str) -> str:
    """Return a path without what is written in more than one way."""
    if "://" in path and not path.startswith("file://"):
        scheme, _, rest = path.partition("://")
        return f"{'s3' if scheme in ('s3a', 's3n') else scheme}://{rest}"
    return os.path.realpath("/" + path.removeprefix("file:").lstrip("/") if path.startswith("file:") else path)


def _refused(address: Address, error: Exception) -> InputError:
    reason = first_line(error) or type(error).__name__
    return InputError(f"the Iceberg table cannot be read: {reason}", path=address.shown)
