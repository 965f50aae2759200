"""Ridge regression in closed form over rows that are seen once: one Gram matrix for any number of outputs and penalties.

With X^T X, X^T Y and Y^T Y of the training and the validation rows at hand, the solution for every penalty, and its error on
the validation rows, W^T (X^T X) W - 2 W^T X^T Y + Y^T Y, need no row again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES = tuple(10.0**power for power in range(-6, 3))
"""Penalties tried, as parts of the mean of the Gram matrix's diagonal."""
_WITHOUT_VALIDATION = 1e-2


@dataclass
class Moments:
    """Sums over rows of features ``(n, F)``, the last of which is the intercept's, and outputs ``(n, O)``.

    Attributes:
        gram: X^T X, float64 ``(F, F)``.
        cross: X^T Y, float64 ``(F, O)``.
        square: Squares of each output, float64 ``(O,)``.
        n: Rows.
    """

    gram: Tensor
    cross: Tensor
    square: Tensor
    n: int = 0

    @classmethod
    def empty(cls, n_features: int, n_outputs: int, device: torch.device) -> Moments:
        """Of no rows."""
        gram, cross, square = (
            torch.zeros(shape, dtype=torch.float64, device=device)
            for shape in ((n_features, n_features), (n_features, n_outputs), (n_outputs,))
        )
        return cls(gram, cross, square)

    def add(self, x: Tensor, y: Tensor) -> None:
        """Take in some rows; products in the rows' own precision, sums in double."""
        self.gram += x.T @ x
        self.cross += x.T @ y
        self.square += y.double().square().sum(0)
        self.n += len(x)

    def of(self, outputs: Tensor) -> Moments:
        """Of some outputs alone."""
        return Moments(self.gram, self.cross[:, outputs], self.square[outputs], self.n)

    def error(self, weights: Tensor) -> float:
        """Sum of squared errors of all outputs under weights ``(F, O)``."""
        return float((weights * (self.gram @ weights - 2 * self.cross)).sum() + self.square.sum())


def solve(train: Moments, valid: Moments) -> Tensor:
    """Minimise |XW - Y|^2 + penalty |W|^2, the intercept free, with the penalty of least validation error.

    Args:
        train: Rows to fit.
        valid: Rows to choose by; where there are none the penalty is fixed.

    Returns:
        float32 ``(F, O)``, the intercept last.
    """
    penalized = train.gram.diagonal()[:-1].mean().clamp(min=1e-12).repeat(len(train.gram))
    penalized[-1] *= 1e-9
    best, weights = math.inf, torch.zeros_like(train.cross)
    for penalty in PENALTIES if valid.n else (_WITHOUT_VALIDATION,):
        factor, failed = torch.linalg.cholesky_ex(train.gram + torch.diag(penalty * penalized))
        if int(failed):
            continue  # the features are dependent and the penalty too small to tell
        found = torch.cholesky_solve(train.cross, factor)
        error = valid.error(found)
        if error < best or not valid.n:
            best, weights = error, found
    return weights.float()
