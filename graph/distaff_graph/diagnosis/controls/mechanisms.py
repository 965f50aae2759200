"""Tests of mechanisms: a metric that left its normal is to blame where its causes do not explain it (CIRCA, KDD 2022).

Each metric is regressed on its causes in the graph over the normal rows, and what is left of the abnormal rows is measured
in standard deviations of what was left of the normal ones. An intervention on a metric changes what is left of it, and of
nothing downstream of it (Li et al., *Causal Inference-Based Root Cause Analysis for Online Service Systems with
Intervention Recognition*).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array

from distaff.incidents.base import CaseView
from distaff.incidents.rankings import Explanation
from distaff_data.arrays import Floats
from distaff_graph.diagnosis.controls.graphs import pc_graph
from distaff_graph.diagnosis.controls.ranking import given_graph, ranked_metrics
from distaff_graph.diagnosis.watch import TriggeredDiagnoser

_ANOMALOUS = 3.0  # standard deviations, as in the authors' experiments
_NOTHING = 1e-9  # share of a metric's spread below which nothing is left of it


class HypothesisTest(TriggeredDiagnoser):
    """Regression-based hypothesis tests alone: the largest |z| that a metric's causes leave."""

    name: ClassVar[str] = "hypothesis_test"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    reads_graph: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by :func:`unexplained`."""
        return ranked_metrics(view, unexplained(view, given_graph(view)))


class CIRCA(TriggeredDiagnoser):
    """Hypothesis tests, adjusted by descendants: what made others anomalous too comes before what did not."""

    name: ClassVar[str] = "circa"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True
    reads_graph: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by :func:`adjusted` scores on the given graph."""
        edges = given_graph(view)
        return ranked_metrics(view, adjusted(unexplained(view, edges), edges))


class CIRCAOnPC(TriggeredDiagnoser):
    """CIRCA's tests on the graph that PC learns, as RCAEval runs them, where no graph is known (Pham et al., ASE 2024).

    Raises:
        InputError: ``causal-learn`` is not installed.
    """

    name: ClassVar[str] = "circa_pc"
    control: ClassVar[bool] = True
    learns_graph: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by :func:`unexplained` on PC's graph; RCAEval leaves descendants out."""
        return ranked_metrics(view, unexplained(view, pc_graph(view)))


def unexplained(view: CaseView, edges: csr_array) -> Floats:
    """Return the largest |z| of the abnormal rows beyond a least-squares fit on each metric's causes, ``(M,)``.

    The fit has a constant. Where the causes leave nothing of the normal rows (more of them than rows, or a copy), no
    residual can be told from any other, and the metric is measured without them. What was constant is divided by 1, so that
    its unit counts, as by the authors.
    """
    causes = csr_array(edges.T)
    largest = np.zeros(view.normal.shape[1])
    for metric in range(len(largest)):
        parents = causes.indices[causes.indptr[metric] : causes.indptr[metric + 1]]
        parents = parents[parents != metric]
        before, after = view.normal[:, metric], view.abnormal[:, metric]
        spread = before.std()
        if len(parents):
            base, middle = view.normal[:, parents].mean(0), before.mean()
            slopes = np.linalg.lstsq(view.normal[:, parents] - base, before - middle, rcond=None)[0]
            left = before - middle - (view.normal[:, parents] - base) @ slopes
            if left.std() > _NOTHING * spread:
                before, after = left, after - middle - (view.abnormal[:, parents] - base) @ slopes
                spread = left.std()
        largest[metric] = np.abs(after - before.mean()).max() / (spread if spread > 0 else 1.0)
    return largest


def adjusted(scores: Floats, edges: csr_array) -> Floats:
    """Return the scores of anomalous metrics plus the largest one downstream of them, ``(M,)``.

    Downstream are direct effects, and the effects of those that are not anomalous themselves. In a circle a metric may be
    downstream of itself.
    """
    cause, effect = edges.tocoo().coords
    below = np.where(scores < _ANOMALOUS, 0.0, -np.inf)
    downstream = np.full(len(scores), -np.inf)
    for _ in range(len(scores)):
        after = downstream.copy()
        np.maximum.at(after, cause, np.maximum(scores[effect], downstream[effect] + below[effect]))
        if np.array_equal(after, downstream):
            break
        downstream = after
    counts = (scores >= _ANOMALOUS) & np.isfinite(downstream)
    return np.where(counts, scores + np.where(counts, downstream, 0.0), scores)
