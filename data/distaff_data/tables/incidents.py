"""Incidents in the warehouse: one row a case with its time stamps, one row a metric with its values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from distaff_data.datasets.incidents import Case, Edge, Incidents, TrueEdge, entity_of
from distaff_data.errors import UnknownNameError
from distaff_data.tables.datasets import live_generation
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
    columns = {column for case in cases for column in case.columns}
    facts = {
        "cases": len(cases),
        "labelled": sum(bool(case.roots) for case in cases),
        "entities": len({entity_of(column) for column in columns}),
        "metrics": len(columns),
        "rows": sum(len(case.times) for case in cases),
        "missing": float(sum(np.isnan(c.values).sum() for c in cases) / max(sum(c.values.size for c in cases), 1)),
        "edges": len(incidents.edges),
    }
    with warehouse.publish(f"dataset/{name}") as publication:
        publication.append("cases", [_case_row(case, i) for i, case in enumerate(cases)], dataset=name)
        publication.append("measurements", pa.concat_tables(map(_measurements, cases)), dataset=name)
        publication.append("dependencies", [vars(edge) for edge in incidents.edges], dataset=name)
        publication.append("truth_edges", [vars(edge) for edge in incidents.truth], dataset=name)
        entry = {
            "dataset": name,
            "kind": "incidents",
            "source": source,
            "settings": json.dumps(settings),
            "facts": json.dumps(facts),
            "created_at": datetime.now(UTC),
        }
        publication.append("datasets", [entry])
    return IncidentsReport(name, publication.generation, **facts)  # type: ignore[arg-type]


def load_incidents(warehouse: Warehouse, dataset: str, case: str | None = None) -> Incidents:
    """Load a dataset of incidents.

    Args:
        warehouse: Where it is.
        dataset: Its name.
        case: Load only this one; all when None.

    Raises:
        UnknownNameError: There is no such dataset, or no such case.
        InputError: The dataset is of another kind.
    """
    generation = live_generation(warehouse, dataset, "incidents")
    rows = warehouse.query(_CASES, [generation]).to_pylist()
    if case is not None and case not in {row["case"] for row in rows}:
        raise UnknownNameError("case", case, (row["case"] for row in rows))
    measured = _by_case(warehouse.query(_MEASUREMENTS, [generation, case]))
    edges = warehouse.rows("SELECT source, target, known FROM dependencies WHERE generation = ?", [generation])
    truth = warehouse.rows(
        'SELECT "case", source, target, lag, state, weight FROM truth_edges '
        'WHERE generation = $1 AND "case" = coalesce($2, "case")',
        [generation, case],
    )
    return Incidents(
        dataset,
        tuple(_read_case(row, *measured[row["case"]]) for row in rows if case in (None, row["case"])),
        tuple(Edge(**row) for row in edges),
        tuple(TrueEdge(**row) for row in truth),
        generation,
    )


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


def _by_case(table: pa.Table) -> dict[str, tuple[tuple[str, ...], pa.Array]]:
    """Metric names and flat values of each case; the table is ordered by case."""
    table = table.combine_chunks()
    names = np.asarray(table["case"].to_pylist())
    cuts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1), len(names)]
    found = {}
    for start, end in itertools.pairwise(cuts):
        part = table.slice(start, end - start)
        values = part["values"].combine_chunks()
        found[str(names[start])] = (tuple(part["metric"].to_pylist()), values.flatten())
    return found


def _read_case(row: dict[str, object], columns: tuple[str, ...], flat: pa.Array) -> Case:
    values = flat.to_numpy(zero_copy_only=False).reshape(len(columns), -1).T
    kpi, roots, metrics = row["kpi"], row["roots"], row["root_metrics"]
    return Case(
        name=str(row["case"]),
        columns=columns,
        times=np.asarray(row["times"], dtype=np.float64),
        values=np.ascontiguousarray(values),
        onset=row["onset"],  # type: ignore[arg-type]
        kpi=None if kpi is None else columns.index(str(kpi)),
        roots=tuple(roots),  # type: ignore[arg-type]
        root_columns=tuple(metrics),  # type: ignore[arg-type]
        group=str(row["group"]),
        visible=bool(row["visible"]),
    )
