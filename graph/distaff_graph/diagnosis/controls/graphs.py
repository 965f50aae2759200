"""Controls that use a graph: order of onsets, recency and PageRank on a given one, PageRank on one that PC learns.

Without a given graph, all metrics may act on the KPI.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from distaff.incidents.base import CaseView
from distaff.incidents.rankings import Explanation
from distaff_data.arrays import Bools, Floats
from distaff_data.errors import InputError, first_line
from distaff_graph.diagnosis.controls.ranking import floor_scaled, given_graph, ranked_metrics
from distaff_graph.diagnosis.watch import TriggeredDiagnoser

_CHANGED = 3.0  # floor-scaled deviations
_DAMPING = 0.85
_TURNS, _TOLERANCE = 500, 1e-12
_LEVEL, _NOISE = 0.05, 1e-3


class OnsetOrder(TriggeredDiagnoser):
    """Whatever changed first; what the graph says cannot act on the KPI comes last."""

    name: ClassVar[str] = "onset_order"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    reads_graph: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by onset, earliest first; equal onsets by deviation, ancestors of the KPI before all others."""
        deviations = floor_scaled(view)
        changed = deviations > _CHANGED
        onset = np.where(changed.any(0), changed.argmax(0), len(deviations))
        largest = deviations.max(0)
        tie = largest / (1 + largest)
        ancestors = _ancestors(given_graph(view), view.topology.kpi)
        return ranked_metrics(view, len(deviations) - onset + tie + (len(deviations) + 1.0) * ancestors)


class Recency(TriggeredDiagnoser):
    """Whatever changed last before an alarm, direct causes of an alarm first.

    This is causRCA's recency with a causal prior (CIRPe 2025).
    Alarms are the KPI and whatever the graph gives no effect, that never moved before the onset and does after it. With
    several of them their lists are interleaved, the latest alarm's first.
    """

    name: ClassVar[str] = "recency"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    reads_graph: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by the place in the interleaved lists of direct causes, then of all others; equal rows by deviation."""
        edges = given_graph(view)
        largest = floor_scaled(view).max(0)
        alarms = _alarms(view, edges)
        direct = (edges[:, [metric for metric, _ in alarms if metric is not None]].sum(1) > 0).astype(bool)
        scores = np.full(len(direct), -np.inf)
        for first, members in ((0.0, direct), (-float(len(direct) * len(alarms)), ~direct)):
            for number, (_, row) in enumerate(alarms):
                last = _last_change(view, row)
                keys = np.stack([-largest, -last, ~members])
                order = np.lexsort(keys)
                further = (np.diff(keys[:, order], axis=1) != 0).any(
                    0
                )  # than the one before; else both share its place
                place = np.empty(len(order))
                place[order] = np.maximum.accumulate(np.arange(len(order)) * np.concatenate([[True], further]))
                place = place * len(alarms) + number
                scores = np.where(members & (last >= 0), np.maximum(scores, first - place), scores)
        unranked = -2.0 * len(direct) * len(alarms) - 1 + largest / (1 + largest)
        return ranked_metrics(view, np.where(np.isfinite(scores), scores, unranked))


class PageRank(TriggeredDiagnoser):
    """PageRank on the given graph turned round, so that weight flows from effects to causes."""

    name: ClassVar[str] = "pagerank"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    reads_graph: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by :func:`page_rank` on the given graph."""
        return ranked_metrics(view, page_rank(view, given_graph(view)))


class PCPageRank(TriggeredDiagnoser):
    """PageRank on the graph that PC learns from all rows, through ``causal-learn`` (RCAEval's PC-PageRank, ASE 2024).

    Raises:
        InputError: ``causal-learn`` is not installed.
    """

    name: ClassVar[str] = "pagerank_pc"
    control: ClassVar[bool] = True
    learns_graph: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by :func:`page_rank` on PC's graph."""
        return ranked_metrics(view, page_rank(view, pc_graph(view)))


