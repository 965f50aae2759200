"""Weights of the information beside that of ``dts-har-adaptation``, on pairs of subjects that are in none of its pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.reproductions.dts_har_adaptation import METHODS, measured

PAIRS = (
    (1, 3),
    (4, 10),
    (14, 15),
    (17, 19),
    (21, 22),
    (25, 26),
    (29, 1),
    (3, 17),
    (10, 21),
    (15, 25),
    (19, 29),
    (22, 3),
    (26, 10),
)
WEIGHTS = (0.0, 0.5, 2.0)  # beside 1, which "dts" has


def rows(data: Path, n_seeds: int) -> list[dict[str, Any]]:
    tried: dict[str, Mapping[str, Any]] = {
        f"dts, information {weight}": {"method": "dts", "information": weight} for weight in WEIGHTS
    }
    return measured(data, PAIRS, METHODS | tried, n_seeds)
