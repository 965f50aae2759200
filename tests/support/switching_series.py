"""A vector autoregression that changes state: edges shared by both states, and some that only the second has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Switching:
    """Rows of both states ``(n, M)``, and the planted edges ``(M, M)``, cause -> effect."""

    normal: Array
    present: Array
    shared: Mask
    added: Mask


def switching_series(n_metrics: int, n_present: int = 240, *, seed: int = 0) -> Switching:
    """Two shared causes a metric, a third as many new edges as metrics; 600 normal rows; every lag is 1."""
    rng = np.random.default_rng(seed)
    shared = np.zeros((n_metrics, n_metrics))
    for effect in range(n_metrics):
        for cause in rng.choice(n_metrics, 2, replace=False):
            if cause != effect:
                shared[cause, effect] = rng.choice([-1, 1]) * rng.uniform(0.3, 0.5)
    added = np.zeros_like(shared)
    free = np.argwhere((shared == 0) & ~np.eye(n_metrics, dtype=bool))
    for cause, effect in free[rng.choice(len(free), n_metrics // 3, replace=False)]:
        added[cause, effect] = 0.7

    def rows(weights: Array, n_rows: int, row: Array) -> Array:
        found = []
        for _ in range(n_rows):
            row = 0.3 * row + 0.8 * row @ weights + rng.standard_normal(n_metrics)
            found.append(row)
        return np.array(found)

    normal = rows(shared, 600, np.zeros(n_metrics))
    return Switching(normal, rows(shared + added, n_present, normal[-1]), shared != 0, added != 0)


def edge_f1(found: Mask, truth: Mask) -> float:
    """F1 of found edges."""
    return float(2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1))
