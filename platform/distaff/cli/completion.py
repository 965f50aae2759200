"""Names that a shell completes: datasets, runs and aliases, models."""

from __future__ import annotations

from pathlib import Path

from distaff_data.errors import DistaffError

_SQL = {
    "dataset": "SELECT dataset AS name FROM datasets ORDER BY name",
    "study": "SELECT study AS name FROM studies ORDER BY name",
    "run": "SELECT alias AS name FROM (SELECT DISTINCT alias FROM promotions) "
    "UNION ALL SELECT run FROM (SELECT run FROM runs WHERE study IS NULL ORDER BY started_at DESC)",
}


def names(kind: str, root: Path, incomplete: str) -> list[str]:
    """Return the names of a kind that begin with what was typed; none where there is no workspace to ask."""
    if kind == "model":
        from distaff.model.catalogue import catalogue

        known = [row["model"] for row in catalogue()]
    else:
        from distaff_data.workspace import Workspace

        try:
            known = [str(row["name"]) for row in Workspace.open(root).warehouse.rows(_SQL[kind])]
        except DistaffError:  # a shell that asks shows no errors
            return []
    return [name for name in known if name.startswith(incomplete)]
