"""Which graph learner finds planted edges, and the planted cause by them: ``python benchmarks/causal_graphs.py``.

Planted incidents whose edges all act one row later; each learner gets the same rows in batches of 60. Prints one JSON
object: F1 of the invariant and of the dependent edges, AC@1 and AC@3 of the cause with the learned graph and without
any, and seconds a batch, as means over the visible cases.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from distaff_data.datasets.incidents import Case, Incidents
from distaff_data.planted.incidents import planted_incidents
from distaff_graph.diagnosis.coral.core import CORALCore, GraphLearner
from distaff_graph.diagnosis.coral.graph import Knowledge
from distaff_graph.diagnosis.coral.linear import LinearLearner
from distaff_graph.diagnosis.coral.named import kinds_of
from distaff_graph.diagnosis.coral.neural import NeuralLearner

Mask = NDArray[np.bool_]

_BATCH = 60


def _planted(data: Incidents, case: Case, states: tuple[str, ...]) -> Mask:
    place = {name: i for i, name in enumerate(case.columns)}
    edges = np.zeros((len(place), len(place)), dtype=bool)
    for edge in data.truth:
        if edge.case == case.name and edge.state in states:
            edges[place[edge.source], place[edge.target]] = True
    return edges


def _f1(learned: Mask, truth: Mask) -> float:
    return float(2 * (learned & truth).sum() / max(learned.sum() + truth.sum(), 1))


def _measured(
    data: Incidents, case: Case, learner: Callable[[Knowledge], GraphLearner], has_graph: bool
) -> list[float]:
    row = case.onset_row or 0
    knowledge = Knowledge.from_edges(len(case.columns), complete=not has_graph)
    core = CORALCore(kinds_of(case.topology()), case.kpi, knowledge, learner=learner)
    core.add_normal(case.values[:row])
    core.trigger()
    started, batches = time.perf_counter(), range(row, len(case.values), _BATCH)
    for start in batches:
        assessment = core.advance(case.values[start : start + _BATCH])
    seconds = (time.perf_counter() - started) / len(batches)
    ranked = [case.entities[cause.entity] in case.roots for cause in assessment.causes]
    invariant, dependent = assessment.graph.invariant.toarray() > 0, assessment.graph.dependent.toarray() > 0
    scores = [_f1(invariant, _planted(data, case, ("kept",))), _f1(dependent, _planted(data, case, ("new",)))]
    return [*scores, float(ranked[0]), float(any(ranked[:3])), seconds]


def main() -> None:
    rows = []
    for name, learner, has_graph in (
        ("no graph", LinearLearner, False),
        ("linear", LinearLearner, True),
        ("neural", NeuralLearner, True),
    ):
        measured = []
        for seed in range(3):
            data = planted_incidents(n_cases=10, lagged_share=1.0, n_lags=1, seed=100 + seed)
            measured += [_measured(data, case, learner, has_graph) for case in data.cases if case.visible]
        values = np.mean(measured, axis=0).round(3).tolist()
        keys = ("f1_invariant", "f1_dependent", "ac@1", "ac@3", "seconds_per_batch")
        rows.append({"learner": name, "cases": len(measured)} | dict(zip(keys, values, strict=True)))
    print(json.dumps({"name": "causal_graphs", "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
