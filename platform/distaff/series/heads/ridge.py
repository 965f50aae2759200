"""Ridge regression in closed form over rows that are seen once: one Gram matrix for any number of outputs and penalties.

With X^T X, X^T Y and Y^T Y of the training and the validation rows at hand, the solution for every penalty, and its error on
the validation rows, W^T (X^T X) W - 2 W^T X^T Y + Y^T Y, need no row again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES = tuple(10.0**power for power in range(-6, 5))
"""Penalties tried, as parts of the mean of the Gram matrix's diagonal; then half a decade to either side of the best."""
_HALF = 10.0**0.5
_WITHOUT_VALIDATION = 1e-2
_WORTH = (
    1e-3  # share by which features that join must lower the validation error: less could be chance, and helps nobody
)


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
        """Return the moments of no rows."""
        gram, cross, square = (
            torch.zeros(shape, dtype=torch.float64, device=device)
            for shape in ((n_features, n_features), (n_features, n_outputs), (n_outputs,))
        )
        return cls(gram, cross, square)

    def add(self, x: Tensor, y: Tensor) -> None:
        """Add some rows; products in the rows' own precision, sums in double."""
        self.gram += x.T @ x
        self.cross += x.T @ y
        self.square += y.double().square().sum(0)
        self.n += len(x)

    def of(self, outputs: Tensor) -> Moments:
        """Return the moments of some outputs alone."""
        return Moments(self.gram, self.cross[:, outputs], self.square[outputs], self.n)

    def among(self, features: Tensor) -> Moments:
        """Return the moments of some features alone."""
        return Moments(self.gram[features][:, features], self.cross[features], self.square, self.n)

    def error(self, weights: Tensor) -> float:
        """Return the sum of squared errors of all outputs under weights ``(F, O)``."""
        return float((weights * (self.gram @ weights - 2 * self.cross)).sum() + self.square.sum())


def solve(train: Moments, valid: Moments, *, n_window: int = 0) -> Tensor:
    """Return the W that minimises |XW - Y|^2 + penalty |W|^2, with the penalty of least validation error.

    The intercept is penalised like the rest. Rows of :class:`distaff.series.forecasting.Encoding` are in units of
    their window, in which it is a drift that all windows share: none is as good a first guess as a weight of 0.

    Args:
        train: Rows to fit.
        valid: Rows to choose by; where there are none the penalty is fixed.
        n_window: How many of the first features are the window's own, a block apart. It is fitted alone, with the
            intercept; then the other features join, with a penalty of their own, if that lowers the validation error by a
            thousandth, and else keep a weight of 0.

    Returns:
        float32 ``(F, O)``, the intercept last.
    """
    diagonal = train.gram.diagonal()
    if not n_window:
        return _search(train, valid, _size(diagonal[:-1])).weights.float()
    place = torch.arange(len(diagonal), device=diagonal.device)
    first = (place < n_window) | (place == place[-1])
    of_window, of_others = _size(diagonal[:n_window]), _size(diagonal[n_window:-1])
    alone = _search(train.among(place[first]), valid.among(place[first]), of_window)
    fixed = torch.where(first, alone.penalty * of_window, 0.0)
    joint = _search(train, valid, torch.where(first, 0.0, of_others), fixed)
    if joint.error < (1 - _WORTH) * alone.error:
        return joint.weights.float()
    weights = torch.zeros_like(train.cross)
    weights[first] = alone.weights
    return weights.float()


@dataclass(frozen=True)
class _Solution:
    """Weights with their penalty and validation error."""

    weights: Tensor
    penalty: float
    error: float


def _size(squares: Tensor) -> Tensor:
    """Return the mean of features' sums of squares, to which penalties are relative."""
    return squares.mean().clamp(min=1e-12)


def _search(train: Moments, valid: Moments, scale: Tensor, fixed: Tensor | float = 0.0) -> _Solution:
    """Return the best of ``penalty * scale + fixed``, both one number or one a feature, by validation."""
    best = _Solution(torch.zeros_like(train.cross), _WITHOUT_VALIDATION, math.inf)

    def solution(penalty: float) -> _Solution | None:
        diagonal = (penalty * scale + fixed).expand(len(train.gram))
        factor, failed = torch.linalg.cholesky_ex(train.gram + torch.diag(diagonal))
        if int(failed):
            return None  # the features are dependent and the penalty too small to tell
        weights = torch.cholesky_solve(train.cross, factor)
        return _Solution(weights, penalty, valid.error(weights))

    for penalty in PENALTIES if valid.n else (_WITHOUT_VALIDATION,):
        candidate = solution(penalty)
        if candidate is not None and (candidate.error < best.error or not valid.n):
            best = candidate
    for penalty in (best.penalty / _HALF, best.penalty * _HALF) if valid.n else ():
        candidate = solution(penalty)
        if candidate is not None and candidate.error < best.error:
            best = candidate
    return best
