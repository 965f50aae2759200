"""Acyclic within-row edges: the log-determinant characterisation of DAGMA (Bello, Aragam and Ravikumar, NeurIPS 2022).

For s > spectral radius of W o W, h(W) = -log det(s I - W o W) + K log s is 0 exactly where W is acyclic, and its gradient
is 2 (s I - W o W)^{-T} o W. Only edges within a row need it: an effect cannot precede its cause, so lagged edges
never close a loop in time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LEVELS = (1.0, 0.1, 0.01, 0.001)  # weights of the fit against h, as in the paper's central path
_STEPS = 150
_RATE = 0.02
_SPARSITY = 0.02
_SMALL = 0.05  # standardised coefficients below are no edges


def logdet(weights: Array, s: float = 1.0) -> tuple[float, Array]:
    """The value h and its gradient for ``weights`` ``(K, K)``; infinite, without a gradient, outside of the domain."""
    n = len(weights)
    inner = s * np.eye(n) - weights * weights
    sign, value = np.linalg.slogdet(inner)
    inverse = np.linalg.inv(inner) if sign > 0 else np.zeros_like(inner)
    # Within the domain the matrix is an M-matrix, whose inverse has no negative entry.
    if sign <= 0 or (inverse < -1e-9).any():
        return np.inf, np.zeros_like(weights)
    return float(-value + n * np.log(s)), 2 * inverse.T * weights


def acyclic_weights(covariance: Array, skeleton: Mask) -> Array:
    """A linear acyclic model of variables with this covariance, with edges inside ``skeleton`` only.

    Minimises mu (1/2 tr((I - W)^T C (I - W)) + l |W|_1) + h(W) for falling mu by Adam steps that stay in the domain;
    what is left of cycles is cut at its weakest edge.

    Args:
        covariance: C, ``(K, K)``.
        skeleton: ``(K, K)`` edges, cause -> effect, that may be used.

    Returns:
        W, ``(K, K)``, acyclic.
    """
    weights = np.zeros_like(covariance)
    identity = np.eye(len(covariance))
    for level in _LEVELS:
        first, second = np.zeros_like(weights), np.zeros_like(weights)
        for step in range(1, _STEPS + 1):
            slope = level * (covariance @ (weights - identity) + _SPARSITY * np.sign(weights)) + logdet(weights)[1]
            slope *= skeleton
            first = 0.9 * first + 0.1 * slope
            second = 0.99 * second + 0.01 * slope * slope
            move = _RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
            while not np.isfinite(logdet(weights - move)[0]):
                move /= 2
            weights = weights - move
    return cut(np.where(np.abs(weights) < _SMALL, 0, weights))


def cut(weights: Array) -> Array:
    """The edges of ``weights`` from the strongest on, without those that would close a cycle with stronger ones."""
    kept = np.zeros_like(weights)
    reaches = np.eye(len(weights), dtype=bool)
    for place in np.argsort(-np.abs(weights), axis=None)[: int((weights != 0).sum())]:
        cause, effect = np.unravel_index(place, weights.shape)
        if not reaches[effect, cause]:
            kept[cause, effect] = weights[cause, effect]
            reaches |= np.outer(reaches[:, cause], reaches[effect])
    return kept
