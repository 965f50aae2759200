"""Bootstrap of rows at the cost of a matrix product.

Rows are dealt at random into 50 groups, whatever a metric needs is summed within each group once, and a replicate is a
weighted sum over groups drawn with replacement. For independent rows this has the variance of the bootstrap of rows, up to
the factor 49/50. Of rows in the order of time the groups are 50 blocks of neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distaff.disentanglement.inputs import Floats, Ints

GROUPS = 50
REPLICATES = 200


@dataclass(frozen=True)
class Resamples:
    """The group of each row ``(n,)``, and how often each replicate draws each group, ``(B, G)``."""

    groups: Ints
    weights: Floats

    @staticmethod
    def of(n: int, seed: int, *, in_blocks: bool = False) -> Resamples:
        """Resamples of ``n`` rows; ``in_blocks``, of neighbours together."""
        rng = np.random.default_rng(seed)
        n_groups = min(GROUPS, n)
        groups = np.arange(n) * n_groups // n if in_blocks else rng.permutation(n) % n_groups
        weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=REPLICATES)
        return Resamples(groups, weights.astype(np.float64))

    @staticmethod
    def whole(n: int) -> Resamples:
        """Not a resample: one replicate that is all ``n`` rows."""
        return Resamples(np.zeros(n, dtype=np.intp), np.ones((1, 1)))

    def sums(self, rows: Floats) -> Floats:
        """Replicates of column sums of ``(n, ...)``; ``(B, ...)``."""
        return np.tensordot(self.weights, _sums_by(self.groups, rows, self.weights.shape[1]), 1)

    def class_sums(self, rows: Floats, classes: Ints) -> tuple[Floats, Floats]:
        """Replicates of the size of each class ``(B, C)`` and of its column sums of ``(n, d)``, ``(B, C, d)``."""
        shape = (self.weights.shape[1], int(classes.max()) + 1)
        cell = self.groups * shape[1] + classes
        sizes = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        sums = _sums_by(cell, rows, shape[0] * shape[1]).reshape(*shape, rows.shape[1])
        return self.weights @ sizes, np.tensordot(self.weights, sums, 1)

    def correlations(self, values: Floats) -> Floats:
        """Replicates of the correlation matrix of columns ``(n, d)``; ``(B, d, d)``."""
        extended = np.hstack([values, np.ones((len(values), 1))])
        grams = np.stack([rows.T @ rows for rows in (extended[self.groups == g] for g in range(self.weights.shape[1]))])
        out = np.empty((len(self.weights), values.shape[1], values.shape[1]))
        for b, weights in enumerate(self.weights):  # one at a time: B x d x d beside the result would double the memory
            out[b] = correlation(np.tensordot(weights, grams, 1))
        return out


def _sums_by(keys: Ints, rows: Floats, n_keys: int) -> Floats:
    """Sums of the rows ``(n, ...)`` of each key, ``(n_keys, ...)``."""
    order = np.argsort(keys, kind="stable")
    groups, starts = np.unique(keys[order], return_index=True)
    out = np.zeros((n_keys, *rows.shape[1:]))
    out[groups] = np.add.reduceat(rows[order], starts, axis=0)
    return out


def correlation(gram: Floats) -> Floats:
    """Correlations ``(d, d)`` from the Gram matrix ``(d + 1, d + 1)`` of columns followed by a column of ones.

    Columns without variance correlate with nothing.
    """
    mean = gram[:-1, -1] / gram[-1, -1]
    covariance = gram[:-1, :-1] / gram[-1, -1] - np.outer(mean, mean)
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    inverse = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1.0), 0.0)
    return np.asarray(np.clip(covariance * np.outer(inverse, inverse), -1.0, 1.0))
