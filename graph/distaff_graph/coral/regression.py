"""Many small least-squares fits at once from one Gram matrix, and the choice of parents by an information criterion.

Each of K targets is regressed on the lags of a few *sources* (its parents). All fits are one batched solve over padded
index tables; no row of data is read. Features are laid out lag by lag: feature l K + k is metric k, l steps ago, and a
source brings the features of all ``lags``.

Parents are chosen forward, the source with the largest gain first (orthogonal matching pursuit, by groups: Lozano et
al., NeurIPS 2009), then backward, as long as the extended BIC falls (Chen and Chen, Biometrika 2008):
n log RSS + df (log n + 2 log K), where df counts the features. It has no penalty to tune and is free of units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

EMPTY = -1
_RIDGE = 1.0  # one row's worth of prior that a standardised coefficient is 0
_FLOOR = 1e-6  # of a target's energy: a perfect fit is taken to explain no more than all but this


@dataclass(frozen=True)
class Problem:
    """Targets and features by their second moments, over standardised metrics.

    Attributes:
        gram: ``(F, F)``, sums of products of the features.
        cross: ``(F, K)``, of features and targets.
        energy: ``(K,)``, of the targets' squares.
        n_rows: Rows that the sums are over.
        lags: Lags that a source brings.
        own_lags: Lags of itself that a target always has, apart from its sources.
    """

    gram: Array
    cross: Array
    energy: Array
    n_rows: float
    lags: Sequence[int]
    own_lags: Sequence[int] = ()

    @property
    def n_metrics(self) -> int:
        """K."""
        return len(self.energy)

    @property
    def noise_floor(self) -> Array:
        """The least residual sum of squares that is believed, ``(K,)``."""
        return _FLOOR * self.energy + 1e-12

    def columns(self, support: Index) -> Index:
        """Features of each target's own lags and sources: ``(K, own + P L)``, ``EMPTY`` where a slot is empty."""
        own = np.add.outer(np.arange(self.n_metrics), self.n_metrics * np.asarray(self.own_lags, np.int64))
        brought = support[:, :, None] + self.n_metrics * np.asarray(self.lags, np.int64)
        brought = np.where(support[:, :, None] == EMPTY, EMPTY, brought)
        return np.hstack([own, brought.reshape(self.n_metrics, -1)])

    def residual(self, weights: Array) -> Problem:
        """The problem of explaining what ``weights`` ``(F, K)`` leave unexplained."""
        seen = self.gram @ weights
        energy = self.energy - ((2 * self.cross - seen) * weights).sum(0)
        return Problem(self.gram, self.cross - seen, np.maximum(energy, 0), self.n_rows, self.lags, self.own_lags)


@dataclass(frozen=True)
class Fit:
    """Every target's regression on its sources.

    Attributes:
        support: ``(K, P)`` sources, ``EMPTY`` where there are fewer.
        columns: ``(K, C)`` features.
        coefficients: ``(K, C)``, 0 in empty slots.
        inverse: ``(K, C, C)`` inverse of each target's own Gram matrix.
        rss: ``(K,)`` residual sums of squares.
    """

    support: Index
    columns: Index
    coefficients: Array
    inverse: Array
    rss: Array

    def weights(self, n_features: int) -> Array:
        """Coefficients as a matrix ``(F, K)``."""
        dense = np.zeros((n_features + 1, len(self.rss)))
        np.put_along_axis(dense, self.columns.T, self.coefficients.T, axis=0)  # EMPTY, -1, falls into the spare row
        dense[-1] = 0
        return dense[:-1]


def fit(problem: Problem, support: Index) -> Fit:
    """Ridge regression of each target on the sources in ``support`` ``(K, P)``."""
    columns = problem.columns(support)
    empty = columns == EMPTY
    block = problem.gram[columns[:, :, None], columns[:, None, :]]
    block[empty[:, :, None] | empty[:, None, :]] = 0
    places = np.arange(columns.shape[1])
    block[:, places, places] += np.where(empty, 1.0, _RIDGE)
    cross = np.where(empty, 0.0, np.take_along_axis(problem.cross.T, np.maximum(columns, 0), axis=1))
    inverse = np.asarray(np.linalg.inv(block), float)
    coefficients = np.einsum("kij,kj->ki", inverse, cross)
    rss = problem.energy - (cross * coefficients).sum(1)
    return Fit(support, columns, coefficients, inverse, np.maximum(rss, problem.noise_floor))


