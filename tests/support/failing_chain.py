"""A fault that spreads along a chain of entities to the KPI: as a case, a workspace and a growing file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from distaff_data.datasets.incidents import Case, Edge, Incidents
from distaff_data.tables.incidents import publish_incidents
from distaff_data.workspace import Workspace


def chain() -> tuple[Case, tuple[Edge, ...]]:
    """A fault at c that reaches the KPI over b, late; d is quiet."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 4))
    values[200:, 2] += 30
    values[205:, 1] += 30
    values[210:, 0] += 30
    columns = ("kpi|x", "b|x", "c|x", "d|x")
    case = Case("chain", columns, np.arange(300.0), values, 200.0, 0, ("c",), ("c|x",))
    return case, (Edge("c", "b"), Edge("b", "kpi"), Edge("d", "kpi"))


def chain_workspace(root: Path) -> Workspace:
    """A workspace with the chain and its graph as the dataset ``d``."""
    workspace = Workspace.create(root)
    case, edges = chain()
    publish_incidents(workspace.warehouse, Incidents("d", (case,), edges), source="", settings={})
    return workspace


def stream_file(path: Path) -> Path:
    """900 rows of the chain's metrics as CSV; the fault begins in row 420."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((900, 4))
    rows[420:, 2] += 15
    rows[424:, 1] += 15
    rows[428:, 0] += 15
    lines = [",".join([str(float(t)), *map(repr, map(float, row))]) for t, row in enumerate(rows)]
    path.write_text("time,kpi|x,b|x,c|x,d|x\n" + "\n".join(lines) + "\n")
    return path
