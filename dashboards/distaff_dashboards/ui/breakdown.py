"""Arithmetic behind the Intents page: relevance of items, and what each intent adds to a score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RELEVANCE = 0.3  # weight of probability; the rest is lift (finding 9 of the factor study)
_NAMED = 3
_TOO_SMALL = 0.01  # of an item's absolute parts: not worth a name
_ROUNDING = 1e-4


def relevance(probability: Floats, lift: Floats, weight: float) -> Floats:
    """``weight * log p(item | intent) + (1 - weight) * log lift``; minus infinity where either is 0."""
    tiny = np.finfo(np.float64).tiny
    score = weight * np.log(np.maximum(probability, tiny)) + (1 - weight) * np.log(np.maximum(lift, tiny))
    found: Floats = np.where((probability > 0) & (lift > 0), score, -np.inf)
    return found


def top_items(probability: Floats, lift: Floats, weight: float, n: int) -> NDArray[np.intp]:
    """Positions of the ``n`` most relevant items, best first; ties keep their order."""
    order = np.argsort(-relevance(probability, lift, weight), kind="stable")
    return order[:n]


@dataclass(frozen=True)
class Breakdown:
    """Scores of a list, split into what a person can read.

    Every row of ``parts`` plus ``other`` plus ``rest`` is the item's score.

    Attributes:
        intents: The intents that have a column of their own, strongest first.
        parts: What each of them adds, ``(n_items, len(intents))``; zero where it is not among the
            item's top three or adds less than a hundredth.
        other: What all further intents add together, ``(n_items,)``.
        rest: What belongs to no intent, ``(n_items,)``.
        scores: The items' scores, ``(n_items,)``.
    """

    intents: list[int]
    parts: Floats
    other: Floats
    rest: Floats
    scores: Floats

    def shares(self) -> tuple[Floats, Floats, Floats]:
        """Parts, other and rest as signed shares: each divided by the sum of the item's absolute parts."""
        total = np.abs(self.parts).sum(1) + np.abs(self.other) + np.abs(self.rest)
        total[total == 0] = 1.0
        return self.parts / total[:, None], self.other / total, self.rest / total


def break_down(parts: Floats, scores: Floats, *, columns: int) -> Breakdown:
    """Split the scores of a list.

    Args:
        parts: What each intent adds, ``(n_items, K)``.
        scores: The items' scores, ``(n_items,)``.
        columns: Intents that may have a column of their own.
    """
    size = np.abs(parts)
    rank = np.argsort(np.argsort(-size, axis=1, kind="stable"), axis=1, kind="stable")
    named = np.where((rank < _NAMED) & (size > _TOO_SMALL * size.sum(1, keepdims=True)), parts, 0.0)
    weight = np.abs(named).sum(0)
    intents = [int(k) for k in np.argsort(-weight, kind="stable")[:columns] if weight[k] > 0]
    kept = named[:, intents]
    rest = scores - parts.sum(1)
    rest[np.abs(rest) <= _ROUNDING * np.maximum(np.abs(scores), size.sum(1))] = 0.0
    return Breakdown(intents, kept, parts.sum(1) - kept.sum(1), rest, scores)
