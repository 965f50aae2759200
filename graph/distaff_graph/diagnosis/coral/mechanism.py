"""The test of a metric that follows its causes: the error of the normal state's prediction, in predictive standard errors.

A valve that does not move when it was told to looks perfectly normal by itself; only its causes tell that it broke. Each
metric is regressed on its parents in the graph over the normal state, and the present rows are judged by

    e_t / sqrt(s^2 (1 + f_t^T (F^T F)^{-1} f_t)),

the classical error of a prediction at features f_t. Where the parents themselves are far from where they ever were, the
prediction says little and its error is large, so that an effect is not called broken because its cause is.
"""

from __future__ import annotations

import numpy as np

from distaff_data.arrays import Bools, Floats, Ints
from distaff_graph.diagnosis.coral.moments import LagMoments
from distaff_graph.diagnosis.coral.regression import EMPTY, Problem, fit
from distaff_graph.diagnosis.coral.scores import MOST
from distaff_graph.diagnosis.coral.search import ROWS_PER_PARENT

_MOST_PARENTS = 12
_LEAST_ERROR = 1e-3  # of a metric's own spread: below that, a prediction is exact


class Mechanisms:
    """The regressions of metrics on their parents in the normal state.

    Args:
        normal: Moments of the normal state, whose tail the rows to be judged follow.
        parents: ``(M, M)``, cause -> effect.
    """

    def __init__(self, normal: LagMoments, parents: Bools) -> None:
        n_metrics, blocks = normal.n_metrics, normal.n_lags + 1
        self._normal, mean = normal, normal.mean()
        gram = normal.centred(mean)
        spread = np.sqrt(np.diag(gram)[:n_metrics] / max(normal.n_rows, 1.0))
        moving = spread > 1e-6 * np.abs(mean)
        self._mean = np.tile(mean, blocks)
        self._unit = np.tile(np.divide(1.0, spread, out=np.zeros_like(spread), where=moving), blocks)
        gram = gram * np.outer(self._unit, self._unit)
        no_columns = np.zeros((n_metrics, 0), np.int64)
        problem = Problem(gram, gram[:, :n_metrics], np.diag(gram)[:n_metrics], normal.n_rows, no_columns)
        columns = _columns(problem, parents & moving[:, None] & moving, blocks)
        # Of few rows a regression on many columns explains everything, and whatever comes next looks broken.
        self._fitted = fit(problem, columns[:, : int(normal.n_rows / ROWS_PER_PARENT)])

    def broken(self, rows: Floats) -> Floats:
        """Return standardised errors ``(n, M)`` of rows that follow the normal ones; 0 for a metric without parents."""
        fitted, n_rows = self._fitted, max(self._normal.n_rows, 1.0)
        features = (self._normal.stack(rows)[:, 1:] - self._mean) * self._unit
        inputs = np.where(fitted.columns == EMPTY, 0.0, features[:, np.maximum(fitted.columns, 0)])
        error = features[:, : self._normal.n_metrics] - np.einsum("nkc,kc->nk", inputs, fitted.coefficients)
        left = np.maximum(n_rows - (fitted.support != EMPTY).sum(1), 1.0)
        deviation = np.sqrt(fitted.rss / left) + _LEAST_ERROR
        leverage = np.einsum("nkc,kcd,nkd->nk", inputs, fitted.inverse, inputs, optimize=True)
        standard = error / (deviation * np.sqrt(1 + leverage))
        has_parents = (fitted.support != EMPTY).any(1)
        return np.where(has_parents, np.clip(standard, -MOST, MOST), 0.0)


def _columns(problem: Problem, parents: Bools, n_blocks: int) -> Ints:
    """Return all lags of up to ``_MOST_PARENTS`` parents of each metric, those that it goes with most."""
    n = problem.n_targets
    alone = np.abs(problem.gram[:n, :n])
    ranked = np.argsort(-np.where(parents, alone, -1.0), axis=0)[:_MOST_PARENTS].T
    present = np.take_along_axis(parents.T, ranked, axis=1)
    lagged = ranked[:, :, None] + n * np.arange(n_blocks)
    return np.where(present[:, :, None], lagged, EMPTY).reshape(n, -1)
