"""PetShop's baseline (Hardt et al., CLeaR 2024): from the KPI over anomalous metrics to one without an anomalous cause."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from distaff.incidents.base import CaseView
from distaff.incidents.rankings import Explanation
from distaff_data.arrays import Bools, Floats
from distaff_data.datasets.incidents import metric_of
from distaff_graph.diagnosis.controls.ranking import floor_scaled, given_graph, ranked_metrics
from distaff_graph.diagnosis.watch import TriggeredDiagnoser

_ANOMALOUS = 5.0  # median absolute deviations, times 1.4826
_LEAST = 10  # values that tell what is normal
_MOST = 1000.0  # median absolute deviations that are counted
_FIRST_ROW = 2  # the baseline lets a fault build up for two rows, then waits for the KPI


class Traversal(TriggeredDiagnoser):
    """Looks at metrics of the KPI's kind in one row, the third or the first one after it in which the KPI is anomalous.

    A metric is a root cause if it is anomalous in that row, no cause of it is, and the KPI is reached from it over
    anomalous metrics; its score is the largest sum of scores on such a way. Metrics that call one another in a circle, which
    the baseline refuses, count as one.
    """

    name: ClassVar[str] = "traversal"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    reads_graph: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank root causes by their largest sum, and after them all others by deviation."""
        largest = floor_scaled(view).max(0)
        scores: Floats = largest / (1 + largest)
        deviations = _median_deviations(view)
        row = _row(deviations, view.topology.kpi)
        if row is None:
            return ranked_metrics(view, scores)
        edges = given_graph(view)
        anomalous = (deviations[row] > _ANOMALOUS) & _of_kind(view)
        among = csr_array(edges.multiply(np.outer(anomalous, anomalous)))
        among.eliminate_zeros()
        ways = _ways(among, np.where(anomalous, deviations[row], 0.0), view.topology.kpi if edges.nnz else None)
        roots = anomalous & np.isfinite(ways)
        scores[roots] = 1 + ways[roots]
        return ranked_metrics(view, scores)


def _median_deviations(view: CaseView) -> Floats:
    """Return |x - median| / (1.4826 MAD) of the abnormal rows ``(m, M)``, over the values that were measured.

    The baseline skips missing values, and metrics with less than ten values. Here gaps repeat the last value, so what
    repeats is no measurement, unless it is 0 or the metric's largest value, like full availability. Where more than half of
    the values are equal, any other is as anomalous as can be.
    """
    rows, n = np.vstack([view.normal, view.abnormal]), len(view.normal)
    limits = (rows == 0) | (rows == rows.max(0))
    measured = np.vstack([np.ones((1, rows.shape[1]), dtype=bool), np.diff(rows, axis=0) != 0]) | limits
    enough = measured[:n].sum(0) >= min(_LEAST, n)
    seen = np.where(measured[:n] | ~enough, view.normal, np.nan)
    middle = np.nanmedian(seen, axis=0)
    spread = 1.4826 * np.nanmedian(np.abs(seen - middle), axis=0)
    away = np.abs(view.abnormal - middle)
    deviations = np.divide(away, spread, out=np.where(away > 0, _MOST, 0.0), where=spread > 0)
    return np.where(measured[n:] & enough, np.minimum(deviations, _MOST), 0.0)


def _row(deviations: Floats, kpi: int | None) -> int | None:
    """Return the row that is looked at; None if the KPI is never anomalous."""
    first = min(_FIRST_ROW, len(deviations) - 1)
    if kpi is None:
        return first + int(deviations[first:].sum(1).argmax())
    shown = np.flatnonzero(deviations[first:, kpi] > _ANOMALOUS)
    return first + int(shown[0]) if len(shown) else None


def _of_kind(view: CaseView) -> Bools:
    """Return which metrics are of the KPI's kind, ``(M,)``; all where no other entity has one."""
    columns, kpi = view.topology.columns, view.topology.kpi
    if kpi is None:
        return np.ones(len(columns), dtype=bool)
    same = np.array([metric_of(column) == metric_of(columns[kpi]) for column in columns])
    return same if same.sum() > 1 else np.ones(len(columns), dtype=bool)


def _ways(among: csr_array, score: Floats, kpi: int | None) -> Floats:
    """Return the largest sum of scores on a way from each metric that has no cause to the KPI, ``(M,)``.

    Without a KPI it is that of the metric alone. Minus infinity for metrics that have a cause outside of their
    circle, and for those without a way.
    """
    count, circle = connected_components(among, connection="strong")
    total = np.bincount(circle, score, count)
    cause, effect = (circle[place] for place in among.tocoo().coords)
    cause, effect = cause[cause != effect], effect[cause != effect]
    best = total.copy()
    if kpi is not None:
        best = np.where(np.arange(count) == circle[kpi], total, -np.inf)
        for _ in range(count):
            after = best.copy()
            np.maximum.at(after, cause, total[cause] + best[effect])
            if np.array_equal(after, best):
                break
            best = after
    best[effect] = -np.inf
    ways: Floats = best[circle]
    return ways
