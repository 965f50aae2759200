"""Mutual information of every latent with every factor, and the floor under which it is noise.

The binned path counts all latents against a factor in one ``bincount``; the other is the nearest-neighbour estimate of Ross
(2014) for a continuous latent and a class, from scikit-learn: slower by two orders of magnitude, without the loss at the
edges of bins. A continuous factor is cut into 20 quantile bins in either.

The floor pairs each latent with factors of other rows. Rows that are exchangeable are shuffled. Rows in the order of time
are not: two slow series that have nothing to do with each other share much, and rows that overlap are one row told twice.
Their factors are shifted against the latents, around the end, which leaves each as slow as it is. A shift breaks a trend,
though, and two trends have time in common and nothing else: factors in reverse keep it. A factor that only rises or falls
cannot be told from time, and nothing counts as telling of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from distaff.disentanglement.inputs import Factor, Floats, Ints, discrete, quantile_codes, width_codes
from distaff.disentanglement.resampling import Resamples

Estimator = Literal["quantile", "width", "knn"]

SHUFFLES = 20
NEIGHBOURS = 10
# Noise passes the largest of 20 shuffles in at least 1 of 21 data sets, and a latent of noise that passes counts as
# perfectly modular. Half as much again makes that about 1 in 100.
_MARGIN = 1.5
_NEIGHBOUR_DRAWS = 4
_NEAR = 0.05  # of the rows: a shorter shift leaves slow series beside themselves
_CELLS = 4_000_000  # counted at a time


@dataclass(frozen=True)
class Floor:
    """The estimate where there is nothing to find, as shares of a factor's entropy.

    Attributes:
        mean: ``(K, J)``.
        limit: What a cell must pass, ``(K, J)``.
    """

    mean: Floats
    limit: Floats

    def passed(self, nmi: Floats) -> NDArray[np.bool_]:
        """Return the cells of ``(K, J)`` that are more than noise."""
        return np.asarray(nmi > self.limit)

    def apply(self, nmi: Floats) -> Floats:
        """Cells without the noise they contain, those that are noise set to 0; ``(K, J)``."""
        return np.asarray(np.where(self.passed(nmi), np.maximum(nmi - self.mean, 0.0), 0.0))


def codes_of(values: Floats, estimator: Estimator) -> Ints:
    """Bins of latents ``(n, J)``; the neighbour estimate is resampled and given its discrete columns by quantile bins."""
    return width_codes(values) if estimator == "width" else quantile_codes(values)


def normalised(values: Floats, factors: Sequence[Factor], estimator: Estimator, seed: int) -> Floats:
    """I(factor; latent) / H(factor) of latents ``(n, J)`` that vary; ``(K, J)``, in [0, 1]."""
    codes = codes_of(values, estimator)
    rows = [_neighbour(values, codes, f, seed) if estimator == "knn" else binned(codes, f.codes)[0] for f in factors]
    entropies = np.array([factor.entropy for factor in factors])
    return np.asarray(np.clip(np.reshape(rows, (len(factors), -1)) / entropies[:, None], 0.0, 1.0))


def floor(
    values: Floats, factors: Sequence[Factor], estimator: Estimator, seed: int, *, in_time_order: bool = False
) -> Floor:
    """Return the estimate on shuffled factors, or on shifted ones of rows in the order of time.

    Its mean is taken by factor over latents of 20 bins, which are all alike, and by cell for others and where latents may
    be slower or faster than one another; its spread by factor.
    The limit is a multiple of that spread, the same for all cells: the largest in any shuffle of any factor, and half as
    much again. So a factor of many classes, whose noise is larger, does not hide one of two.
    """
    rng = np.random.default_rng(seed)
    entropies = np.array([factor.entropy for factor in factors])
    nulls = _neighbour_nulls if estimator == "knn" else _binned_nulls
    orders = (_shifts if in_time_order else _shuffles)(len(values), rng)
    null = nulls(values, factors, estimator, orders, rng) / entropies[:, None]
    if null.size == 0:
        return Floor(null[0], null[0])
    mean = null.mean(0)
    alike = ~discrete(values)
    if alike.any() and not in_time_order:
        mean[:, alike] = mean[:, alike].mean(1, keepdims=True)
    excess = null - mean
    spread = np.maximum(excess.std(axis=(0, 2)), np.finfo(np.float64).eps)[:, None]
    return Floor(mean, mean + _MARGIN * float((excess / spread).max()) * spread)


def binned(codes: Ints, classes: Ints, resamples: Resamples | None = None) -> Floats:
    """Return the mutual information in nats of binned latents ``(n, J)`` with a factor's classes ``(n,)``.

    Returns:
        ``(1, J)``, or one row a replicate, ``(B, J)``.
    """
    n_groups = 1 if resamples is None else resamples.weights.shape[1]
    size, n_classes = int(codes.max(initial=0)) + 1, int(classes.max()) + 1
    block = max(1, _CELLS // (n_groups * size * n_classes))
    parts = []
    for start in range(0, codes.shape[1], block):
        columns = codes[:, start : start + block]
        cell = (np.arange(columns.shape[1]) * size + columns) * n_classes + classes[:, None]
        shape = (n_groups, columns.shape[1], size, n_classes)
        if resamples is not None:
            cell += (resamples.groups * (shape[1] * size * n_classes))[:, None]
        counts = np.bincount(cell.ravel(), minlength=int(np.prod(shape))).reshape(shape)
        if resamples is None:
            parts.append(from_counts(counts))
        else:
            flat = counts.reshape(n_groups, -1).astype(np.float64)
            parts.append(np.stack([from_counts((w @ flat).reshape(shape[1:])) for w in resamples.weights]))
    return np.concatenate(parts, 1) if parts else np.zeros((1 if resamples is None else len(resamples.weights), 0))


def from_counts(counts: NDArray[np.generic]) -> Floats:
    """Plug-in mutual information in nats from joint counts ``(..., bins, classes)``."""
    c = counts.astype(np.float64)
    total = c.sum(axis=(-2, -1))
    joint = xlogy(c, c).sum(axis=(-2, -1))
    rows, columns = c.sum(-1), c.sum(-2)
    marginal = xlogy(rows, rows).sum(-1) + xlogy(columns, columns).sum(-1)
    return np.asarray(np.maximum((joint - marginal) / total + np.log(total), 0.0))


def _shuffles(n: int, rng: np.random.Generator) -> list[Ints]:
    """Return orders of ``n`` rows, each at random."""
    return [rng.permutation(n) for _ in range(SHUFFLES)]


def _shifts(n: int, rng: np.random.Generator) -> list[Ints]:
    """Return orders of ``n`` rows: moved on around the end, by steps spread over all but the shortest, and in reverse."""
    steps = _NEAR + (1 - 2 * _NEAR) * (np.arange(SHUFFLES) + rng.random(SHUFFLES)) / SHUFFLES
    return [*(np.roll(np.arange(n), max(1, round(step * n))) for step in steps.tolist()), np.arange(n)[::-1]]


def _binned_nulls(
    values: Floats, factors: Sequence[Factor], estimator: Estimator, orders: Sequence[Ints], rng: np.random.Generator
) -> Floats:
    """Return the estimate of each order of the rows, ``(orders, K, J)``."""
    codes = codes_of(values, estimator)
    return np.stack([[binned(codes, factor.codes[order])[0] for factor in factors] for order in orders])


def _neighbour(values: Floats, codes: Ints, factor: Factor, seed: int) -> Floats:
    """Return mutual information in nats by nearest neighbours; by counts for latents of few levels, whose distances tie."""
    from sklearn.feature_selection import mutual_info_classif

    if values.shape[1] == 0:
        return np.zeros(0)
    few = discrete(values)
    mixed = np.where(few, codes, values)
    nats: Floats = mutual_info_classif(
        mixed, factor.codes, discrete_features=few, n_neighbors=NEIGHBOURS, random_state=seed
    )
    return nats


def _neighbour_nulls(
    values: Floats, factors: Sequence[Factor], estimator: Estimator, orders: Sequence[Ints], rng: np.random.Generator
) -> Floats:
    """Return the estimate of each order ``(orders, K, J)`` on 4 random latents; each stands for a quarter of all."""
    codes = codes_of(values, estimator)
    n_latents = values.shape[1]
    null = np.zeros((len(orders), len(factors), n_latents))
    if n_latents == 0:
        return null
    for cells, order in zip(null, orders, strict=True):
        for row, factor in zip(cells, factors, strict=True):
            drawn = rng.choice(n_latents, min(_NEIGHBOUR_DRAWS, n_latents), replace=False)
            shuffled = Factor(factor.name, factor.codes[order], None)
            row[:] = np.resize(
                _neighbour(values[:, drawn], codes[:, drawn], shuffled, int(rng.integers(1 << 31))), n_latents
            )
    return null
