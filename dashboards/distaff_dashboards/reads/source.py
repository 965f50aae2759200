"""The source of cached reads: a workspace, and the datasets and runs that it has.

Every cached read takes a :class:`Source`, whose state changes whenever something is published, so that new data is seen at
once. Frames are never part of a key: Streamlit hashes large ones from a sample.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from distaff_dashboards.statements import ask, cached
from distaff_data.workspace import Workspace, default_root


@dataclass(frozen=True)
class Source:
    """A workspace and the state of what is read from it: the key of every cached read."""

    root: str
    state: str

    @property
    def workspace(self) -> Workspace:
        """The workspace itself."""
        return Workspace.open(self.root)

    def frame(self, sql: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        """Return the answer to a query as a frame."""
        ask(sql, parameters)
        return self.workspace.warehouse.frame(sql, parameters)


def source_of(*queries: tuple[str, Sequence[Any]]) -> Source:
    """Return the workspace, its state being what some queries with their parameters answer.

    Raises:
        InputError: There is no workspace.
    """
    workspace = Workspace.open(default_root())
    state = [workspace.warehouse.rows(sql, parameters) for sql, parameters in queries]
    return Source(str(workspace.root), json.dumps(state, default=str))


def newest_writes(*tables: str) -> Source:
    """Return the workspace; its state changes with every row that is written to some tables."""
    every = (*tables, "deletions")  # a row that is deleted is not shown, and neither is the time of that
    newest = ", ".join(f"(SELECT max(written_at) FROM {table}) AS {table}" for table in every)
    return source_of((f"SELECT {newest}", ()))


def whole_workspace() -> Source:
    """Return the whole workspace; its state changes with every publication and every run."""
    return newest_writes("publications", "runs", "marks")


def runs_on(dataset: str) -> Source:
    """Return what was run on a dataset; its state changes with a write of the dataset, with its runs and with marks."""
    written = "SELECT generation FROM publications WHERE target = ?"
    runs = "SELECT count(*) AS n, max(written_at) AS written_at FROM runs WHERE dataset = ?"
    marks = "SELECT max(written_at) AS written_at FROM marks"
    return source_of((written, [f"dataset/{dataset}"]), (runs, [dataset]), (marks, []))


def published_for(*names: str) -> Source:
    """Return what was published for some runs and datasets; its state changes only with them and with notes on them."""
    publications = (
        "SELECT target, generation FROM publications "
        "WHERE list_contains(?, regexp_extract(target, '^[^/]*/(.*)$', 1)) ORDER BY target"
    )
    notes = "SELECT max(written_at) AS written_at FROM factor_notes WHERE list_contains(?, run)"
    return source_of((publications, [list(names)]), (notes, [list(names)]))


@cached(max_entries=4, show_spinner=False)
def datasets(source: Source) -> pl.DataFrame:
    """Return the datasets, those with finished runs first, then the newest, archived ones last.

    Returns:
        ``dataset, kind, facts`` (JSON)``, runs, archived``.
    """
    return source.frame(
        "SELECT d.dataset, d.kind, coalesce(d.facts, '{}') AS facts, count(r.run) AS runs, "
        "d.dataset IN (SELECT name FROM marks WHERE kind = 'dataset' AND archived) AS archived FROM datasets d "
        "LEFT JOIN runs r ON r.dataset = d.dataset AND r.status = 'done' "
        "GROUP BY d.dataset, d.kind, d.facts, d.created_at ORDER BY archived, count(r.run) = 0, d.created_at DESC, d.dataset"
    )


def row_of(table: pl.DataFrame, column: str, value: object) -> dict[str, Any]:
    """Return the one row of a table that has a value in a column."""
    return table.row(by_predicate=pl.col(column) == pl.lit(value), named=True)
