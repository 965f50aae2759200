"""causRCA's coolant and probe scenarios (CIRPe 2025), with the experts' graph of each and without any graph.

As published, each scenario has the graph of its own subsystem, alarms are never candidates, and MAP@3 is the mean average
precision, here ``ap@3``; ``map@3`` is REASON's mean of PR@1 to PR@3. The published learned graphs are of more than a case
has: PC and FCI on all runs of a scenario together with normal operation, over metrics that experts had chosen.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks.incidents import Subset, measure, read

_GROUPS = ("coolant", "probe")
_ALARM = re.compile(r"_A_\d+$")


def _subset(group: str, graph: str) -> Subset:
    return Subset(
        f"{group} {graph} graph",
        ("map@3", "ap@3", "ac@1"),
        lambda case: case.group == group,
        known=lambda edge: graph == "expert" and (group == "probe") == edge.source.startswith("MP"),
        candidate=lambda entity: not _ALARM.search(entity),
        learning=graph == "learned",
    )


SUBSETS = tuple(_subset(group, graph) for group in _GROUPS for graph in ("expert", "learned"))
PUBLISHED = {
    ("baro", "coolant expert graph ap@3"): 0.0,
    ("baro", "probe expert graph ap@3"): 0.0,
    ("pagerank", "coolant expert graph ap@3"): 1.0,
    ("pagerank", "probe expert graph ap@3"): 0.26,
    ("recency", "coolant expert graph ap@3"): 1.0,
    ("recency", "probe expert graph ap@3"): 0.58,
    ("recency", "coolant learned graph ap@3"): 0.35,
    ("recency", "probe learned graph ap@3"): 0.19,
    ("recency, PC/FCI", "coolant learned graph ap@3"): 0.87,
    ("recency, PC/FCI", "probe learned graph ap@3"): 0.37,
}


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    return measure(read(data, "causrca_coolant_probe"), SUBSETS, PUBLISHED, n_seeds)
