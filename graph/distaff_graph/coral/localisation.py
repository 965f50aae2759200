"""Which metric is to blame: a walk from the KPI up the causal graph that stops where nothing upstream explains.

One rule for every kind of graph. Let a_i in [0, 1) be how anomalous metric i is. Parent j *explains* i to the degree

    e_ji = g_ji  a_j  cos_ji  t_ji:

there is an edge (strength g_ji), the parent is anomalous itself, its anomaly has the course of i's (the cosine of both
over the rows), and it did not begin later (t_ji is 1, or a tenth where it did). Blame that arrives at i stays there with
weight a_i prod_j (1 - e_ji), unexplained, and moves to parent j with weight e_ji. It starts at the KPI and, for the
other half, at all metrics by their own scores: what else is wrong in an incident also has causes, seen or not in the
graph. The KPI keeps none. Where blame comes to rest is the score; it sums to 1.

This is a random walk with restart whose restart probability is the node's own unexplained share, solved exactly as a
sparse linear system instead of being simulated. CORAL (Wang et al., KDD 2023) walks with one fixed restart probability
over partial correlations, which ranks well-connected metrics up; with a call graph turned round the rule here is
PetShop's traversal made smooth, without any graph it is the ranking by own scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, diags_array, eye_array
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import spsolve

from distaff_graph.coral.scores import onsets

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_FROM_KPI = 0.5
_LATE = 0.1  # of an explanation that begins after what it explains
_MOST = 0.999  # of a metric that its parents can explain: every walk ends
_LEAST = 1e-6  # weight of resting at a metric that is not anomalous and has no anomalous parent


@dataclass(frozen=True)
class Blame:
    """What the walk says of each of M metrics.

    Attributes:
        own: Own score ``(M,)``, over 1 where a metric is further out than it ever was.
        score: Blame that rests at it ``(M,)``; sums to 1.
        onset: First anomalous row ``(M,)``, infinite where there is none.
        moves: ``(M, M)`` probability that blame moves from an effect to its cause.
        kpi: Position of the KPI, or None.
    """

    own: Array
    score: Array
    onset: Array
    moves: csr_array
    kpi: int | None

    def path(self, cause: int) -> list[int]:
        """The likeliest way from a cause to the KPI, both included; empty if there is none."""
        if self.kpi is None or not self.moves.nnz:
            return []
        lengths = self.moves.copy()
        lengths.data = -np.log(lengths.data) + 1e-12
        distance, previous = dijkstra(lengths, indices=self.kpi, return_predecessors=True)
        way = [cause] if np.isfinite(distance[cause]) else []
        while way and way[-1] != self.kpi:
            way.append(int(previous[way[-1]]))
        return way


def blame(course: Array, weight: Array, edges: csr_array, kpi: int | None) -> Blame:
    """Send blame up the graph.

    Args:
        course: Anomaly of each row ``(n, M)``, at least 0, over 1 where unusual.
        weight: Own scores ``(M,)`` by which metrics without a way from the KPI are taken, at least 0.
        edges: Strengths ``(M, M)`` in [0, 1], cause -> effect.
        kpi: The metric to explain; None if nothing but the anomalies themselves is.
    """
    own, onset = course.max(0), onsets(course)
    degree = own**2 / (1 + own**2)
    explained = _explanations(course, degree, onset, edges)
    rest = degree * np.exp(csr_array(_log_unexplained(explained)).sum(0)) + _LEAST
    if kpi is not None:
        rest[kpi] = _LEAST**2
    total = rest + explained.sum(0)
    moves = csr_array(diags_array(1 / total) @ explained.T)
    arrived = spsolve(csc_array(eye_array(len(own)) - moves.T), start(weight, kpi))
    return Blame(own, np.asarray(arrived * rest / total), onset, moves, kpi)


def start(weight: Array, kpi: int | None) -> Array:
    """Where blame begins ``(M,)``: half at the KPI, half at all others by log(1 + weight)."""
    spread = np.log1p(weight)
    if kpi is not None:
        spread[kpi] = 0
    total = spread.sum()
    spread = spread / total if total > 0 else spread
    if kpi is None:
        return spread if total > 0 else np.full_like(spread, 1 / len(spread))
    begin = (1 - _FROM_KPI) * spread
    begin[kpi] = 1 - begin.sum()
    return begin


def by_entity(score: Array, entity_of: Index, kpi: int | None) -> list[tuple[int, int]]:
    """Entities from most to least blamed, each with its most blamed metric; the KPI itself is none of them."""
    order = np.argsort(-score, kind="stable")
    order = order if kpi is None else order[order != kpi]
    entities, first = np.unique(entity_of[order], return_index=True)
    ranked = np.argsort(first)
    return [(int(entities[r]), int(order[first[r]])) for r in ranked]


def _explanations(course: Array, degree: Array, onset: Array, edges: csr_array) -> csr_array:
    """e_ji, ``(M, M)`` cause -> effect, for the edges there are."""
    entries = edges.tocoo()
    cause, effect = entries.coords
    length = np.linalg.norm(course, axis=0) + 1e-12
    alike = np.einsum("ne,ne->e", course[:, cause], course[:, effect]) / (length[cause] * length[effect])
    in_time = np.where(onset[cause] <= onset[effect], 1.0, _LATE)
    values = np.minimum(entries.data * degree[cause] * alike * in_time, _MOST)
    explained = csr_array((values, (cause, effect)), shape=edges.shape)
    explained.eliminate_zeros()
    return explained


def _log_unexplained(explained: csr_array) -> csr_array:
    left = explained.copy()
    left.data = np.log1p(-left.data)
    return left
