"""Columns, tables, and the columns that many tables have."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

TEXT, REAL, INT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
SHARES, REALS, TEXTS = pa.list_(pa.float32()), pa.list_(REAL), pa.list_(TEXT)


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type and what it means. ``person`` marks what holds a person's own id."""

    name: str
    type: pa.DataType
    meaning: str
    person: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Its name.
        meaning: What it holds.
        columns: Its columns.
        key: The columns whose newest row a log's view shows; None marks a generation table.
        state: The column of a log whose rows can be deleted, which holds ``deleted`` for one that is; None where none can.
        arrow: The schema.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] | None = None
    state: str | None = None
    arrow: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrow", pa.schema([(c.name, c.type) for c in self.columns]))

    @property
    def person(self) -> str | None:
        """The column with a person's own id: where ``entity`` is user, in a table that has that column."""
        return next((column.name for column in self.columns if column.person), None)


DELETED = "deleted"
"""The state of a row that stands for its own deletion: a log's view does not show it."""

GENERATION = Column("generation", TEXT, "which write brought the row; only live generations are shown")
DATASET = Column("dataset", TEXT, "the dataset's name")
RUN = Column("run", TEXT, "the run's id")
STUDY = Column("study", TEXT, "the sweep's name")
WRITTEN = Column("written_at", TIME, "when the row was appended; the newest row of a key counts")
