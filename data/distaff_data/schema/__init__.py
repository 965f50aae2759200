"""The warehouse's tables, in one place.

Two kinds of table, both only ever appended to:

* A **log** keeps every version of a row; its view shows the newest row of each key, the one that was written last: rows are
  dated after all that are there, whatever the clock says. ``runs`` and ``publications``.
* A **generation** table holds bulk rows, each stamped with the generation that wrote it. Its view shows only rows whose
  generation is *live*: the newest one published for some target. A writer appends its rows under a fresh generation and
  publishes it with one row in ``publications``, written last, so that everything appears at once or not at all.

To change the schema, add tables or columns and raise ``VERSION``. A warehouse written by an older version gains them when
it is opened, with NULL in old rows (:meth:`distaff_data.warehouse.Warehouse.open`). Nothing is ever renamed or retyped.
"""

from __future__ import annotations

from distaff_data.schema import datasets, factors, operations, results
from distaff_data.schema.columns import DELETED, Column, Table

__all__ = ["DELETED", "TABLES", "VERSION", "Column", "Table"]

VERSION = 10

TABLES: dict[str, Table] = {
    table.name: table for group in (operations, datasets, results, factors) for table in group.TABLES
}
