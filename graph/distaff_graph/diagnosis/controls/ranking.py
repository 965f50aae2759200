"""The base of the controls: a ranking by one score a metric, robust deviations, and the given graph."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from distaff.incidents.base import CaseView
from distaff.incidents.rankings import Cause, Explanation
from distaff_data.arrays import Floats


def ranked_metrics(view: CaseView, scores: Floats) -> Explanation:
    """Return the metrics by their scores ``(M,)``, highest first."""
    columns, kpi = view.topology.columns, view.topology.kpi
    order = [int(i) for i in np.argsort(-scores, kind="stable") if i != kpi]
    return tuple(Cause(columns[i], float(scores[i]), own=float(scores[i])) for i in order), ()


def floor_scaled(view: CaseView) -> Floats:
    """Return two-sided robust deviations of the abnormal rows, ``(m, M)``.

    |x - median| / max(IQR / 1.349, sd / 2, |median| / 1000); the floor makes it free of units, and a metric that never moved
    before counts by how far it is from its own size.
    """
    low, middle, high = np.quantile(view.normal, [0.25, 0.5, 0.75], axis=0)
    scale = np.maximum.reduce([(high - low) / 1.349, view.normal.std(0) / 2, np.abs(middle) / 1000])
    size = np.where(scale > 0, scale, np.abs(view.abnormal).max(0) / 1000 + np.finfo(float).tiny)
    deviations: Floats = np.abs(view.abnormal - middle) / size
    return deviations


def given_graph(view: CaseView) -> csr_array:
    """Return the given graph among metrics, cause -> effect, bool ``(M, M)``."""
    return csr_array(view.topology.prior().known)
