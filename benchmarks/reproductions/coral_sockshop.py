"""Sock Shop, 50 cases (RCD, NeurIPS 2022), with the onset given and detected; published rows are RCAEval 1.8.1's.

In 20 cases the data's KPI is the latency of the service that failed, which gives it away to methods that walk from the KPI;
the KPI is therefore left out here, for all methods.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.incidents import Subset, in_megabytes, measure, read

_METRICS = ("ac@1", "ac@3", "avg@5")
_PUBLISHED = {"baro": (0.96, 1.0, 0.992), "nsigma": (0.94, 1.0, 0.988), "CIRCA": (0.54, 0.78, 0.748)}
SUBSETS = (
    Subset("given", _METRICS, learning=True),
    Subset("detected", _METRICS, settings={"onset": "detected"}, trigger=True),
)


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    incidents = in_megabytes(read(data, "sockshop"), "|mem")
    incidents = replace(incidents, cases=tuple(replace(case, kpi=None) for case in incidents.cases))
    published = {(m, f"given {k}"): v for m, row in _PUBLISHED.items() for k, v in zip(_METRICS, row, strict=True)}
    return measure(incidents, SUBSETS, published, n_seeds)
