"""Mutual information of 64 latents with 10 factors at 10,000 rows: bins, beside scikit-learn's nearest neighbours.

The peer takes about three minutes for all 640 pairs. It is timed on 8 latents and one factor, the first of each, and its
seconds are scaled up: its cost is a sum over pairs. ``whole_info_mec`` is all of InfoMEC with its floor and intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from distaff.disentanglement import info_mec, mutual_information

PEER = "sklearn.feature_selection.mutual_info_classif"
REPEATS = 3
ALSO = ("whole_info_mec",)
ROWS, LATENTS, FACTORS, CLASSES = 10_000, 64, 10, 10
_PEER_LATENTS = 8
PEER_SHARE = _PEER_LATENTS / (LATENTS * FACTORS)


def made() -> tuple[np.ndarray, np.ndarray]:
    """Latents mixed from factors, with noise; factors cut into classes of equal width."""
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (ROWS, FACTORS))
    latents = values @ rng.standard_normal((FACTORS, LATENTS)) + 0.1 * rng.standard_normal((ROWS, LATENTS))
    return latents, ((values + 1) / 2 * CLASSES).astype(int)


def ours(data: Path) -> Callable[[], object]:
    latents, factors = made()
    return lambda: mutual_information(latents, factors)


def peer(data: Path) -> Callable[[], object]:
    from sklearn.feature_selection import mutual_info_classif

    latents, factors = made()
    return lambda: mutual_info_classif(latents[:, :_PEER_LATENTS], factors[:, 0], random_state=0)


def whole_info_mec(data: Path) -> Callable[[], object]:
    latents, factors = made()
    return lambda: info_mec(latents, factors)