def page_rank(view: CaseView, edges: csr_array) -> Floats:
    """Return the stationary share of each metric, ``(M,)``, on edges ``(M, M)``; equal shares by deviation."""
    reverse = edges.T.astype(float)
    degree = reverse.sum(1)
    steps = csr_array(reverse.multiply(np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)[:, None]))
    share = _stationary(steps, degree == 0)
    largest = floor_scaled(view).max(0)
    scores: Floats = np.round(share, 9) + 1e-9 * largest / (1 + largest)
    return scores


def pc_graph(view: CaseView) -> csr_array:
    """Return what PC finds among the metrics that move, cause -> effect, bool ``(M, M)``.

    Fisher's z at the level 0.05 over the rows as independent draws; an edge without a direction counts both ways.

    Raises:
        InputError: ``causal-learn`` is not installed, or there are too few rows for its tests.
    """
    try:
        from causallearn.search.ConstraintBased.PC import pc
    except ImportError as error:
        raise InputError('pagerank_pc needs the package causal-learn: pip install "distaff[pc]"') from error
    rows = np.vstack([view.normal, view.abnormal])
    spread = rows.std(0)
    moving = np.flatnonzero(spread > 1e-9 * np.abs(rows).max(0))
    standard = (rows[:, moving] - rows[:, moving].mean(0)) / spread[moving]
    # Metrics that are copies of one another have no partial correlation.
    noisy = standard + _NOISE * view.generator.standard_normal(standard.shape)
    try:
        ends = pc(
            noisy, alpha=_LEVEL, indep_test="fisherz", show_progress=False
        ).G.graph  # (i, j): -1 tail, 1 head at i
    except ValueError as error:  # the test of two metrics given s others takes s + 3 rows
        message = f"PC cannot test {len(moving)} metrics on {len(rows)} rows: {first_line(error)}"
        raise InputError(message) from error
    edges = np.zeros((rows.shape[1], rows.shape[1]), dtype=bool)
    edges[np.ix_(moving, moving)] = (ends == -1) & (ends.T != 0)
    return csr_array(edges)


def _alarms(view: CaseView, edges: csr_array) -> list[tuple[int | None, int]]:
    """Return alarms and the rows in which they first changed, the latest first; the last row where there is none."""
    rows = np.vstack([view.normal[-1:], view.abnormal])
    changes = np.diff(rows, axis=0) != 0
    sinks = (edges.sum(1) == 0) & (edges.sum(0) > 0) & (np.ptp(view.normal, 0) == 0)
    if view.topology.kpi is not None:
        sinks[view.topology.kpi] = True
    moved = np.flatnonzero(sinks & changes.any(0))
    first = len(view.normal) + changes.argmax(0)
    alarms = sorted(((int(metric), int(first[metric])) for metric in moved), key=lambda alarm: -alarm[1])
    return list(alarms) or [(None, len(view.normal) + len(view.abnormal) - 1)]


def _last_change(view: CaseView, row: int) -> Floats:
    """Return the latest row up to ``row`` in which each metric changed, ``(M,)``; -1 if it never did."""
    rows = np.vstack([view.normal, view.abnormal])[: row + 1]
    changes = np.diff(rows, axis=0) != 0
    last: Floats = np.where(changes.any(0), len(changes) - changes[::-1].argmax(0), -1).astype(float)
    return last


def _ancestors(edges: csr_array, kpi: int | None) -> Bools:
    """Return which metrics have a way to the KPI, ``(M,)``; all where there is no KPI or no edge."""
    n = edges.shape[0]
    if kpi is None or not edges.nnz:
        return np.ones(n, dtype=bool)
    ancestors = np.zeros(n, dtype=bool)
    ancestors[breadth_first_order(csr_array(edges.T), kpi, return_predecessors=False)] = True
    return ancestors


def _stationary(steps: csr_array, dangling: Bools) -> Floats:
    """Return PageRank by power iteration; where a metric has no cause, the walk begins anew."""
    n = steps.shape[0]
    share: Floats = np.full(n, 1 / n)
    for _ in range(_TURNS):
        after: Floats = _DAMPING * (steps.T @ share + share[dangling].sum() / n) + (1 - _DAMPING) / n
        if np.abs(after - share).sum() < _TOLERANCE:
            return after
        share = after
    return share
