"""Does a factor that other seeds find too tell of the truth? Stability beside the match with planted intents.

On each of a few plantings NMF is fitted with ``--seeds`` random starts, told the number of intents or twice as many. A
factor's stability is the median, over the other starts, of the correlation with its one-to-one partner; its truth is
the largest correlation with a planted intent, both over items' shares. Reported over plantings are

* ``spearman``: the rank correlation of stability and truth over the factors of all starts;
* ``badge_precision``: how many factors that earn the badge *stable* match a planted intent as well as the badge asks
  of a partner;
* ``base_rate``: how many factors do with a badge or without;
* ``badged``: how many earn it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from benchmarks.protocol import say
from benchmarks.reproductions.planted_interactions import K, plantings
from scipy import stats
from torch import Tensor

from distaff.factors.stability import STABLE, Stability, compare_seeds
from distaff.stats.intervals import seed_interval
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.nmf import NMF

PLANTINGS = 5
METRICS = ("spearman", "badge_precision", "base_rate", "badged")


@dataclass(frozen=True)
class StabilityCandidate:
    """NMF told a number of intents."""

    model: str
    n_intents: int


CANDIDATES = (StabilityCandidate("nmf", K), StabilityCandidate("nmf-twice-as-many", 2 * K))


def measure(candidates: Sequence[StabilityCandidate], n_seeds: int) -> list[dict[str, Any]]:
    """Return the rows of the JSON shape, each with its 95 % interval over plantings.

    Raises:
        SystemExit: One start has no other to agree with.
    """
    if n_seeds < 2:
        raise SystemExit("stability needs --seeds 2 or more: starts to compare")
    values_of: dict[str, list[Mapping[str, float]]] = {candidate.model: [] for candidate in candidates}
    for planting in plantings(PLANTINGS):
        truth = torch.from_numpy(planting.phi)
        for candidate in candidates:
            values = _compare(planting.data, truth, candidate.n_intents, n_seeds)
            values_of[candidate.model].append(values)
            listing = " ".join(f"{name} {value:.4f}" for name, value in values.items())
            say(f"planting {planting.seed} {candidate.model}: {listing}")
    return [
        {
            "model": candidate.model,
            "control": True,
            "metric": metric,
            "published": None,
            "value": interval.pop("mean"),
            **interval,
            "n_seeds": PLANTINGS,
            "selected": None,
            "looks": 1,
            "settings": {"n_intents": candidate.n_intents, "starts": n_seeds},
        }
        for candidate in candidates
        for metric in METRICS
        for interval in [asdict(seed_interval([values[metric] for values in values_of[candidate.model]]))]
    ]


def _compare(data: Interactions, truth: Tensor, n_intents: int, n_seeds: int) -> dict[str, float]:
    fits = [NMF(n_intents=n_intents, init="random").fit(data, seed=seed).intents().items for seed in range(n_seeds)]
    compared = [_stability(start, fits) for start in range(n_seeds)]
    stability = np.concatenate([of_start.match for of_start in compared])
    stable = np.array([badge == "stable" for of_start in compared for badge in of_start.badges])
    planted = np.concatenate([_best(ours, truth) for ours in fits])
    true = planted >= STABLE
    return {
        "spearman": float(stats.spearmanr(stability, planted).statistic),
        "badge_precision": float(true[stable].mean()) if stable.any() else 0.0,
        "base_rate": float(true.mean()),
        "badged": float(stable.mean()),
    }


def _stability(start: int, fits: Sequence[Tensor]) -> Stability:
    """Return the stability of one start's factors beside those of all other starts."""
    compared = compare_seeds(fits[start], {str(n): shares for n, shares in enumerate(fits) if n != start})
    if compared is None:
        raise SystemExit("all starts gave the same fit; there is no stability to measure")
    return compared


def _best(shares: Tensor, truth: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the largest correlation of each column of shares with a column of the truth."""
    n = shares.shape[1]
    together = np.corrcoef(shares.double().numpy().T, truth.numpy().T)[:n, n:]
    return np.asarray(together.max(1))
