"""Model by set: every diagnoser on real and planted incidents of several kinds, with intervals and paired tests.

One configuration, the defaults, for all sets. The accuracy on a set of the configuration that is best on all *other* sets is
what may be hoped for on incidents nobody has seen: ``left out`` is that figure for CORAL, over a few configurations, each
set weighing the same. ``p`` is that of the paired sign-flip test over cases against CORAL. Given graphs are used where a
set has one, and beside it the same set stands without.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.incidents import CONTROLS, read

from distaff.incidents.base import Diagnoser
from distaff.incidents.rankings import CaseScores, score_cases
from distaff.model.registry import model_class
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Case, Edge
from distaff_data.planted.incidents import planted_incidents

METRICS = ("ac@1", "avg@5")
CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "coral": {},
    "coral, no level": {"level": False},
    "coral, no learned graph": {"learn": False},
}
PLANTED: Mapping[str, Mapping[str, Any]] = {
    "planted, 1 s": {},
    "planted, 5 min, 20 rows": {"n_normal": 20, "n_fault": 20, "step": 300.0},
    "planted, 36 metrics, gaps": {
        "n_entities": 12,
        "metrics_per_entity": 3,
        "n_normal": 120,
        "n_fault": 30,
        "missing": 0.1,
    },
    "planted, .06 s, 1,200 rows": {"n_normal": 1200, "n_fault": 300, "step": 0.06, "n_cases": 10},
}
_FLIPS = 2_000
Cases = tuple[tuple[Case, ...], tuple[Edge, ...]]


def sets(data: Path) -> dict[str, Callable[[], Cases]]:
    """Return each set's cases and known edges, by name; read when called."""

    def sockshop() -> Cases:
        # The KPI is left out: in 20 cases it is the latency of the service that failed.
        return tuple(replace(case, kpi=None) for case in read(data, "sockshop").cases), ()

    def petshop(graph: bool) -> Cases:
        found = read(data, "petshop_low")
        return found.cases, found.edges if graph else ()

    def causrca(group: str, graph: bool) -> Cases:
        found = read(data, "causrca_coolant_probe")
        edges = (edge for edge in found.edges if (group == "probe") == edge.source.startswith("MP"))
        return tuple(case for case in found.cases if case.group == group), tuple(edges) if graph else ()

    def planted(seed: int, parameters: Mapping[str, Any]) -> Cases:
        return planted_incidents(seed=seed, **parameters).cases, ()

    found: dict[str, Callable[[], Cases]] = {"sockshop": sockshop}
    for graph, label in ((True, "graph"), (False, "no graph")):
        found[f"petshop, {label}"] = partial(petshop, graph)
        for group in ("coolant", "probe"):
            found[f"{group}, {label}"] = partial(causrca, group, graph)
    for seed, (name, parameters) in enumerate(PLANTED.items(), 100):
        found[name] = partial(planted, seed, parameters)
    return found


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the table, and CORAL's left-out figures below them."""
    scores = {name: _scores(name, *load()) for name, load in sets(data).items()}
    table = [
        _row(model, f"{name} {metric}", of_set[model], of_set["coral"], metric)
        for name, of_set in scores.items()
        for model in of_set
        for metric in METRICS
    ]
    return table + _left_out(scores)


def _scores(name: str, cases: tuple[Case, ...], edges: tuple[Edge, ...]) -> dict[str, CaseScores]:
    models = {label: ("coral", settings) for label, settings in CONFIGURATIONS.items()}
    models |= {control: (control, {}) for control in CONTROLS}
    found = {}
    for label, (model, settings) in models.items():
        diagnoser = model_class(model)(**settings)
        assert isinstance(diagnoser, Diagnoser)
        scores = score_cases(cases, [diagnoser.diagnose_case(case, edges) for case in cases], "entity")
        assert scores is not None
        found[label] = scores
        print(
            f"{name} {label}: " + " ".join(f"{m} {scores.means()[m]:.3f}" for m in METRICS), file=sys.stderr, flush=True
        )
    return found


def _row(model: str, metric: str, scores: CaseScores, coral: CaseScores, name: str) -> dict[str, Any]:
    low, high = scores.interval(name)
    return {
        "model": model,
        "control": not model.startswith("coral"),
        "metric": metric,
        "published": None,
        "value": scores.means()[name],
        "low": low,
        "high": high,
        "p": sign_flips(scores.values[name] - coral.values[name]),
        "std": None,
        "n_seeds": 1,
        "selected": None,
    }


def _left_out(scores: Mapping[str, Mapping[str, CaseScores]]) -> list[dict[str, Any]]:
    """Return for each set what the configuration with the best mean Avg@5 on all other sets scores on it."""
    means = {label: {name: of_set[label].means() for name, of_set in scores.items()} for label in CONFIGURATIONS}
    found = []
    for name in scores:
        chosen = max(
            means, key=lambda label: statistics.fmean(m["avg@5"] for n, m in means[label].items() if n != name)
        )
        for metric in METRICS:
            row = _row(f"left out: {chosen}", f"{name} {metric}", scores[name][chosen], scores[name]["coral"], metric)
            found.append(row | {"selected": chosen})
    return found


def sign_flips(differences: Floats, seed: int = 0) -> float:
    """Return the two-sided p-value of paired differences whose signs are flipped at random; 1 where there is none."""
    if not np.any(differences):
        return 1.0
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (_FLIPS, len(differences)))
    null, seen = np.abs(signs @ differences), abs(float(differences.sum()))
    return float((1 + (null >= seen - 1e-12).sum()) / (1 + _FLIPS))
