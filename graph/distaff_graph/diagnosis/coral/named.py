"""Between names and positions: a core for named metrics, and its causes and edges by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_array

from distaff.incidents.rankings import Cause, LearnedEdge
from distaff_data.datasets.incidents import Case, Edge, metric_of
from distaff_graph.diagnosis.coral import core
from distaff_graph.diagnosis.coral.core import CoralCore, Diagnosis, GraphLearner
from distaff_graph.diagnosis.coral.graph import Knowledge, oriented
from distaff_graph.diagnosis.coral.linear import LinearLearner
from distaff_graph.diagnosis.coral.neural import NeuralLearner

_LEARNERS: dict[str, Callable[[Knowledge], GraphLearner]] = {"linear": LinearLearner, "neural": NeuralLearner}


def make_core(case: Case, edges: Sequence[Edge], learner: str = "linear") -> CoralCore:
    """A core for the metrics of a case and what is known of their dependencies."""
    kinds: dict[str, int] = {}
    kind_of = np.array([kinds.setdefault(metric_of(column), len(kinds)) for column in case.columns], dtype=np.int64)
    prior = case.prior(edges)
    known, forbidden = csr_array(prior.known), csr_array(prior.forbidden)
    if case.kpi is not None and known.nnz:
        known = oriented(known, case.kpi)
    knowledge = Knowledge(known, forbidden, complete=False)
    return CoralCore(case.entity_of, kind_of, case.kpi, knowledge, learner=_LEARNERS[learner])


def named_causes(columns: Sequence[str], found: Diagnosis, times: Sequence[float]) -> tuple[Cause, ...]:
    """The core's causes by name; ``times`` are those of the rows since the trigger."""

    def name(cause: core.Cause) -> Cause:
        return Cause(
            column=columns[cause.metric],
            score=float(cause.score),
            own=float(cause.own),
            propagated=float(cause.propagated),
            onset=None if cause.onset is None else float(times[cause.onset]),
            path=tuple(columns[i] for i in cause.path),
            new_edges=tuple(f"{columns[i]} -> {columns[j]}" for i, j in cause.new_edges),
        )

    return tuple(map(name, found.causes))


def named_edges(columns: Sequence[str], found: Diagnosis) -> tuple[LearnedEdge, ...]:
    """The graph's edges by name, each part by itself."""
    edges = []
    for part, matrix in (("invariant", found.graph.invariant), ("dependent", found.graph.dependent)):
        entries = matrix.tocoo()
        for source, target, weight in zip(*entries.coords, entries.data, strict=True):
            edges.append(LearnedEdge(columns[source], columns[target], part, float(weight)))
    return tuple(edges)
