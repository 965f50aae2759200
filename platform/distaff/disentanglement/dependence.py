"""Dependence between latents, or between chunks of them, without true factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.spatial.distance import cdist

from distaff.disentanglement.information import binned
from distaff.disentanglement.inputs import Floats, quantile_codes, read_latents
from distaff.disentanglement.resampling import Resamples
from distaff.disentanglement.result import Reading, interval
from distaff.disentanglement.threads import one_thread
from distaff_data.errors import InputError

MAX_ROWS = 2000
_BLOCK = 64  # rows of all distance matrices held at a time


@dataclass(frozen=True)
class PairwiseDependence:
    """Means over all pairs of live latents; 0 when there is no pair.

    Attributes:
        pearson: Mean |correlation|; MacridVAE's "independence" is 1 less this.
        spearman: Mean |rank correlation|.
        mutual_information: Mean in nats over quantile bins less the bias (R - 1)(C - 1)/2n, so around 0 when independent.
        dead: Latents that never vary and were left out.
    """

    pearson: float
    spearman: float
    mutual_information: float
    dead: int


@one_thread()
def total_correlation(latents: ArrayLike, *, seed: int = 0) -> Reading:
    """KL from the joint distribution of latents ``(n, J)`` to the product of the marginals in nats, were they Gaussian.

    ½(Σ log C_jj - log|C|) less its finite-sample bias J(J - 1)/4n; infinite when a latent is a linear function of others.
    Blind to dependence without correlation: a uniform square rotated by 45° has 0.

    Returns:
        The matrix holds the correlations ``(J, J)``.
    """
    table = read_latents(latents)
    n = len(table.values)
    correlations = Resamples.whole(n).correlations(table.values)[0]
    value = _gaussian(correlations) - _gaussian_bias(len(correlations), n)
    low: float | None = None
    high: float | None = None
    if np.isfinite(value):
        replicates = np.array([_gaussian(c) for c in Resamples.of(n, seed).correlations(table.values)])
        if np.isfinite(replicates).all():
            low, high = interval(value, replicates, lowest=-np.inf, highest=np.inf)
    return Reading(value, low, high, table.spread(table.spread(correlations).T), int((~table.live).sum()))


def pairwise_dependence(latents: ArrayLike) -> PairwiseDependence:
    """Return how much latents ``(n, J)`` depend on each other, two at a time."""
    table = read_latents(latents)
    values, dead = table.values, int((~table.live).sum())
    n, n_latents = values.shape
    if n_latents < 2:
        return PairwiseDependence(0.0, 0.0, 0.0, dead)
    pairs = np.triu_indices(n_latents, 1)
    codes = quantile_codes(values)
    levels = np.array([np.unique(column).size for column in codes.T])
    information = np.stack([binned(codes, column)[0] for column in codes.T])
    information -= np.outer(levels - 1, levels - 1) / (2 * n)
    return PairwiseDependence(
        float(np.abs(np.corrcoef(values.T))[pairs].mean()),
        float(np.abs(np.corrcoef(stats.rankdata(values, axis=0).T))[pairs].mean()),
        float(information[pairs].mean()),
        dead,
    )


@one_thread()
def distance_correlation(chunks: Sequence[ArrayLike], *, seed: int = 0) -> Reading:
    """Squared distance correlation of every pair of chunks of latents, each ``(n, d)``, U-centred (Székely and Rizzo 2014).

    Around 0, of either sign, under independence and only then. The usual biased estimate is 0.45 between independent chunks
    of 32 latents at 500 rows. Rotating or scaling a chunk changes nothing.

    Args:
        chunks: Two or more, of the same rows.
        seed: Of the sample of 2,000 rows taken when there are more: the cost is quadratic.

    Returns:
        The mean over pairs; the matrix ``(K, K)`` holds each pair's.
    """
    tables = [read_latents(chunk) for chunk in chunks]
    lengths = {len(table.values) for table in tables}
    if len(tables) < 2 or len(lengths) > 1:
        raise InputError(f"{len(tables)} chunks of {sorted(lengths)} rows; two or more of the same rows are needed")
    n = lengths.pop()
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:MAX_ROWS])
    # Unlike single latents, those of a chunk keep their scales: they say what is near.
    parts = [_centred(chunk)[rows] for chunk in chunks]
    gram = _u_centred_gram(parts)
    scale = np.sqrt(np.maximum(np.diag(gram), 0.0))
    live = scale > 0
    outer = np.outer(scale, scale)
    matrix = np.where(outer > 0, gram / np.where(outer > 0, outer, 1.0), 0.0)
    pairs = matrix[np.triu_indices(len(parts), 1)]
    counted = np.outer(live, live)[np.triu_indices(len(parts), 1)]
    value = float(pairs[counted].mean()) if counted.any() else 0.0
    return Reading(value, None, None, matrix, int((~live).sum()))


def _gaussian(correlations: Floats) -> float:
    """-½ log|C|, infinite when C is singular to rounding."""
    if not len(correlations):
        return 0.0
    eigenvalues = np.linalg.eigvalsh(correlations)
    if eigenvalues[0] <= len(correlations) * np.finfo(np.float64).eps * eigenvalues[-1]:
        return float("inf")
    return float(-0.5 * np.log(eigenvalues).sum())


def _gaussian_bias(n_latents: int, n: int) -> float:
    return n_latents * (n_latents - 1) / (4 * n)


def _centred(chunk: ArrayLike) -> Floats:
    values = np.asarray(chunk, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    largest = np.abs(values).max()
    scaled = values / largest if largest > 0 else values
    return np.asarray(scaled - scaled.mean(0))


def _u_centred_gram(chunks: Sequence[Floats]) -> Floats:
    """Inner products of the chunks' U-centred distance matrices, ``(K, K)``, a block of rows at a time."""
    n = len(chunks[0])
    sums = [np.concatenate([cdist(c[i : i + _BLOCK], c).sum(1) for i in range(0, n, _BLOCK)]) for c in chunks]
    gram = np.zeros((len(chunks), len(chunks)))
    for i in range(0, n, _BLOCK):
        here = np.arange(i, min(i + _BLOCK, n))
        rows = []
        for chunk, total in zip(chunks, sums, strict=True):
            centred = cdist(chunk[here], chunk) - (total[here, None] + total) / (n - 2)
            centred += total.sum() / ((n - 1) * (n - 2))
            centred[np.arange(here.size), here] = 0.0
            rows.append(centred.ravel())
        block = np.stack(rows)
        gram += block @ block.T
    return gram / (n * (n - 3))