def increases(problem: Problem, fitted: Fit) -> Array:
    """By how much each target's residual sum of squares grows without one source, ``(K, P)``; 0 in empty slots.

    Closed form: c_g^T [(G^-1)_gg]^-1 c_g for the source's coefficients c_g.
    """
    n_targets, n_slots = fitted.support.shape
    n_lags, first = len(problem.lags), len(problem.own_lags)
    places = first + np.arange(n_slots * n_lags).reshape(n_slots, n_lags)
    mine = fitted.coefficients[:, places]
    inner = fitted.inverse[:, places[:, :, None], places[:, None, :]]
    grown = np.einsum("kpl,kpl->kp", mine, np.linalg.solve(inner, mine[..., None])[..., 0])
    return np.where(fitted.support.reshape(n_targets, n_slots) == EMPTY, 0.0, grown)


def strengths(problem: Problem, fitted: Fit) -> Array:
    """Multiple partial correlation of each target with each of its sources, ``(K, P)``, in [0, 1]."""
    grown = np.maximum(increases(problem, fitted), 0)
    return np.sqrt(grown / (grown + fitted.rss[:, None]))


def choose(problem: Problem, allowed: Mask, start: Index, kept: Mask) -> Fit:
    """Sources of every target, from those of ``start`` on, forward then backward while the criterion falls.

    Args:
        problem: The moments.
        allowed: ``(K sources, K targets)``: what may be a source.
        start: ``(K, P)`` sources to begin with; P bounds how many there can be.
        kept: ``(K sources, K targets)``: sources never dropped.
    """
    return _backward(problem, _forward(problem, allowed, start), kept)


def _penalty(problem: Problem) -> float:
    """What a source must save of n log RSS."""
    return float(len(problem.lags) * (np.log(max(problem.n_rows, 2.0)) + 2 * np.log(problem.n_metrics)))


def _forward(problem: Problem, allowed: Mask, start: Index) -> Fit:
    support = start.copy()
    best = fit(problem, support)
    inner = _source_inverses(problem)
    targets = np.arange(problem.n_metrics)
    closed = np.zeros(problem.n_metrics, dtype=bool)
    for _ in range(support.shape[1]):
        gains = _gains(problem, best, inner)
        gains[~allowed] = 0
        taken, chosen = np.nonzero(support != EMPTY)
        gains[support[taken, chosen], taken] = 0
        source, slot = gains.argmax(0), (support == EMPTY).argmax(1)
        wanted = ~closed & (gains[source, targets] > 0) & (support[targets, slot] == EMPTY)
        # A target with few rows cannot tell more sources than a third of them from chance.
        wanted &= ((support != EMPTY).sum(1) + 1) * len(problem.lags) <= problem.n_rows / 3
        if not wanted.any():
            break
        trial = support.copy()
        trial[targets[wanted], slot[wanted]] = source[wanted]
        tried = fit(problem, trial)
        better = wanted & (problem.n_rows * np.log(best.rss / tried.rss) > _penalty(problem))
        closed |= ~better
        if not better.any():
            break
        support = np.where(better[:, None], trial, support)
        best = fit(problem, support)
    return best


def _backward(problem: Problem, fitted: Fit, kept: Mask) -> Fit:
    targets = np.arange(problem.n_metrics)
    for _ in range(fitted.support.shape[1]):
        grown = increases(problem, fitted)
        free = (fitted.support != EMPTY) & ~kept[fitted.support, targets[:, None]]
        cost = np.where(free, problem.n_rows * np.log1p(grown / fitted.rss[:, None]), np.inf)
        slot = cost.argmin(1)
        weak = cost[targets, slot] < _penalty(problem)
        if not weak.any():
            break
        support = fitted.support.copy()
        support[targets[weak], slot[weak]] = EMPTY
        fitted = fit(problem, support)
    return fitted


def _source_inverses(problem: Problem) -> Array:
    """Inverse Gram matrix of each source's own features, ``(K, L, L)``."""
    places = np.add.outer(np.arange(problem.n_metrics), problem.n_metrics * np.asarray(problem.lags, np.int64))
    block = problem.gram[places[:, :, None], places[:, None, :]] + _RIDGE * np.eye(len(problem.lags))
    return np.asarray(np.linalg.inv(block))


def _gains(problem: Problem, fitted: Fit, inner: Array) -> Array:
    """What each source would save of each target's residual at least, ``(K sources, K targets)``."""
    n = problem.n_metrics
    left = problem.cross - problem.gram @ fitted.weights(len(problem.gram))
    left = np.stack([left[lag * n : (lag + 1) * n] for lag in problem.lags])
    return np.asarray(np.einsum("lst,slm,mst->st", left, inner, left, optimize=True))
