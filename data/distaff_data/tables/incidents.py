"""Incidents in the warehouse: one row a case with its time stamps, one row a metric with its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from distaff_data.datasets.dependencies import read_as, turned
from distaff_data.datasets.incidents import Case, Edge, GraphIs, Incidents, TrueEdge, entity_of
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.tables.datasets import append_entry, live_generation
from distaff_data.tables.reports import IncidentsReport
from distaff_data.warehouse import Warehouse

_CASES = """
SELECT "case", "group", onset, kpi, roots, root_metrics, visible, times
FROM cases WHERE generation = ? ORDER BY position
"""
_MEASUREMENTS = """
SELECT "case", metric, values FROM measurements
WHERE generation = $1 AND "case" = coalesce($2, "case") ORDER BY "case", position
"""


def publish_incidents(
    warehouse: Warehouse, incidents: Incidents, *, source: str, settings: Mapping[str, object]
) -> IncidentsReport:
    """Store incidents as a dataset, whole or not at all.

    Args:
        warehouse: Where to.
        incidents: What to store, under its own name.
        source: The files it came from.
        settings: How it was read.
    """
    name, cases = incidents.name, incidents.cases
    edges = turned((edge for edge in incidents.edges if not edge.assumed), incidents.graph_is)
    columns = {column for case in cases for column in case.columns}
    facts = {
        "cases": len(cases),
        "labelled": sum(bool(case.roots) for case in cases),
        "entities": len({entity_of(column) for column in columns}),
        "metrics": len(columns),
        "rows": sum(len(case.times) for case in cases),
        "missing": float(sum(np.isnan(c.values).sum() for c in cases) / max(sum(c.values.size for c in cases), 1)),
        "edges": len(edges),
        "graph_is": incidents.graph_is if edges else None,
    }
    with warehouse.publish(f"dataset/{name}") as publication:
        publication.append("cases", [_case_row(case, i) for i, case in enumerate(cases)], dataset=name)
        publication.append("measurements", pa.concat_tables(map(_measurements, cases)), dataset=name)
        rows = [{"source": edge.source, "target": edge.target, "known": edge.known} for edge in edges]
        publication.append("dependencies", rows, dataset=name)
        directions = [{"graph_is": incidents.graph_is}] if edges and incidents.graph_is else []
        publication.target(_direction_of(name)).append("graph_directions", directions, dataset=name)
        publication.append("truth_edges", [vars(edge) for edge in incidents.truth], dataset=name)
        append_entry(publication, name, "incidents", source=source, settings=settings, facts=facts)
    return IncidentsReport(name, publication.generation, **facts)  # type: ignore[arg-type]


def declare_graph(warehouse: Warehouse, dataset: str, graph_is: str) -> None:
    """Store what the edges of a dataset's graph are; what was said before is forgotten.

    Raises:
        UnknownNameError: There is no such dataset.
        InputError: The dataset is of another kind, has no graph, or a graph is nothing of that name.
    """
    live_generation(warehouse, dataset, "incidents")
    checked = graph_direction(graph_is)
    if not warehouse.rows("SELECT 1 FROM dependencies WHERE dataset = ? LIMIT 1", [dataset]):
        raise InputError(f"dataset {dataset!r} has no graph", column="graph_is", value=graph_is)
    with warehouse.lock(f"dataset/{dataset}"), warehouse.publish(_direction_of(dataset)) as publication:
        publication.append("graph_directions", [{"graph_is": checked}], dataset=dataset)


def graph_direction(text: str) -> GraphIs:
    """Return a word as what the edges of a graph are.

    Raises:
        InputError: It is neither causes nor calls.
    """
    if text == "causes":
        return "causes"
    if text == "calls":
        return "calls"
    message = "the edges of a graph are causes (source acts on target) or calls (source calls target)"
    raise InputError(message, column="graph_is", value=text)


def load_incidents(warehouse: Warehouse, dataset: str, case: str | None = None) -> Incidents:
    """Load a dataset of incidents, its edges from cause to effect where somebody said what they are.

    Args:
        warehouse: Where it is.
        dataset: Its name.
        case: Load only this one; all when None.

    Raises:
        UnknownNameError: There is no such dataset, or no such case.
        InputError: The dataset is of another kind.
    """
    generation = live_generation(warehouse, dataset, "incidents")
    cases = warehouse.frame(_CASES, [generation])
    if case is not None and case not in cases["case"]:
        raise UnknownNameError("case", case, cases["case"])
    metrics = warehouse.frame(_MEASUREMENTS, [generation, case]).partition_by("case", as_dict=True)
    edges = warehouse.rows("SELECT source, target, known FROM dependencies WHERE generation = ?", [generation])
    truth = warehouse.rows(
        'SELECT "case", source, target, lag, state, weight FROM truth_edges '
        'WHERE generation = $1 AND "case" = coalesce($2, "case")',
        [generation, case],
    )
    answers = warehouse.rows("SELECT graph_is FROM graph_directions WHERE dataset = ?", [dataset])
    incidents = Incidents(
        dataset,
        tuple(
            _read_case(row, times, metrics[row["case"],])
            for row, times in zip(cases.drop("times").iter_rows(named=True), cases["times"], strict=True)
            if case in (None, row["case"])
        ),
        tuple(Edge(**row) for row in edges),
        tuple(TrueEdge(**row) for row in truth),
        generation,
    )
    return read_as(incidents, graph_direction(answers[0]["graph_is"]) if answers else None if edges else "causes")


def _direction_of(dataset: str) -> str:
    """Return the name of the publication that says what the edges of a dataset's graph are."""
    return f"graph/{dataset}"


def _case_row(case: Case, position: int) -> dict[str, object]:
    return {
        "case": case.name,
        "position": position,
        "group": case.group,
        "onset": case.onset,
        "kpi": None if case.kpi is None else case.columns[case.kpi],
        "roots": list(case.roots),
        "root_metrics": list(case.root_columns),
        "visible": case.visible,
        "times": case.times,
    }


def _measurements(case: Case) -> pa.Table:
    rows, width = case.values.shape
    starts = pa.array(np.arange(0, (width + 1) * rows, rows) if rows else np.zeros(width + 1), pa.int64())
    lists = pa.LargeListArray.from_arrays(starts, pa.array(np.ascontiguousarray(case.values.T).ravel()))
    return pa.table(
        {
            "case": pa.repeat(case.name, width),
            "position": np.arange(width),
            "entity": pa.array([entity_of(column) for column in case.columns]),
            "metric": pa.array(case.columns),
            "values": lists,
        }
    )


def _read_case(row: dict[str, Any], times: pl.Series, metrics: pl.DataFrame) -> Case:
    """Return a case from its row, its time stamps, and its metrics with the list of values of each."""
    columns = tuple(metrics["metric"])
    flat = metrics["values"].explode(empty_as_null=False).to_numpy()
    return Case(
        name=row["case"],
        columns=columns,
        times=times.to_numpy(writable=True),
        values=np.ascontiguousarray(flat.reshape(len(columns), -1).T),
        onset=row["onset"],
        kpi=None if row["kpi"] is None else columns.index(row["kpi"]),
        roots=tuple(row["roots"]),
        root_columns=tuple(row["root_metrics"]),
        group=row["group"],
        visible=row["visible"],
    )
