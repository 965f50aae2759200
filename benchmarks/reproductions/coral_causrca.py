"""causRCA's coolant and probe scenarios (CIRPe 2025): MAP@3 with the experts' graph and with a learned one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.incidents import Part, measure, read

_GROUPS = ("coolant", "probe")


def _part(group: str, graph: str) -> Part:
    return Part(f"{group} {graph} graph", ("map@3", "ac@1"), lambda case: case.group == group, graph=graph == "expert")


PARTS = tuple(_part(group, graph) for group in _GROUPS for graph in ("expert", "learned"))
PUBLISHED = {
    ("baro", "coolant expert graph map@3"): 0.0,
    ("baro", "probe expert graph map@3"): 0.0,
    ("pagerank", "coolant expert graph map@3"): 1.0,
    ("pagerank", "probe expert graph map@3"): 0.26,
    ("onset_order", "coolant expert graph map@3"): 1.0,
    ("onset_order", "probe expert graph map@3"): 0.58,
    ("recency, PC/FCI", "coolant learned graph map@3"): 0.87,
    ("recency, PC/FCI", "probe learned graph map@3"): 0.37,
}


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    return measure(read(data, "causrca_coolant_probe"), PARTS, PUBLISHED, n_seeds)
