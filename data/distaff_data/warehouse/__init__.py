"""The warehouse: Delta tables at rest, DuckDB as the engine. Nothing outside this package knows either.

* :class:`Warehouse` appends, publishes, queries and looks after the tables.
* :class:`Scratch` is a private DuckDB database on disk, in which ingestion stages and reshapes user files.
"""

from distaff_data.warehouse.damage import Damage
from distaff_data.warehouse.engine import identifier, literal
from distaff_data.warehouse.foreign import delta_stream
from distaff_data.warehouse.places import is_remote
from distaff_data.warehouse.scratch import Reject, Scratch
from distaff_data.warehouse.statements import Selection
from distaff_data.warehouse.store import Publication, Warehouse

__all__ = [
    "Damage",
    "Publication",
    "Reject",
    "Scratch",
    "Selection",
    "Warehouse",
    "delta_stream",
    "identifier",
    "is_remote",
    "literal",
]
