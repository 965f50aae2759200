"""Delta tables of others, as they stand: read in batches, never written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from distaff_data.errors import InputError, UnknownNameError, first_line

if TYPE_CHECKING:
    import pyarrow.dataset as pads


def delta_stream(
    location: str, *, rows: int, column: str | None = None, least: object = None
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the columns and the rows of a Delta table.

    Args:
        location: A folder, or the URL of an object store's prefix; credentials come from the environment.
        rows: How many come at a time.
        column: Read only rows whose value in it is ``least`` or more, or missing.
        least: That value.

    Raises:
        InputError: It is no table, or one that this version of Delta cannot read.
    """
    import pyarrow.compute as pc  # pyarrow.dataset would import pandas, where there is one

    try:
        data = DeltaTable(location).to_pyarrow_dataset()
    except (DeltaError, OSError, ValueError) as error:
        raise InputError(f"the Delta table cannot be read: {first_line(error)}", path=location) from None
    if column is not None and column not in data.schema.names:
        raise UnknownNameError("column", column, data.schema.names)
    where = None if column is None else (pc.field(column) >= least) | pc.field(column).is_null()
    return data.schema, _batches(location, data, rows, where)


def _batches(
    location: str, data: pads.Dataset, rows: int, condition: pads.Expression | None
) -> Iterator[pa.RecordBatch]:
    try:
        yield from data.to_batches(filter=condition, batch_size=rows, batch_readahead=2, fragment_readahead=1)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"the Delta table cannot be read: {first_line(error)}", path=location) from None
