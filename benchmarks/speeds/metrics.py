"""Mutual information of 64 latents with 10 factors at 10,000 rows: bins, beside scikit-learn's nearest neighbours.

``info_mec`` is all of InfoMEC on the same, with its floor and intervals. The whole benchmark takes two minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from distaff import disentanglement

PEER = "sklearn.feature_selection.mutual_info_classif"
REPEATS = 3
ALSO = ("info_mec",)
ROWS, LATENTS, FACTORS, CLASSES = 10_000, 64, 10, 10


def generated() -> tuple[np.ndarray, np.ndarray]:
    """Return latents mixed from factors, with noise; factors cut into classes of equal width."""
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (ROWS, FACTORS))
    latents = values @ rng.standard_normal((FACTORS, LATENTS)) + 0.1 * rng.standard_normal((ROWS, LATENTS))
    return latents, ((values + 1) / 2 * CLASSES).astype(int)


def ours(data: Path) -> Callable[[], object]:
    latents, factors = generated()
    return lambda: disentanglement.mutual_information(latents, factors)


def peer(data: Path) -> Callable[[], object]:
    from sklearn.feature_selection import mutual_info_classif

    latents, factors = generated()
    return lambda: [mutual_info_classif(latents, factor, random_state=0) for factor in factors.T]


def info_mec(data: Path) -> Callable[[], object]:
    latents, factors = generated()
    return lambda: disentanglement.info_mec(latents, factors)
