"""RCD: whatever an incident, taken as a variable of its own, still acts on when everything else is held (NeurIPS 2022).

Normal and abnormal rows are told apart by one more variable, the incident. A metric is a cause if no set of other metrics
makes it independent of that variable; sets are looked for among few metrics at a time, at random, and what is left is put
together until nothing falls out (Ikram et al., *Root Cause Analysis of Failures in Microservices through Causal Discovery*).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

import numpy as np
from scipy import stats

from distaff.incidents.base import CaseView
from distaff.incidents.rankings import Explanation
from distaff_data.arrays import Ints
from distaff_graph.diagnosis.controls.ranking import ranked_metrics
from distaff_graph.diagnosis.watch import TriggeredDiagnoser

_BINS = 5
_AT_A_TIME = 5
_FIRST_LEVEL, _LEVELS = 0.01, np.arange(0.001, 1.0, 0.1)  # of the tests: among few metrics, and of what is left
_TURNS = 100


class RCD(TriggeredDiagnoser):
    """Causes in the order in which tests of rising level find them; whatever they do not find comes last, tied.

    As the authors run it: five bins a metric by one-dimensional k-means, chi-squared tests, five metrics at a time, only
    edges of the incident are learned. Where more than five are left, sets of more than four metrics are not tried: the
    authors' number of tests doubles with each metric.
    """

    name: ClassVar[str] = "rcd"
    control: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by the place at which a metric was found."""
        rows = np.vstack([view.normal, view.abnormal])
        incident = np.repeat([0, 1], [len(view.normal), len(view.abnormal)])
        moving = [int(m) for m in np.flatnonzero(np.ptp(rows, axis=0) > 0) if m != view.topology.kpi]
        codes = {metric: binned(rows[:, metric]) for metric in moving}
        left = _hierarchy(moving, codes, incident, view.generator)
        found = _in_order(left, codes, incident, _LEVELS, len(left))
        scores = np.zeros(rows.shape[1])
        scores[found] = np.arange(len(found), 0, -1)
        return ranked_metrics(view, scores)


def binned(values: np.ndarray) -> Ints:
    """Return the bin of each value, 0 to 4, by k-means from bins of equal width (Lloyd's algorithm), ``(n,)``."""
    low, high = values.min(), values.max()
    centres = low + (high - low) * (np.arange(_BINS) + 0.5) / _BINS
    codes = np.zeros(len(values), dtype=np.int64)
    for _ in range(_TURNS):
        codes = np.searchsorted((centres[1:] + centres[:-1]) / 2, values).astype(np.int64)
        count = np.bincount(codes, minlength=_BINS)
        after = np.where(count > 0, np.bincount(codes, values, _BINS) / np.maximum(count, 1), centres)
        if np.array_equal(after, centres):
            break
        centres = np.sort(after)
    return codes


def independence(first: Ints, second: Ints, given: Sequence[Ints] = ()) -> float:
    """Return the p-value of the chi-squared test that two variables are independent within each stratum of others.

    Degrees of freedom are those of the rows and columns that a stratum has; with none the p-value is 1.
    """
    stratum = np.zeros(len(first), dtype=np.int64)
    for codes in given:
        stratum = np.unique(stratum * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    shape = int(stratum.max()) + 1, int(first.max()) + 1, int(second.max()) + 1
    table = np.bincount(np.ravel_multi_index((stratum, first, second), shape), minlength=int(np.prod(shape)))
    table = table.reshape(shape).astype(float)
    rows, columns = table.sum(2), table.sum(1)
    expected = rows[:, :, None] * columns[:, None, :] / rows.sum(1)[:, None, None]
    statistic = ((table - expected) ** 2 / np.where(expected > 0, expected, 1.0)).sum()
    freedom = (((rows > 0).sum(1) - 1) * ((columns > 0).sum(1) - 1)).sum()
    return float(stats.chi2.sf(statistic, freedom)) if freedom > 0 else 1.0


def _hierarchy(metrics: list[int], codes: dict[int, Ints], incident: Ints, rng: np.random.Generator) -> list[int]:
    """Return the metrics that remain when groups of five are tested again and again."""
    while True:
        drawn = [int(metric) for metric in rng.permutation(metrics)]
        groups = [drawn[start : start + _AT_A_TIME] for start in range(0, len(drawn), _AT_A_TIME)]
        levels = np.arange(_FIRST_LEVEL, 1.0, 0.1)
        left = [metric for group in groups for metric in _in_order(group, codes, incident, levels, 1)]
        if len(left) <= _AT_A_TIME or len(left) == len(metrics):
            return left
        metrics = left


def _in_order(
    metrics: Sequence[int], codes: dict[int, Ints], incident: Ints, levels: np.ndarray, enough: int
) -> list[int]:
    """Return the metrics that depend on the incident, found at the strictest level first, until there are enough."""
    found: list[int] = []
    for level in levels:
        p_values = _depending(metrics, codes, incident, float(level))
        found += sorted((m for m in p_values if m not in found), key=lambda metric: p_values[metric])
        if len(found) >= enough:
            break
    return found


def _depending(metrics: Sequence[int], codes: dict[int, Ints], incident: Ints, level: float) -> dict[int, float]:
    """Return the metrics that no set of the others makes independent of the incident, with their last p-value."""
    p_values = dict.fromkeys(metrics, 0.0)
    for size in range(min(len(metrics), _AT_A_TIME)):
        for metric in list(p_values):
            others = [other for other in p_values if other != metric]
            for chosen in combinations(others, size):
                p = independence(incident, codes[metric], [codes[other] for other in chosen])
                if p > level:
                    del p_values[metric]
                    break
                p_values[metric] = p
    return p_values
