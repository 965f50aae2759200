"""Which metric is to blame: a walk from the KPI up the causal graph that stops where nothing upstream explains.

One rule for every kind of graph. Let a_i in [0, 1) be how anomalous metric i is. Parent j *explains* i to the degree

    e_ji = g_ji  a_j  cos_ji  t_ji:

there is an edge (strength g_ji, of a learned one half), the parent is anomalous itself, its anomaly has the course of i's
(the cosine over the rows of what of either is beyond its past: ordinary noise is alike everywhere), and it did not begin
later (t_ji is 1, or a tenth where it did; 0.3 where both began in one row and the edge was learned). Blame that arrives at i
stays there with weight a_i prod_j (1 - e_ji), unexplained, and moves to parent j with weight e_ji. Half of it starts at the
KPI. The other half, and whatever the graph does not explain of the KPI, starts at all other metrics by their own scores:
what else is wrong in an incident has causes too, and a graph may lack an edge. Where blame comes to rest is the score; it
sums to 1.

This is a random walk with restart whose restart probability is the node's own unexplained share, solved exactly as a
sparse linear system instead of being simulated. CORAL (Wang et al., KDD 2023) walks with one fixed restart probability
over partial correlations, which ranks well-connected metrics up; with a call graph turned round the rule here is
PetShop's traversal made smooth, without any graph it is the ranking by own scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csc_array, csr_array, diags_array, eye_array
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import splu

from distaff_data.arrays import Floats, Ints
from distaff_graph.diagnosis.coral.scores import Anomalies

_FROM_KPI = 0.5
_LEARNED = 0.5  # of the strength of a learned edge: what few rows tell of it is shrunk
_LATE = 0.1  # of an explanation that begins after what it explains
_TOGETHER = 0.3  # of one by a learned edge whose ends begin in the same row: what came first is not seen
_MOST = 0.999  # of a metric that its parents can explain: every walk ends
_LEAST = 1e-6  # weight of resting at a metric that is not anomalous and has no anomalous parent


@dataclass(frozen=True)
class Blame:
    """The result of the walk for each of M metrics.

    Attributes:
        score: Blame that rests at it ``(M,)``; sums to 1.
        propagated: The part of it that came from effects along the graph ``(M,)``.
        transitions: ``(M, M)`` probability that blame moves from an effect to its cause.
        kpi: Position of the KPI, or None.
    """

    score: Floats
    propagated: Floats
    transitions: csr_array
    kpi: int | None

    def path(self, cause: int) -> list[int]:
        """Return the likeliest way from a cause to the KPI, both included; empty if there is none."""
        distance, previous = self._ways
        way = [cause] if np.isfinite(distance[cause]) else []
        while way and way[-1] != self.kpi:
            way.append(int(previous[way[-1]]))
        return way

    @cached_property
    def _ways(self) -> tuple[Floats, Ints]:
        """Length of each metric's likeliest way from the KPI, and the metric before it on that way."""
        if self.kpi is None:
            return np.full(len(self.score), np.inf), np.full(len(self.score), -1)
        lengths = self.transitions.copy()
        lengths.data = 1e-12 - np.log(lengths.data)
        distance, previous = dijkstra(lengths, indices=self.kpi, return_predecessors=True)
        return distance, previous


def blame(
    anomalies: Anomalies, weight: Floats, given: csr_array, kpi: int | None, *, learned: csr_array | None = None
) -> Blame:
    """Send blame up the graph.

    Args:
        anomalies: Course, own score and onset of each metric.
        weight: Own scores ``(M,)`` by which metrics without a way from the KPI are taken, at least 0.
        given: Strengths ``(M, M)`` in [0, 1], cause -> effect, of edges that are known.
        kpi: The metric to explain; None if nothing but the anomalies themselves is.
        learned: Likewise of edges that were learned, none of which is among the given.
    """
    degree = anomalies.own**2 / (1 + anomalies.own**2)
    explained = _explanations(anomalies, degree, given, 1.0)
    if learned is not None:
        explained = csr_array(explained + _explanations(anomalies, degree, _LEARNED * learned, _TOGETHER))
    rest = degree * np.exp(csr_array(_log_unexplained(explained)).sum(0)) + _LEAST
    total = rest + explained.sum(0)
    transitions = csr_array(diags_array(1 / total) @ explained.T)
    begin = _spread(weight, kpi)
    starts = begin[:, None] if kpi is None else np.column_stack([begin, np.arange(len(degree)) == kpi])
    walks = splu(csc_array(eye_array(len(degree)) - transitions.T)).solve(starts.astype(float))
    rests = walks * (rest / total)[:, None]
    score, direct = _without_kpi(rests, begin * rest / total, kpi)
    return Blame(score, score - direct, transitions, kpi)


def _without_kpi(rests: Floats, direct: Floats, kpi: int | None) -> tuple[Floats, Floats]:
    """Return where blame rests ``(M,)``, none at the KPI, and the part of it that began where it rests.

    Half is sent from everywhere, half from the KPI; what stays at the KPI is unexplained and sent from everywhere too.
    """
    everywhere, from_kpi = rests[:, 0].copy(), np.zeros(len(rests))
    share = 1.0
    if kpi is not None:
        everywhere[kpi] = 0
        from_kpi = _FROM_KPI * rests[:, 1]
        share = 1 - _FROM_KPI + from_kpi[kpi]
        from_kpi[kpi] = 0
    share /= everywhere.sum()
    return from_kpi + share * everywhere, share * direct


def _spread(weight: Floats, kpi: int | None) -> Floats:
    """Return where blame begins apart from the KPI ``(M,)``: at all others, by log(1 + weight)."""
    spread: Floats = np.log1p(weight) + _LEAST
    if kpi is not None:
        spread[kpi] = 0
    spread /= spread.sum()
    return spread


def by_entity(score: Floats, entity_of: Ints, kpi: int | None) -> list[tuple[int, int]]:
    """Return the entities from most to least blamed, each with its most blamed metric; the KPI itself is none of them."""
    order = np.argsort(-score, kind="stable")
    order = order if kpi is None else order[order != kpi]
    entities, first = np.unique(entity_of[order], return_index=True)
    ranked = np.argsort(first)
    return [(int(entities[r]), int(order[first[r]])) for r in ranked]


def _explanations(anomalies: Anomalies, degree: Floats, edges: csr_array, together: float) -> csr_array:
    """Return e_ji, ``(M, M)`` cause -> effect, for the edges there are."""
    entries = edges.tocoo()
    cause, effect = entries.coords
    course, onset = np.maximum(anomalies.course - 1, 0), anomalies.onset
    length = np.linalg.norm(course, axis=0) + 1e-12
    alike = np.einsum("ne,ne->e", course[:, cause], course[:, effect]) / (length[cause] * length[effect])
    in_time = np.where(onset[cause] <= onset[effect], 1.0, _LATE)
    in_time = np.where((onset[cause] == onset[effect]) & np.isfinite(onset[cause]), together, in_time)
    values = np.minimum(entries.data * degree[cause] * alike * in_time, _MOST)
    explained = csr_array((values, (cause, effect)), shape=edges.shape)
    explained.eliminate_zeros()
    return explained


def _log_unexplained(explained: csr_array) -> csr_array:
    unexplained = explained.copy()
    unexplained.data = np.log1p(-unexplained.data)
    return unexplained
