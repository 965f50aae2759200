"""Controls that use a given graph: order of onsets, PageRank, traversal. Without one, all may act on the KPI."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from distaff.diagnoser import Evidence
from distaff_data.incidents import Flags, Floats
from distaff_graph.coral.graph import oriented
from distaff_graph.root_cause_controls.ranker import Ranker, floor_scaled

_ANOMALOUS = 5.0  # floor-scaled deviations; PetShop's traversal takes as many median absolute deviations
_CHANGED = 3.0
_DAMPING = 0.85
_TURNS, _TOLERANCE = 500, 1e-12


class OnsetOrder(Ranker):
    """Whatever changed first; what the graph says cannot act on the KPI comes last (causRCA's recency with a prior)."""

    name: ClassVar[str] = "onset_order"

    def scores(self, evidence: Evidence) -> Floats:
        """Earlier scores higher; equal onsets by deviation, ancestors of the KPI before all others."""
        deviations = floor_scaled(evidence)
        changed = deviations > _CHANGED
        onset = np.where(changed.any(0), changed.argmax(0), len(deviations))
        largest = deviations.max(0)
        tie = largest / (1 + largest)
        ancestors = _ancestors(causes(evidence), evidence.case.kpi)
        order: Floats = len(deviations) - onset + tie + (len(deviations) + 1.0) * ancestors
        return order


class PageRank(Ranker):
    """PageRank on the graph turned round, so that weight flows from effects to causes."""

    name: ClassVar[str] = "pagerank"

    def scores(self, evidence: Evidence) -> Floats:
        """Stationary share of each metric; equal shares, as without a graph, by deviation."""
        edges = causes(evidence).T.astype(float)
        degree = edges.sum(1)
        moves = csr_array(edges.multiply(np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)[:, None]))
        share = _stationary(moves, degree == 0)
        largest = floor_scaled(evidence).max(0)
        scores: Floats = np.round(share, 9) + 1e-9 * largest / (1 + largest)
        return scores


class Traversal(Ranker):
    """Anomalous metrics that the KPI reaches over anomalous ones, and that have no anomalous cause (PetShop, CLeaR 2024)."""

    name: ClassVar[str] = "traversal"

    def scores(self, evidence: Evidence) -> Floats:
        """Deviation; ends of such paths come first, other metrics after them."""
        largest = floor_scaled(evidence).max(0)
        anomalous = largest > _ANOMALOUS
        if evidence.case.kpi is not None:
            anomalous[evidence.case.kpi] = True
        among = csr_array(causes(evidence).multiply(np.outer(anomalous, anomalous)))
        reached = anomalous & _ancestors(among, evidence.case.kpi)
        ends = reached & (among.sum(0) == 0)
        scores: Floats = largest / (1 + largest) + ends
        return scores


def causes(evidence: Evidence) -> csr_array:
    """The given graph among metrics, cause -> effect as it is read best for the KPI, bool ``(M, M)``."""
    edges = csr_array(evidence.case.prior(evidence.edges).known)
    return edges if evidence.case.kpi is None or not edges.nnz else oriented(edges, evidence.case.kpi)


def _ancestors(edges: csr_array, kpi: int | None) -> Flags:
    """Metrics with a way to the KPI; all where there is no KPI or no edge."""
    n = edges.shape[0]
    if kpi is None or not edges.nnz:
        return np.ones(n, dtype=bool)
    found = np.zeros(n, dtype=bool)
    found[breadth_first_order(csr_array(edges.T), kpi, return_predecessors=False)] = True
    return found


def _stationary(moves: csr_array, dangling: Flags) -> Floats:
    """PageRank by power iteration; where a metric has no cause, the walk begins anew."""
    n = moves.shape[0]
    share: Floats = np.full(n, 1 / n)
    for _ in range(_TURNS):
        after: Floats = _DAMPING * (moves.T @ share + share[dangling].sum() / n) + (1 - _DAMPING) / n
        if np.abs(after - share).sum() < _TOLERANCE:
            return after
        share = after
    return share
