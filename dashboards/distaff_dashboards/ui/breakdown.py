"""Scores of a list, split by factors as far as a person can read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

_NAMED = 3
_TOO_SMALL = 0.01  # of an item's absolute contributions: not worth a name
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Breakdown:
    """Scores of a list, split into what a person can read.

    Every row of ``named`` plus ``other`` plus ``rest`` is the item's score.

    Attributes:
        factors: The factors that have a column of their own, strongest first.
        named: What each of them adds, ``(n_items, len(factors))``; zero where it is not among the
            item's top three or adds less than a hundredth.
        other: What all further factors add together, ``(n_items,)``.
        rest: What belongs to no factor, ``(n_items,)``.
        scores: The items' scores, ``(n_items,)``.
    """

    factors: list[int]
    named: NDArray[np.float64]
    other: NDArray[np.float64]
    rest: NDArray[np.float64]
    scores: NDArray[np.float64]

    def shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return ``named``, ``other`` and ``rest`` as signed shares: over the sum of the item's absolute contributions."""
        total = np.abs(self.named).sum(1) + np.abs(self.other) + np.abs(self.rest)
        total[total == 0] = 1.0
        return self.named / total[:, None], self.other / total, self.rest / total


def contribution_matrix(table: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each factor adds to the score of each item, ``(n_items, K)``, and the scores, ``(n_items,)``.

    Args:
        table: ``score, factor, part``, by item and then by factor, each factor once an item.
    """
    n_factors = max(table["factor"].n_unique(), 1)
    contributions, scores = (
        table[name].cast(pl.Float64).to_numpy().reshape(-1, n_factors) for name in ("part", "score")
    )
    return contributions, scores[:, 0]


def break_down(contributions: NDArray[np.float64], scores: NDArray[np.float64], *, columns: int) -> Breakdown:
    """Split the scores of a list.

    Args:
        contributions: What each factor adds, ``(n_items, K)``.
        scores: The items' scores, ``(n_items,)``.
        columns: Factors that may have a column of their own.
    """
    size = np.abs(contributions)
    rank = np.argsort(np.argsort(-size, axis=1, kind="stable"), axis=1, kind="stable")
    large = (rank < _NAMED) & (size > _TOO_SMALL * size.sum(1, keepdims=True))
    named = np.where(large, contributions, 0.0)
    weight = np.abs(named).sum(0)
    factors = [int(k) for k in np.argsort(-weight, kind="stable")[:columns] if weight[k] > 0]
    named = named[:, factors]
    rest = scores - contributions.sum(1)
    rest[np.abs(rest) <= _ROUNDING * np.maximum(np.abs(scores), size.sum(1))] = 0.0
    return Breakdown(factors, named, contributions.sum(1) - named.sum(1), rest, scores)
