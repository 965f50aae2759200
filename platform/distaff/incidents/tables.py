"""Diagnoses as rows of the tables ``diagnoses``, ``causes`` and ``cause_edges``, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from distaff.incidents.rankings import Cause, Diagnosis, LearnedEdge
from distaff_data.datasets.incidents import entity_of
from distaff_data.warehouse import Warehouse


def publish_diagnoses(
    warehouse: Warehouse,
    run: str,
    diagnoses: Iterable[Diagnosis],
    *,
    target: str | None = None,
    converged: bool | None = None,
) -> None:
    """Publish diagnoses into the three tables, whole or not at all; an older publication of the target goes away.

    Args:
        warehouse: Where to.
        run: The run or stream that they are of.
        diagnoses: One a case.
        target: Name of the publication; the run's when None.
        converged: Whether ranking and graph had come to rest; None for replayed cases.
    """
    heads, causes, edges = [], [], []
    for diagnosis in diagnoses:
        case = {"case": diagnosis.case}
        heads.append(case | _head(diagnosis) | {"converged": converged})
        causes += [case | row for row in cause_rows(diagnosis)]
        edges += [case | row for row in edge_rows(diagnosis)]
    with warehouse.publish(target or target_of(run)) as publication:
        for table, rows in (("diagnoses", heads), ("causes", causes), ("cause_edges", edges)):
            publication.append(table, rows, run=run)


def target_of(run: str) -> str:
    """Return the name of the publication that holds a run's diagnoses."""
    return f"causes/{run}"


def read_diagnoses(warehouse: Warehouse, run: str) -> dict[str, Diagnosis]:
    """Return what a run published, by case; empty where it published nothing."""
    causes, edges = (
        warehouse.rows(f'SELECT * EXCLUDE (generation, run) FROM {table} WHERE run = ? ORDER BY "case", {order}', [run])
        for table, order in (("causes", "rank, metric"), ("cause_edges", '"part" DESC, source, target'))
    )
    causes_of: dict[str, list[Cause]] = {}
    for row in causes:
        evidence = {name: row[name] for name in ("score", "own", "propagated", "onset", "p_value")}
        cause = Cause(row["metric"], path=tuple(row["path"]), new_edges=tuple(row["new_edges"]), **evidence)
        causes_of.setdefault(row["case"], []).append(cause)
    edges_of: dict[str, list[LearnedEdge]] = {}
    for row in edges:
        edge = LearnedEdge(row["source"], row["target"], row["part"], row["weight"])
        edges_of.setdefault(row["case"], []).append(edge)
    return {
        row["case"]: Diagnosis(
            row["case"],
            tuple(causes_of.get(row["case"], ())),
            row["trigger"],
            tuple(row["alarms"]),
            tuple(edges_of.get(row["case"], ())),
            row["graph"],
            tuple(row["warnings"] or ()),
            None if row["likely"] is None else tuple(row["likely"]),
            tuple(row["changes"] or ()),
            row["p_value"],
        )
        for row in warehouse.rows(
            'SELECT "case", trigger, alarms, graph, warnings, likely, changes, p_value FROM diagnoses WHERE run = ?',
            [run],
        )
    }


def cause_rows(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """Return a case's ranking as rows of the table ``causes``, less what is the same for all; equal scores, equal rank."""
    scores = np.array([cause.score for cause in diagnosis.causes])
    ranks = np.searchsorted(-scores, -scores) + 1
    return [
        {
            "rank": int(rank),
            "entity": entity_of(cause.column),
            "metric": cause.column,
            "score": cause.score,
            "own": cause.own,
            "propagated": cause.propagated,
            "onset": cause.onset,
            "path": list(cause.path),
            "new_edges": list(cause.new_edges),
            "p_value": cause.p_value,
        }
        for rank, cause in zip(ranks, diagnosis.causes, strict=True)
    ]


def edge_rows(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """Return a case's learned graph as rows of the table ``cause_edges``, less what is the same for all of them."""
    return [
        {"source": edge.source, "target": edge.target, "part": edge.subgraph, "weight": edge.weight}
        for edge in diagnosis.edges
    ]


def case_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return one case of the JSON shape of ``diagnose``."""
    return {
        "case": diagnosis.case,
        **_head(diagnosis),
        "causes": cause_rows(diagnosis),
    }


def _head(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "trigger": diagnosis.trigger,
        "alarms": list(diagnosis.alarms),
        "p_value": diagnosis.p_value,
        "graph": diagnosis.graph,
        "warnings": list(diagnosis.warnings),
        "changes": list(diagnosis.changes),
        "likely": None if diagnosis.likely is None else list(diagnosis.likely),
    }
