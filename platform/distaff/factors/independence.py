"""Dependence of a factor on other things: other factors, how active users are, how popular items are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from torch import Tensor

from distaff.disentanglement import distance_correlation
from distaff.factors.stability import correlations

_ROWS = 1000  # distance correlation is quadratic in them
_KEPT = 5


@dataclass(frozen=True)
class Dependence:
    """Another factor that a factor depends on: bias-corrected squared distance correlation, and rank correlation."""

    other: int
    dependence: float
    correlation: float


def dependences(shares: Tensor, *, seed: int = 0) -> list[list[Dependence]]:
    """Return for each factor the others whose user shares ``(n, K)`` depend on its own most, largest first.

    Distance correlation (U-centred, around 0 under independence and only then) sees any dependence; the rank correlation
    beside it gives the direction. Shares sum to 1, so factors of which each user has one or the other are dependent too.
    """
    n, n_factors = shares.shape
    if n_factors < 2 or n < 4:
        return [[] for _ in range(n_factors)]
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:_ROWS])
    table = shares.double().numpy()[rows]
    matrix = distance_correlation(list(table.T[:, :, None])).matrix
    ranks = stats.rankdata(table, axis=0) - (len(table) + 1) / 2
    length = np.linalg.norm(ranks, axis=0)
    rho = ranks.T @ ranks / np.maximum(np.outer(length, length), 1e-300)
    ordered = np.argsort(-np.where(np.eye(n_factors, dtype=bool), -np.inf, matrix), axis=1, kind="stable")
    return [
        [Dependence(int(o), float(matrix[k, o]), float(rho[k, o])) for o in ordered[k, : min(_KEPT, n_factors - 1)]]
        for k in range(n_factors)
    ]


def contamination(shares: Tensor, counts: Tensor) -> list[float]:
    """Return the correlation of every column of shares ``(n, K)`` with the logarithm of how often each row occurs, ``(n,)``.

    Over rows that occur; 0 where a side never varies. Not of ranks: shares of rare rows are drawn to the mean, which alone
    ranks them above the many frequent rows that have next to nothing of a factor.
    """
    occurs = counts > 0
    if int(occurs.sum()) < 2:
        return [0.0] * shares.shape[1]
    logs = counts[occurs].double().log().unsqueeze(1)
    return [float(rho) for rho in correlations(shares[occurs], logs)[:, 0]]
