"""PetShop under low traffic, 26 cases (CLeaR 2024): top-1 and top-3 with the call graph, by what the KPI is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.incidents import Subset, measure, read

_METRICS = ("ac@1", "ac@3")
SUBSETS = (
    Subset("latency", _METRICS, lambda case: case.kpi is not None and "latency" in case.columns[case.kpi]),
    Subset("availability", _METRICS, lambda case: case.kpi is not None and "availability" in case.columns[case.kpi]),
    Subset("all", _METRICS),
    Subset("all, no graph", _METRICS, known=lambda edge: False, learning=True),
)
PUBLISHED = {
    ("traversal", "latency ac@1"): 0.571,
    ("traversal", "latency ac@3"): 0.571,
    ("traversal", "availability ac@1"): 0.833,
    ("traversal", "availability ac@3"): 1.0,
}


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    return measure(read(data, "petshop_low"), SUBSETS, PUBLISHED, n_seeds)
