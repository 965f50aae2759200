"""Stability of factors over seeds: found one to one, split over several, or only as the same subspace.

These are different findings. A factor with a one-to-one partner is *stable*. One that a non-negative mix of another seed's
factors makes up is *split*: the same thing, cut otherwise. One in the span of another seed's factors only, by a mix with
signs, is a rotation of them. Every number stands against a null of items shuffled in the other seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment, nnls
from torch import Tensor

from distaff_data.arrays import Floats, Ints

Badge = Literal["stable", "split", "seed-specific"]

STABLE = 0.8  # correlation with the partner
SPLIT = 0.64  # R2 of a non-negative mix: the same correlation, squared
_SHUFFLES = 5
_NULL = 0.95
_SAME = 1e-5  # largest difference of item shares between fits that are one and the same


@dataclass(frozen=True)
class Likeness:
    """Factors beside those of one other seed, each array ``(K,)``.

    Attributes:
        partner: One-to-one partner, -1 without one.
        match: Correlation of item shares with the partner; 0 without one.
        split: R² of a non-negative mix of all factors of the other seed.
        subspace: R² of any linear mix of them.
    """

    partner: Ints
    match: Floats
    split: Floats
    subspace: Floats


@dataclass(frozen=True)
class Stability:
    """Factors beside several other seeds: medians over seeds, their nulls, and badges.

    Attributes:
        likeness: By other seed's run.
        match, split, subspace: Medians over seeds, ``(K,)``.
        nulls: What 95 % of factors stay below when items are shuffled: of match, split and subspace.
        badges: One a factor.
    """

    likeness: dict[str, Likeness]
    match: Floats
    split: Floats
    subspace: Floats
    nulls: tuple[float, float, float]
    badges: tuple[Badge, ...]


def match(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return the correlation of each intent's item shares with its one-to-one partner in another run, float64 ``(K,)``.

    Partners by Hungarian assignment on the correlations of item shares ``(n_items, K)`` and ``(n_items, K')``; an
    intent left without a partner has 0.
    """
    return torch.from_numpy(partners(ours, theirs)[1])


def partners(ours: Tensor, theirs: Tensor) -> tuple[Ints, Floats]:
    """Return the one-to-one partner of each factor in another run, -1 where it has none, and the correlation, 0 there."""
    return _partners(_standard(ours), _standard(theirs))


def correlations(ours: Tensor, theirs: Tensor) -> Floats:
    """Return the correlations of columns of ``(n, K)`` and ``(n, K')``; one that never varies correlates with nothing."""
    return np.asarray(_standard(ours).T @ _standard(theirs))


def compare_seeds(ours: Tensor, others: Mapping[str, Tensor], *, seed: int = 0) -> Stability | None:
    """Return the stability of factors over fits with other seeds.

    Args:
        ours: Item shares ``(n_items, K)``, or any loadings of the same rows.
        others: Those of each other seed, by run.
        seed: Of the shuffles.

    Returns:
        None when no other seed tells anything: there is none, or all gave the same fit, as where nothing is drawn.
    """
    tables = {run: theirs for run, theirs in others.items() if not _identical(ours, theirs)}
    if not tables:
        return None
    likeness = {run: _likeness(ours, theirs) for run, theirs in tables.items()}
    medians = [
        np.median([getattr(f, name) for f in likeness.values()], axis=0) for name in ("match", "split", "subspace")
    ]
    nulls = _nulls(ours, list(tables.values()), np.random.default_rng(seed))
    badges = tuple(_badge(m, s, nulls) for m, s in zip(medians[0].tolist(), medians[1].tolist(), strict=True))
    return Stability(likeness, medians[0], medians[1], medians[2], nulls, badges)


def _badge(matched: float, split: float, nulls: tuple[float, float, float]) -> Badge:
    if matched >= STABLE and matched > nulls[0]:
        return "stable"
    return "split" if split >= SPLIT and split > nulls[1] else "seed-specific"


def _identical(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and float((ours - theirs).abs().max()) < _SAME


def _standard(loadings: Tensor) -> Floats:
    """Return columns of mean 0 and length 1."""
    x = loadings.double() - loadings.double().mean(0)
    return np.asarray((x / x.norm(dim=0).clamp(min=1e-12)).numpy())


def _partners(ours: Floats, theirs: Floats) -> tuple[Ints, Floats]:
    correlation = ours.T @ theirs
    rows, cols = linear_sum_assignment(-correlation)
    partner = np.full(ours.shape[1], -1)
    matched = np.zeros(ours.shape[1])
    partner[rows], matched[rows] = cols, correlation[rows, cols]
    return partner, matched


def _likeness(ours: Tensor, theirs: Tensor) -> Likeness:
    """Regress on the columns' inner products alone, so that the cost does not grow with the rows.

    The linear mix may have an intercept. The non-negative mix has none: shares sum to 1, so that a constant and a factor
    less could both be written as sums of the others, and nothing would be ruled out.
    """
    partner, matched = _partners(_standard(ours), _standard(theirs))
    y, x = (np.asarray(table.double().numpy()) for table in (ours, theirs))
    spread = np.maximum(((y - y.mean(0)) ** 2).sum(0), 1e-300)
    root, target = _reduced(x, y)
    outside = (y**2).sum(0) - (target**2).sum(0)
    misfit = np.array([nnls(root, column)[1] ** 2 for column in target.T])
    centred = _reduced(x - x.mean(0), y - y.mean(0))[1]
    subspace = np.clip((centred**2).sum(0) / spread, 0.0, 1.0)
    return Likeness(partner, matched, np.clip(1 - (outside + misfit) / spread, 0.0, subspace), subspace)


def _reduced(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return ``(n, K')`` and ``(n, K)`` in an orthonormal basis of the former's span, ``(r, K')`` and ``(r, K)``."""
    values, vectors = np.linalg.eigh(x.T @ x)
    significant = values > values[-1] * len(values) * np.finfo(np.float64).eps
    scale = np.sqrt(values[significant])
    return (vectors[:, significant] * scale).T, (vectors[:, significant] / scale).T @ (x.T @ y)


def _nulls(ours: Tensor, others: list[Tensor], rng: np.random.Generator) -> tuple[float, float, float]:
    tables = [others[turn % len(others)] for turn in range(_SHUFFLES)]
    shuffled = [_likeness(ours, theirs[torch.from_numpy(rng.permutation(len(theirs)))]) for theirs in tables]
    match_, split, subspace = (
        float(np.quantile([getattr(f, name) for f in shuffled], _NULL)) for name in ("match", "split", "subspace")
    )
    return match_, split, subspace
