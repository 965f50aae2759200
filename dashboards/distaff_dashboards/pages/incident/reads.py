"""Cached reads of incidents and of what runs say about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import streamlit as st

from distaff_dashboards.reads.source import Source
from distaff_data.schema import TABLES

if TYPE_CHECKING:
    from distaff_data.datasets.incidents import Case

_CAUSES = ("rank", "entity", "metric", "score", "own", "propagated", "onset", "path", "new_edges")
_EDGES = ("source", "target", "part", "weight")

EDGES = pa.schema([TABLES["cause_edges"].arrow.field(column) for column in _EDGES])
NOTHING = pa.table({})


@st.cache_data(max_entries=4, show_spinner=False)
def runs_with_diagnoses(source: Source) -> list[dict[str, Any]]:
    """Runs that diagnosed a dataset's incidents, models before controls, newest first: ``run, model, control, dataset``.

    What a watch says of growing metrics is not among them: the warehouse has no measurements of those.
    """
    return source.workspace.warehouse.rows(
        "SELECT r.run, r.model, r.control, r.dataset FROM runs r WHERE EXISTS (SELECT 1 FROM diagnoses d "
        'JOIN cases c ON c.dataset = r.dataset AND c."case" = d."case" WHERE d.run = r.run) '
        "ORDER BY r.control, r.started_at DESC, r.run"
    )


@st.cache_data(max_entries=16, show_spinner=False)
def diagnoses(source: Source, run: str, dataset: str) -> list[dict[str, Any]]:
    """What a run says of each incident, in the dataset's order: ``case, trigger, alarms, converged``."""
    return source.workspace.warehouse.rows(
        'SELECT d."case", d.trigger, d.alarms, d.converged FROM diagnoses d '
        'JOIN cases c ON c.dataset = ? AND c."case" = d."case" WHERE d.run = ? ORDER BY c.position',
        [dataset, run],
    )


@st.cache_data(max_entries=16, show_spinner="Reading the incident ...")
def incident(source: Source, dataset: str, case: str) -> Case:
    """One incident with its measurements."""
    from distaff_data.tables.incidents import load_incidents

    return load_incidents(source.workspace.warehouse, dataset, case).cases[0]


@st.cache_data(max_entries=64, show_spinner=False)
def published(source: Source, run: str, case: str) -> tuple[pa.Table, pa.Table]:
    """The causes of an incident by rank, and its causal graph, as a run published them."""
    warehouse = source.workspace.warehouse
    causes, edges = (
        warehouse.query(
            f'SELECT {", ".join(columns)} FROM {table} WHERE run = ? AND "case" = ? ORDER BY {order}', [run, case]
        )
        for table, columns, order in (("causes", _CAUSES, "rank"), ("cause_edges", _EDGES, "part, source, target"))
    )  # fmt: skip
    return causes, edges


@st.cache_data(max_entries=64, show_spinner="Ranking causes anew ...")
def ranked_anew(source: Source, run: str, dataset: str, case: str, at: float) -> tuple[pa.Table, pa.Table]:
    """The same for another time of onset, in seconds, by the run's own model; nothing is stored.

    Raises:
        InputError: There is no saved model, or the time leaves no rows on one side.
    """
    from distaff.incidents.base import Diagnoser
    from distaff.incidents.tables import cause_rows, edge_rows
    from distaff.runs.runs import find, model_folder
    from distaff_data.tables.incidents import load_incidents

    workspace = source.workspace
    data = load_incidents(workspace.warehouse, dataset, case)
    model = Diagnoser.load(model_folder(workspace, run))
    found = model.diagnose_case(data.cases[0], data.edges, seed=find(workspace, run).seed, at=at)
    return _table("causes", _CAUSES, cause_rows(found)), _table("cause_edges", _EDGES, edge_rows(found))


def ranking(rows: list[dict[str, Any]], columns: list[str]) -> pa.Table:
    """A ranking with what the page adds: ``since`` the onset, and ``known``: a true cause."""
    added = {"since": pa.float64(), "known": pa.bool_()}
    schema = TABLES["causes"].arrow
    fields = [pa.field(c, added[c]) if c in added else schema.field(c) for c in columns]
    return pa.Table.from_pylist([{c: row[c] for c in columns} for row in rows], pa.schema(fields))


def _table(name: str, columns: tuple[str, ...], rows: Any) -> pa.Table:
    schema = pa.schema([TABLES[name].arrow.field(column) for column in columns])
    return pa.Table.from_pylist([{column: row[column] for column in columns} for row in rows], schema)
