"""Memory of past incidents: the nearest by the pattern of their anomalies, and a ranking that knows what the cause was then.

The pattern of an incident is log(1 + distance) of each metric from its own past, less the mean over incidents, since every
incident moves something. Two incidents are as alike as the cosine of their patterns. A ranking that remembers adds to an
entity's share of the first score the likeness of the nearest past incident in which it was the cause. Whether that helps is
measured on incidents that are held out, beside the same memory with its causes shuffled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distaff.incidents.cause_sets import shares
from distaff.incidents.rankings import Diagnosis, score_ranking
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Case

SEEN = (0, 1, 3, 5)  # past incidents of each cause
_DRAWS, _RANKINGS = 20, 1_000  # draws of an order, fewer of many incidents: so many rankings are enough for a mean


@dataclass(frozen=True)
class Past:
    """Incidents whose causes are known.

    Attributes:
        cases: Their names.
        roots: What failed in each.
        shares: Each one's entities by their share of the first score.
        alike: Cosines of all pairs of patterns, ``(n, n)``.
    """

    cases: tuple[str, ...]
    roots: tuple[tuple[str, ...], ...]
    shares: tuple[Mapping[str, float], ...]
    alike: Floats

    @classmethod
    def of(cls, cases: Sequence[Case], diagnoses: Sequence[Diagnosis]) -> Past:
        """Return the incidents with known causes that were diagnosed."""
        known = [(c, d) for c, d in zip(cases, diagnoses, strict=True) if c.roots and c.visible and d.causes]
        return cls(
            tuple(case.name for case, _ in known),
            tuple(case.roots for case, _ in known),
            tuple(shares(diagnosis) for _, diagnosis in known),
            likeness([diagnosis for _, diagnosis in known]),
        )

    def nearest(self, number: int, k: int = 3) -> list[tuple[str, float, tuple[str, ...]]]:
        """Return the incidents most like one, each with likeness and causes, nearest first."""
        order = [i for i in np.argsort(-self.alike[number], kind="stable") if i != number][:k]
        return [(self.cases[i], float(self.alike[number, i]), self.roots[i]) for i in order]

    def ranked(self, number: int, seen: Sequence[int], roots: Sequence[tuple[str, ...]]) -> list[list[str]]:
        """Return the entities of an incident as groups of equal worth, by one that remembers those at ``seen``."""
        worth = dict(self.shares[number])
        recalled: dict[str, float] = {}
        for past in seen:
            for root in roots[past]:
                recalled[root] = max(recalled.get(root, 0.0), float(self.alike[number, past]))
        for entity, likeness in recalled.items():
            if entity in worth:
                worth[entity] += likeness
        levels: dict[float, list[str]] = {}
        for entity, value in worth.items():
            levels.setdefault(round(value, 12), []).append(entity)
        return [levels[level] for level in sorted(levels, reverse=True)]


def likeness(diagnoses: Sequence[Diagnosis]) -> Floats:
    """Return the cosines of all pairs of patterns, ``(n, n)``; 0 where a pattern is the mean."""
    names = sorted({cause.column for diagnosis in diagnoses for cause in diagnosis.causes})
    place = {name: i for i, name in enumerate(names)}
    patterns = np.zeros((len(diagnoses), len(names)))
    if not patterns.size:
        return np.zeros((len(diagnoses), len(diagnoses)))
    for number, diagnosis in enumerate(diagnoses):
        for cause in diagnosis.causes:
            patterns[number, place[cause.column]] = np.log1p(max(cause.own or 0.0, 0.0))
    patterns -= patterns.mean(axis=0, keepdims=True)
    length = np.linalg.norm(patterns, axis=1, keepdims=True)
    patterns = np.divide(patterns, length, out=np.zeros_like(patterns), where=length > 0)
    cosines: Floats = patterns @ patterns.T
    return cosines


def learning_curve(past: Past, seen: Sequence[int] = SEEN, *, seed: int = 0) -> list[dict[str, float]]:
    """Return AC@1 of held-out incidents after so many past ones of each cause, and with the causes shuffled.

    Each incident is ranked by a memory of others only, drawn at random; the mean is over incidents and draws.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for n in seen:
        hits: dict[str, list[float]] = {"ac@1": [], "shuffled": []}
        for _ in range(min(_DRAWS, _RANKINGS // max(len(past.cases), 1) + 1) if n else 1):
            order = rng.permutation(len(past.cases)).tolist()
            shuffled = [past.roots[i] for i in rng.permutation(len(past.roots))]
            firsts = _firsts(past, order, n + 1)  # one more than are remembered: an incident does not remember itself
            for number in range(len(past.cases)):
                remembered = [i for first in firsts for i in [i for i in first if i != number][:n]]
                for name, roots in (("ac@1", past.roots), ("shuffled", shuffled)):
                    ranking = past.ranked(number, remembered, roots)
                    hits[name].append(score_ranking(ranking, past.roots[number])["ac@1"])
        rows.append({"seen": float(n)} | {name: float(np.mean(values)) for name, values in hits.items()})
    return rows


def _firsts(past: Past, order: Sequence[int], n: int) -> list[list[int]]:
    """Return the first ``n`` incidents of each cause, in this order."""
    firsts: dict[tuple[str, ...], list[int]] = {}
    for number in order:
        first = firsts.setdefault(tuple(sorted(past.roots[number])), [])
        if len(first) < n:
            first.append(number)
    return list(firsts.values())
