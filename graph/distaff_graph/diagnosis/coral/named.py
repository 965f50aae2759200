"""Between names and positions: a core for named metrics, and its causes and edges by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.sparse import csr_array

from distaff.incidents.rankings import Cause, LearnedEdge
from distaff_data.datasets.incidents import Topology, metric_of
from distaff_graph.diagnosis.coral.core import Assessment, BlamedEntity, CORALCore, GraphLearner
from distaff_graph.diagnosis.coral.evidence import Kinds, Weighed
from distaff_graph.diagnosis.coral.graph import Knowledge
from distaff_graph.diagnosis.coral.linear import LinearLearner
from distaff_graph.diagnosis.coral.neural import NeuralLearner
from distaff_graph.diagnosis.coral.scores import NOVEL
from distaff_graph.diagnosis.kinds import insides, rising

LEAST_SHARE = 0.488
"""The share of the first score that nine in ten true causes reach on nine in ten sets of ``reproduce.py incidents``."""


@dataclass(frozen=True)
class CoreSettings:
    """The choices a person has about a core.

    Attributes:
        learner: The graph learner, linear or neural.
        learn: Edges that are not given are learned.
        weighed: The kinds of evidence that count beside extremes.
        novelty: The most that a z counts of a metric that was constant.
    """

    learner: str = "linear"
    learn: bool = True
    weighed: Weighed = field(default_factory=Weighed)
    novelty: float = NOVEL


def make_core(topology: Topology, settings: CoreSettings | None = None, *, seed: int = 0) -> CORALCore:
    """Return a core for metrics and what is known of their dependencies.

    Args:
        topology: The metrics.
        settings: The choices; the defaults when None.
        seed: Seed of the neural learner's draws.
    """
    settings = settings or CoreSettings()
    prior = topology.prior()
    given, forbidden = csr_array(prior.known), csr_array(prior.forbidden)
    learners: dict[str, Callable[[Knowledge], GraphLearner]] = {
        "linear": LinearLearner,
        "neural": partial(NeuralLearner, seed=seed),
    }
    knowledge = Knowledge(given, forbidden, complete=not settings.learn)
    return CORALCore(
        kinds_of(topology),
        topology.kpi,
        knowledge,
        learner=learners[settings.learner],
        weighed=settings.weighed,
        novelty=settings.novelty,
    )


def kinds_of(topology: Topology) -> Kinds:
    """Return the kinds of metrics, by their names."""
    kinds: dict[str, int] = {}
    kind_of = np.array([kinds.setdefault(metric_of(column), len(kinds)) for column in topology.columns], dtype=np.int64)
    return Kinds(topology.entity_of, kind_of, insides(topology.columns), rising(topology.columns))


def named_causes(columns: Sequence[str], assessment: Assessment, times: Sequence[float]) -> tuple[Cause, ...]:
    """Return the core's causes by name; ``times`` are those of the rows since the trigger."""

    def name(cause: BlamedEntity) -> Cause:
        return Cause(
            column=columns[cause.metric],
            score=float(cause.score),
            own=float(cause.own),
            propagated=float(cause.propagated),
            onset=None if cause.onset is None else float(times[cause.onset]),
            path=tuple(columns[i] for i in cause.path),
            new_edges=tuple(f"{columns[i]} -> {columns[j]}" for i, j in cause.new_edges),
        )

    return tuple(map(name, assessment.causes))


def named_edges(columns: Sequence[str], assessment: Assessment) -> tuple[LearnedEdge, ...]:
    """Return the graph's edges by name, each subgraph by itself."""
    edges = []
    for subgraph, matrix in (("invariant", assessment.graph.invariant), ("dependent", assessment.graph.dependent)):
        entries = matrix.tocoo()
        for source, target, weight in zip(*entries.coords, entries.data, strict=True):
            edges.append(LearnedEdge(columns[source], columns[target], subgraph, float(weight)))
    return tuple(edges)
