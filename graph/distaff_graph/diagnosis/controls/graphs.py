"""Controls that use a given graph: order of onsets, recency, PageRank. Without one, all may act on the KPI.

PageRank is also there on a graph that PC learns.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from distaff.incidents.base import Evidence
from distaff_data.arrays import Bools, Floats
from distaff_data.errors import InputError
from distaff_graph.diagnosis.controls.ranker import Ranker, floor_scaled
from distaff_graph.diagnosis.coral.graph import oriented

_CHANGED = 3.0  # floor-scaled deviations
_DAMPING = 0.85
_TURNS, _TOLERANCE = 500, 1e-12
_LEVEL, _NOISE = 0.05, 1e-3


class OnsetOrder(Ranker):
    """Whatever changed first; what the graph says cannot act on the KPI comes last ."""

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


class Recency(Ranker):
    """Whatever changed last before an alarm, direct causes of an alarm first.

    This is causRCA's recency with a causal prior (CIRPe 2025).
    Alarms are the KPI and whatever the graph gives no effect, that never moved before the onset and does after it. With
    several of them their lists are interleaved, the latest alarm's first.
    """

    name: ClassVar[str] = "recency"

    def scores(self, evidence: Evidence) -> Floats:
        """Minus the place in the interleaved lists of direct causes, then of all others; equal rows by deviation."""
        edges = causes(evidence)
        largest = floor_scaled(evidence).max(0)
        alarms = _alarms(evidence, edges)
        direct = (edges[:, [metric for metric, _ in alarms if metric is not None]].sum(1) > 0).astype(bool)
        scores = np.full(len(direct), -np.inf)
        for first, members in ((0.0, direct), (-float(len(direct) * len(alarms)), ~direct)):
            for number, (_, row) in enumerate(alarms):
                last = _last_change(evidence, row)
                order = np.lexsort([-largest, -last, ~members])
                place = np.empty(len(order))
                place[order] = np.arange(len(order)) * len(alarms) + number
                scores = np.where(members & (last >= 0), np.maximum(scores, first - place), scores)
        unranked = -2.0 * len(direct) * len(alarms) - 1 + largest / (1 + largest)
        return np.where(np.isfinite(scores), scores, unranked)


class PageRank(Ranker):
    """PageRank on the graph turned round, so that weight flows from effects to causes."""

    name: ClassVar[str] = "pagerank"

    def scores(self, evidence: Evidence) -> Floats:
        """Stationary share of each metric; equal shares, as without a graph, by deviation."""
        edges = self.edges(evidence).T.astype(float)
        degree = edges.sum(1)
        moves = csr_array(edges.multiply(np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)[:, None]))
        share = _stationary(moves, degree == 0)
        largest = floor_scaled(evidence).max(0)
        scores: Floats = np.round(share, 9) + 1e-9 * largest / (1 + largest)
        return scores

    def edges(self, evidence: Evidence) -> csr_array:
        """The graph, cause -> effect, ``(M, M)``."""
        return causes(evidence)


class PCPageRank(PageRank):
    """PageRank on the graph that PC learns from all rows, through ``causal-learn`` (RCAEval's PC-PageRank, ASE 2024).

    Fisher's z at the level 0.05 over the rows as independent draws; an edge without a direction counts both ways.

    Raises:
        InputError: ``causal-learn`` is not installed.
    """

    name: ClassVar[str] = "pagerank_pc"

    def edges(self, evidence: Evidence) -> csr_array:
        """What PC finds among the metrics that move."""
        try:
            from causallearn.search.ConstraintBased.PC import pc
        except ImportError as error:
            raise InputError('pagerank_pc needs the package causal-learn: pip install "distaff[pc]"') from error
        rows = np.vstack([evidence.normal, evidence.abnormal])
        spread = rows.std(0)
        moving = np.flatnonzero(spread > 1e-9 * np.abs(rows).max(0))
        standard = (rows[:, moving] - rows[:, moving].mean(0)) / spread[moving]
        # Metrics that are copies of one another have no partial correlation.
        noisy = standard + _NOISE * evidence.generator.standard_normal(standard.shape)
        ends = pc(
            noisy, alpha=_LEVEL, indep_test="fisherz", show_progress=False
        ).G.graph  # (i, j): -1 tail, 1 head at i
        found = np.zeros((rows.shape[1], rows.shape[1]), dtype=bool)
        found[np.ix_(moving, moving)] = (ends == -1) & (ends.T != 0)
        return csr_array(found)


def causes(evidence: Evidence) -> csr_array:
    """The given graph among metrics, cause -> effect as it is read best for the KPI, bool ``(M, M)``."""
    edges = csr_array(evidence.case.prior(evidence.edges).known)
    return edges if evidence.case.kpi is None or not edges.nnz else oriented(edges, evidence.case.kpi)


def _alarms(evidence: Evidence, edges: csr_array) -> list[tuple[int | None, int]]:
    """Alarms and the rows of the case in which they first changed, the latest first; the last row where there is none."""
    rows = np.vstack([evidence.normal[-1:], evidence.abnormal])
    moves = np.diff(rows, axis=0) != 0
    sinks = (edges.sum(1) == 0) & (edges.sum(0) > 0) & (np.ptp(evidence.normal, 0) == 0)
    if evidence.case.kpi is not None:
        sinks[evidence.case.kpi] = True
    found = np.flatnonzero(sinks & moves.any(0))
    first = len(evidence.normal) + moves.argmax(0)
    alarms = sorted(((int(metric), int(first[metric])) for metric in found), key=lambda one: -one[1])
    return list(alarms) or [(None, len(evidence.normal) + len(evidence.abnormal) - 1)]


def _last_change(evidence: Evidence, row: int) -> Floats:
    """Latest row up to ``row`` in which each metric changed, ``(M,)``; -1 if it never did."""
    rows = np.vstack([evidence.normal, evidence.abnormal])[: row + 1]
    moves = np.diff(rows, axis=0) != 0
    last: Floats = np.where(moves.any(0), len(moves) - moves[::-1].argmax(0), -1).astype(float)
    return last


def _ancestors(edges: csr_array, kpi: int | None) -> Bools:
    """Metrics with a way to the KPI; all where there is no KPI or no edge."""
    n = edges.shape[0]
    if kpi is None or not edges.nnz:
        return np.ones(n, dtype=bool)
    found = np.zeros(n, dtype=bool)
    found[breadth_first_order(csr_array(edges.T), kpi, return_predecessors=False)] = True
    return found


def _stationary(moves: csr_array, dangling: Bools) -> Floats:
    """PageRank by power iteration; where a metric has no cause, the walk begins anew."""
    n = moves.shape[0]
    share: Floats = np.full(n, 1 / n)
    for _ in range(_TURNS):
        after: Floats = _DAMPING * (moves.T @ share + share[dangling].sum() / n) + (1 - _DAMPING) / n
        if np.abs(after - share).sum() < _TOLERANCE:
            return after
        share = after
    return share
