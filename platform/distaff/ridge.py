"""Ridge regression in closed form over rows that are seen once: one Gram matrix for any number of outputs and penalties.

With X^T X, X^T Y and Y^T Y of the training and the validation rows at hand, the solution for every penalty, and its error on
the validation rows, W^T (X^T X) W - 2 W^T X^T Y + Y^T Y, need no row again.
"""

from __future__ import annotations

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

    def errors(self, weights: Tensor) -> Tensor:
        """Sum of squared errors of each output, ``(O,)``, under weights ``(F, O)``."""
        return (weights * (self.gram @ weights - 2 * self.cross)).sum(0) + self.square


@dataclass(frozen=True)
class Ridge:
    """A solution.

    Attributes:
        weights: float32 ``(F, O)``, the intercept last.
        penalties: The penalty that each output was given, float32 ``(O,)``.
    """

    weights: Tensor
    penalties: Tensor


def solve(train: Moments, valid: Moments | None) -> Ridge:
    """Minimise |XW - Y|^2 + penalty |W|^2, the intercept free; each output takes the penalty of least validation error.

    Args:
        train: Rows to fit.
        valid: Rows to choose by; a fixed penalty when None or empty.
    """
    chosen = valid is not None and valid.n > 0
    candidates = PENALTIES if chosen else (_WITHOUT_VALIDATION,)
    free = torch.ones(len(train.gram), dtype=torch.float64, device=train.gram.device)
    size = train.gram.diagonal()[:-1].mean().clamp(min=1e-12)
    free[-1] = 1e-9
    best = torch.full_like(train.square, torch.inf)
    weights, penalties = torch.zeros_like(train.cross), torch.zeros_like(train.square)
    for penalty in candidates:
        factor, failed = torch.linalg.cholesky_ex(train.gram + torch.diag(penalty * size * free))
        if int(failed):
            continue  # the features are dependent and the penalty too small to tell
        found = torch.cholesky_solve(train.cross, factor)
        errors = valid.errors(found) if chosen and valid is not None else torch.zeros_like(best)
        better = errors < best
        best = torch.where(better, errors, best)
        weights = torch.where(better, found, weights)
        penalties = torch.where(better, penalty, penalties)
    return Ridge(weights.float(), penalties.float())
