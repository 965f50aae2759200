"""Diagnoses as rows of tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from distaff.incidents.rankings import Diagnosis
from distaff_data.workspace import Workspace


def store(
    workspace: Workspace,
    run: str,
    found: Iterable[Diagnosis],
    *,
    target: str | None = None,
    converged: bool | None = None,
) -> None:
    """Publish diagnoses into ``diagnoses``, ``causes`` and ``cause_edges``; an older publication of the target goes away."""
    heads, causes, edges = [], [], []
    for diagnosis in found:
        case = diagnosis.case
        heads.append(
            {"case": case, "trigger": diagnosis.trigger, "alarms": list(diagnosis.alarms), "converged": converged}
        )
        for rank, cause in enumerate(diagnosis.causes, 1):
            row = {**vars(cause), "path": list(cause.path), "new_edges": list(cause.new_edges)}
            column = row.pop("column")
            causes.append({"case": case, "rank": rank, "entity": column.partition("|")[0], "metric": column, **row})
        edges += [{"case": case, **vars(edge)} for edge in diagnosis.edges]
    with workspace.warehouse.publish(target or f"causes/{run}") as publication:
        for table, rows in (("diagnoses", heads), ("causes", causes), ("cause_edges", edges)):
            publication.append(table, rows, run=run)


def case_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """One case of the JSON shape of ``diagnose``."""
    causes = [
        {
            "rank": rank,
            "entity": cause.column.partition("|")[0],
            "metric": cause.column,
            **{name: value for name, value in vars(cause).items() if name != "column"},
        }
        for rank, cause in enumerate(diagnosis.causes, 1)
    ]
    return {"case": diagnosis.case, "trigger": diagnosis.trigger, "alarms": list(diagnosis.alarms), "causes": causes}
