"""CORAL as a state machine over arrays: normal rows, a trigger, then batches until the causes are stable.

    core.add_normal(rows)    any number of times: the last rows are what is normal
    core.trigger()           an incident began; the next row is its first
    core.advance(rows)       a batch: graph, ranking, and whether both have converged

What is held is bounded: the last ``memory`` normal rows and as many of the incident, each metric's largest deviation and
onset, and the learner's state over at most ``n_candidates`` metrics. With more metrics than that, the graph is learned on
those that deviate most, the KPI and what is given to act on them; the set is held until a metric outside of it leaves its
own past, so that nearly all batches only update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import breadth_first_order

from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.errors import InputError
from distaff_graph.diagnosis.coral.convergence import Convergence
from distaff_graph.diagnosis.coral.evidence import (
    FOLLOWED,
    EnergyDistances,
    Kinds,
    Weighed,
    earliness,
    evidence,
    followed_onsets,
)
from distaff_graph.diagnosis.coral.graph import Graph, Knowledge
from distaff_graph.diagnosis.coral.linear import LinearLearner
from distaff_graph.diagnosis.coral.localisation import Blame, blame, by_entity
from distaff_graph.diagnosis.coral.mechanism import Mechanisms
from distaff_graph.diagnosis.coral.moments import LagMoments
from distaff_graph.diagnosis.coral.remainders import Remainders
from distaff_graph.diagnosis.coral.scores import NOVEL, UNUSUAL, Anomalies, Baseline
from distaff_graph.diagnosis.trigger import TriggerSettings

_CLIP = 10.0  # robust z beyond which a deviation counts no more for the graph
_EARLY = TriggerSettings().window  # first rows of an incident that may still be normal
_MECHANISM_LAGS = 2  # rows for which an effect may lag behind a given cause


class GraphLearner(Protocol):
    """A disentangled graph that is learned from batches of two states."""

    graph: Graph

    def switch(self) -> None:
        """Treat the rows that follow as those of another state."""

    def update(self, rows: Floats) -> Graph:
        """Return the graph after more rows ``(n, M)``."""

    def normal_edges(self) -> Bools:
        """Return the edges of the normal state, bool ``(M, M)``."""

    def state(self) -> dict[str, Floats]:
        """Return everything that the next update needs, by name."""

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""


@dataclass(frozen=True)
class BlamedEntity:
    """One entity that may have failed, and the evidence.

    Attributes:
        entity: Position of the entity.
        metric: Its most blamed metric.
        score: Blame that rests at the metric; all metrics' sum to 1.
        own: Its distance from its past; over 1 is further out than ever.
        propagated: The part of the score that came to it from its effects, by the graph.
        onset: Row since the trigger in which it first was; None if never.
        path: Metrics from the cause to the KPI by the likeliest way; empty without one.
        new_edges: Edges (cause, effect) on that path that the normal state does not have.
    """

    entity: int
    metric: int
    score: float
    own: float
    propagated: float
    onset: int | None
    path: tuple[int, ...]
    new_edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Assessment:
    """The state of a diagnosis after a batch.

    Attributes:
        causes: All entities by blame.
        graph: The graph over all M metrics.
        converged: Whether ranking and graph have come to rest.
    """

    causes: tuple[BlamedEntity, ...]
    graph: Graph
    converged: bool


class CORALCore:
    """Normal rows of metrics, and after a trigger the ranking of the entities that may be its cause.

    Args:
        kinds: Entity and kind of each of M metrics.
        kpi: Position of the metric that shows the incident; None if there is none.
        knowledge: The known and the forbidden edges of the graph.
        learner: Makes a graph learner from the knowledge of the candidates; the linear one by default, see ``linear``.
        n_candidates: Most metrics a graph is learned on.
        memory: Rows held of the normal state, and of the incident.
        upward: Only values above normal are anomalous.
        top_k: Entities whose ranking has to be stable.
        weighed: The kinds of evidence that count beside extremes.
        novelty: The most that a z counts of a metric that was constant.
    """

    _baseline: Baseline | None
    _incident: Floats
    _own: Floats
    _onset: Floats
    _followed: Floats
    _n_rows: int
    _anomalies: Anomalies
    _candidates: Ints
    _learner: GraphLearner | None
    _mechanisms: tuple[Mechanisms, Floats] | None
    _distributions: EnergyDistances | None
    _remainders: Remainders | None
    _convergence: Convergence

    def __init__(
        self,
        kinds: Kinds,
        kpi: int | None,
        knowledge: Knowledge | None = None,
        *,
        learner: Callable[[Knowledge], GraphLearner] = LinearLearner,
        n_candidates: int = 200,
        memory: int = 600,
        upward: bool = False,
        top_k: int = 5,
        weighed: Weighed | None = None,
        novelty: float = NOVEL,
    ) -> None:
        self.n_metrics = len(kinds.entity_of)
        self.kinds, self.kpi = kinds, kpi
        self.knowledge = knowledge or Knowledge.nothing(self.n_metrics)
        if self.knowledge.n_metrics != self.n_metrics or len(kinds.kind_of) != self.n_metrics:
            raise InputError(f"entities are given for {self.n_metrics} metrics, kinds or edges for another number")
        self._new_learner, self.n_candidates, self.memory, self.upward = learner, n_candidates, memory, upward
        self._top_k, self.weighed, self.novelty = top_k, weighed or Weighed(), novelty
        self._ways: Ints | None = None  # the next metric on the given way to the KPI
        self._normal: Floats = np.zeros((0, self.n_metrics))
        self._reset()

    @property
    def triggered(self) -> bool:
        """True while an incident is being looked at."""
        return self._baseline is not None

    def add_normal(self, rows: Floats) -> None:
        """Add rows ``(n, M)`` to the normal ones, and end an incident."""
        if self.triggered:
            self._reset()
        self._normal = np.vstack([self._normal, self._checked(rows)])[-self.memory :]

    @property
    def normal(self) -> Floats:
        """The normal rows that are held, ``(n, M)``."""
        return self._normal

    def forget(self) -> None:
        """Forget the normal rows, and end an incident."""
        self._normal = self._normal[:0]
        self._reset()

    def trigger(self) -> None:
        """Begin an incident with the next row.

        Raises:
            InputError: Fewer normal rows were added than an effect may lag behind its cause.
        """
        if len(self._normal) < _MECHANISM_LAGS:
            least = f"add normal rows before a trigger, {_MECHANISM_LAGS} at least"
            raise InputError(f"too little is known of the normal state: {least}; there are {len(self._normal)}")
        self._reset()
        self._baseline = Baseline.of(self._normal, novelty=self.novelty)

    def advance(self, rows: Floats) -> Assessment:
        """Learn from a batch ``(n, M)`` of the incident, at least one row, and rank the causes.

        Raises:
            InputError: There was no trigger, or rows are not finite numbers of M metrics.
        """
        rows = self._checked(rows)
        if self._baseline is None or not len(rows):
            raise InputError("a diagnosis takes a trigger first, then at least one row")
        self._take_in(self._baseline, rows)
        graph, blamed = self._localised(self._baseline)
        ranked = by_entity(blamed.score, self.kinds.entity_of, self.kpi)
        self._convergence.update([entity for entity, _ in ranked], graph)
        causes = tuple(self._cause(entity, metric, blamed, graph) for entity, metric in ranked)
        return Assessment(causes, graph, self._convergence.done)

    def state(self) -> dict[str, Floats]:
        """Return everything that the next batch needs: restored elsewhere, it gives the same assessment."""
        state = {"normal": self._normal}
        if self._baseline is not None:
            state |= self._baseline.state() | {"incident": self._incident, "own": self._own, "onset": self._onset}
            state["followed"] = self._followed
            state |= {"n_rows": np.array([self._n_rows], float), "candidates": self._candidates.astype(float)}
            state |= {f"convergence_{name}": value for name, value in self._convergence.state().items()}
        if self._learner is not None:
            state |= {f"learner_{name}": value for name, value in self._learner.state().items()}
        return state

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave, in a core made with the same arguments."""
        self._reset()
        self._normal = np.array(tensors["normal"])
        if "incident" not in tensors:
            return
        self._baseline = Baseline.restored(tensors)
        self._incident, self._own, self._onset = (np.array(tensors[name]) for name in ("incident", "own", "onset"))
        self._followed = np.array(tensors.get("followed", self._onset))
        self._n_rows, self._candidates = int(tensors["n_rows"][0]), tensors["candidates"].astype(np.int64)
        if len(self._candidates):
            self._learner = self._new_learner(self.knowledge.take(self._candidates))
            self._learner.load_state(
                {n.removeprefix("learner_"): v for n, v in tensors.items() if n.startswith("learner_")}
            )
        graph = self._graph()
        self._convergence.load_state({n: tensors[f"convergence_{n}"] for n in self._convergence.state()}, graph)

    def _reset(self) -> None:
        """Forget the incident."""
        self._baseline = None
        self._incident = np.zeros((0, self.n_metrics))
        self._own = np.zeros(self.n_metrics)
        self._onset = np.full(self.n_metrics, np.inf)
        self._followed = self._onset.copy()
        self._n_rows = 0
        self._anomalies = Anomalies(self._incident, self._own, self._onset)
        self._candidates = np.zeros(0, np.int64)
        self._learner = self._mechanisms = self._distributions = self._remainders = None
        self._convergence = Convergence(top_k=self._top_k)

    def _checked(self, rows: Floats) -> Floats:
        rows = np.asarray(rows, float)
        if rows.ndim != 2 or rows.shape[1] != self.n_metrics:
            raise InputError(f"rows have the shape {rows.shape}, and there are {self.n_metrics} metrics")
        if not np.isfinite(rows).all():
            raise InputError("a value is missing or infinite; fill gaps first")
        return rows

    def _take_in(self, baseline: Baseline, rows: Floats) -> None:
        """Update the deviations of all metrics, then the graph of the candidates."""
        course = baseline.course(baseline.z(rows), upward=self.upward)
        first = Anomalies.of(course)
        self._own = np.maximum(self._own, first.own)
        self._onset = np.minimum(self._onset, self._n_rows + first.onset)
        before = self._incident[-FOLLOWED:]
        course = baseline.course(baseline.z(np.vstack([before, rows])), upward=self.upward)
        self._followed = np.minimum(self._followed, self._n_rows - len(before) + followed_onsets(course > 1))
        self._incident = np.vstack([self._incident, rows])[-self.memory :]
        self._n_rows += len(rows)
        left_out = np.ones(self.n_metrics, bool)
        left_out[self._candidates] = False
        crowded = self.n_metrics > self.n_candidates
        if self._learner is None or (crowded and self._weakest_candidate() < self._own[left_out].max()):
            self._candidates = self._screened()
            self._learner = self._new_learner(self.knowledge.take(self._candidates))
            self._learner.update(self._bounded(baseline, self._normal))
            self._learner.switch()
            self._mechanisms = self._distributions = self._remainders = None
            rows = self._incident
        # An onset that was found lies some rows too early. Taken for the incident's, those rows would make a step of every
        # level, and any two steps look related.
        first_row = self._n_rows - len(rows)
        early = int(max(min(self._onset.min(), _EARLY) - first_row, 0))
        if early < len(rows):
            self._learner.update(self._bounded(baseline, rows)[early:])

    def _weakest_candidate(self) -> float:
        """Return the own score that a metric outside must exceed for the candidates to be chosen anew."""
        return max(1.0, float(np.quantile(self._own[self._candidates], 0.25)))

    def _screened(self) -> Ints:
        """Return the metrics that deviate most, the KPI and the given causes between them, ``n_candidates`` at most."""
        urgency = self._own.copy()
        if self.kpi is not None:
            urgency[self.kpi] = np.inf
        # A given cause of a deviating metric may be broken without deviating itself.
        urgency = np.maximum(urgency, 0.5 * np.minimum(self.knowledge.known @ np.minimum(urgency, 1.0), 1.0))
        return np.sort(np.argsort(-urgency, kind="stable")[: self.n_candidates])

    def _bounded(self, baseline: Baseline, rows: Floats) -> Floats:
        """Return z-scores of the candidates, none of which can outweigh all others."""
        return np.clip(baseline.take(self._candidates).z(rows[:, self._candidates]), -_CLIP, _CLIP)

    def _graph(self) -> Graph:
        if self._learner is None:
            return Graph.empty(self.n_metrics)
        return self._learner.graph.spread(self._candidates, self.n_metrics)

    def _localised(self, baseline: Baseline) -> tuple[Graph, Blame]:
        """Return the graph over all metrics, and the blame by it and by the own scores."""
        graph = self._graph()
        self._anomalies = self._deviations(baseline)
        weight = self._weights(baseline)
        given = csr_array(self.knowledge.known.astype(float))
        return graph, blame(self._anomalies, weight, given, self.kpi, learned=self._learned_edges(graph))

    def _weights(self, baseline: Baseline) -> Floats:
        """Return weights ``(M,)`` whose log(1 + weight) is what speaks against each metric by itself."""
        level, apart, remainder = (np.zeros(self.n_metrics) for _ in range(3))
        chosen = self._candidates
        if self.weighed.level:
            level = baseline.level(baseline.z(self._incident), upward=self.upward)
        if self.weighed.distribution:
            self._distributions = self._distributions or EnergyDistances(self._normal[:, chosen])
            apart[chosen] = self._distributions.apart(self._incident[:, chosen])
        if self.weighed.remainder:
            self._remainders = self._remainders or Remainders(self._normal[:, chosen])
            remainder[chosen] = self._remainders.apart(self._incident[:, chosen])
        early, own = earliness(self._onset, self._followed), self._anomalies.own
        return np.expm1(evidence(own, level, apart, early, remainder, self.kinds, self.kpi, self.weighed))

    def _deviations(self, baseline: Baseline) -> Anomalies:
        """Return own scores and onsets of all metrics; the course of the candidates only, 0 for others.

        A candidate also deviates where it stops following its given causes. Learned ones are not taken at their word:
        with them, mechanisms looked broken that were only badly known.
        """
        chosen, first = self._candidates, self._n_rows - len(self._incident)
        z = baseline.take(chosen).z(self._incident[:, chosen])
        of_candidates = baseline.take(chosen).course(z, upward=self.upward)
        self._mechanisms = self._mechanisms or self._learned_mechanisms(baseline)
        mechanisms, ever = self._mechanisms
        of_candidates = np.maximum(of_candidates, np.abs(mechanisms.broken(z)) / ever)
        recent = Anomalies.of(of_candidates)
        deviation, onset = self._own.copy(), self._onset.copy()
        deviation[chosen] = np.maximum(deviation[chosen], recent.own)
        onset[chosen] = np.minimum(onset[chosen], recent.onset + first)
        course = np.zeros((len(of_candidates), self.n_metrics))
        course[:, chosen] = of_candidates
        return Anomalies(course, deviation, onset)

    def _learned_mechanisms(self, baseline: Baseline) -> tuple[Mechanisms, Floats]:
        """Return the candidates' mechanisms in the normal state, and how far they ever were from those, ``(K,)``."""
        before = baseline.take(self._candidates).z(self._normal[:, self._candidates])
        normal = LagMoments(len(self._candidates), _MECHANISM_LAGS)
        normal.update(before)
        mechanisms = Mechanisms(normal, self._parents())
        if self.knowledge.known.nnz:
            return mechanisms, np.full(len(self._candidates), UNUSUAL)
        return mechanisms, np.abs(mechanisms.broken(before)).max(0, initial=UNUSUAL)

    def _learned_edges(self, graph: Graph) -> csr_array:
        """Return strengths ``(M, M)`` of learned edges by which blame moves beside the given ones.

        A metric of the given graph has only the given causes, and those that the incident brought, which no graph of the
        normal state can have.
        """
        given = self.knowledge.known
        if not given.nnz:
            return graph.fused()
        linked = (given.sum(0) + given.sum(1)) > 0
        of_unlinked = graph.fused() @ diags_array((~linked).astype(float))
        new = graph.dependent @ diags_array(linked.astype(float))
        edges = csr_array(of_unlinked + new)
        return csr_array(edges - edges.multiply(given.astype(bool)))

    def _parents(self) -> Bools:
        """Return causes ``(K, K)`` of each candidate: those given, or those of the normal state without a given graph."""
        assert self._learner is not None
        given = self.knowledge.take(self._candidates).known.toarray().astype(bool)
        return given if self.knowledge.known.nnz else self._learner.normal_edges()

    def _given_path(self, metric: int) -> list[int]:
        """Return the shortest way from a metric to the KPI along given edges; empty where there is none.

        Blame takes no way over a metric that stayed within its past, but a fault may well have gone there.
        """
        if self.kpi is None or not self.knowledge.known.nnz:
            return []
        if self._ways is None:
            effects = csr_array(self.knowledge.known.T.astype(float))
            self._ways = np.asarray(breadth_first_order(effects, self.kpi, return_predecessors=True)[1], np.int64)
        way = [metric]
        while way[-1] != self.kpi:
            following = int(self._ways[way[-1]])
            if following < 0:
                return []
            way.append(following)
        return way

    def _cause(self, entity: int, metric: int, blamed: Blame, graph: Graph) -> BlamedEntity:
        path = blamed.path(metric) or self._given_path(metric)
        steps = list(pairwise(path))
        onset = self._anomalies.onset[metric]
        return BlamedEntity(
            entity=entity,
            metric=metric,
            score=float(blamed.score[metric]),
            own=float(self._anomalies.own[metric]),
            propagated=float(blamed.propagated[metric]),
            onset=int(onset) if np.isfinite(onset) else None,
            path=tuple(path),
            new_edges=tuple(step for step in steps if graph.dependent[step] > 0),
        )
