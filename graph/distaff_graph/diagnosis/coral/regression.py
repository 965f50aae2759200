"""Many small least-squares fits at once from one Gram matrix.

Each of K targets is regressed on a few columns of its own choice. All fits are one batched solve over padded index tables;
no row of data is read. What a column is, a metric at some lag, is the caller's affair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distaff_data.arrays import Floats, Ints

EMPTY = -1
_RIDGE = 1.0  # one row's worth of prior that a standardised coefficient is 0
_FLOOR = 1e-6  # of a target's energy: a perfect fit is taken to explain no more than all but this


@dataclass(frozen=True)
class Problem:
    """Targets and columns by their second moments, over standardised metrics.

    Attributes:
        gram: ``(F, F)``, sums of products of the columns.
        cross: ``(F, K)``, of columns and targets.
        energy: ``(K,)``, of the targets' squares.
        n_rows: Rows that the sums are over.
        fixed: ``(K, O)`` columns that a target always has, before those chosen for it.
    """

    gram: Floats
    cross: Floats
    energy: Floats
    n_rows: float
    fixed: Ints

    @property
    def n_targets(self) -> int:
        """The number K of targets."""
        return len(self.energy)

    @property
    def noise_floor(self) -> Floats:
        """The least residual sum of squares that is believed, ``(K,)``."""
        return _FLOOR * self.energy + 1e-12

    def take(self, targets: Ints) -> Problem:
        """Return the same columns, and only these targets."""
        return Problem(self.gram, self.cross[:, targets], self.energy[targets], self.n_rows, self.fixed[targets])


@dataclass(frozen=True)
class Fit:
    """Every target's regression.

    Attributes:
        support: ``(K, P)`` chosen columns, ``EMPTY`` where there are fewer.
        columns: ``(K, O + P)``, the target's fixed columns before them.
        coefficients: ``(K, O + P)``, 0 in empty slots.
        inverse: ``(K, O + P, O + P)`` inverse of each target's Gram matrix.
        rss: ``(K,)`` residual sums of squares.
    """

    support: Ints
    columns: Ints
    coefficients: Floats
    inverse: Floats
    rss: Floats


def fit(problem: Problem, support: Ints) -> Fit:
    """Return the ridge regression of each target on its fixed columns and those in ``support`` ``(K, P)``."""
    columns = np.hstack([problem.fixed, support])
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


def decreases(problem: Problem, fitted: Fit) -> Floats:
    """Return by how much each target's residual sum of squares would fall with one more column, ``(F, K)``.

    Closed form: (x_f' r)^2 over what the target's columns leave of x_f, and the ridge.
    """
    used = np.flatnonzero((fitted.columns != EMPTY).any(0))
    columns, inverse = fitted.columns[:, used], fitted.inverse[:, used[:, None], used]
    taken = np.where((columns == EMPTY)[:, :, None], 0.0, problem.gram[columns])
    residual_cross = problem.cross - (fitted.coefficients[:, None, used] @ taken)[:, 0].T
    residual_energy = np.diag(problem.gram)[:, None] - ((inverse @ taken) * taken).sum(1).T
    decrease: Floats = residual_cross**2 / (np.maximum(residual_energy, 0) + _RIDGE)
    return np.minimum(decrease, fitted.rss)


def increases(fitted: Fit) -> Floats:
    """Return by how much each target's residual sum of squares would grow without one chosen column, ``(K, P)``; 0 if empty.

    Closed form: c_f^2 / (G^-1)_ff for the column's coefficient c_f.
    """
    first = fitted.columns.shape[1] - fitted.support.shape[1]
    places = np.arange(first, fitted.columns.shape[1])
    increase: Floats = fitted.coefficients[:, places] ** 2 / fitted.inverse[:, places, places]
    return np.where(fitted.support == EMPTY, 0.0, increase)


def strengths(fitted: Fit) -> Floats:
    """Return the partial correlation of each target with each of its chosen columns, ``(K, P)``, in [0, 1]."""
    increase = increases(fitted)
    return np.sqrt(increase / (increase + fitted.rss[:, None]))
