"""The agreement of two representations of the same rows: up to a rotation (CKA, subspace R²) or axis by axis (UDR; MCC).

Both belong side by side: the same subspace with other axes is a different finding from another subspace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from distaff.disentanglement.inputs import Floats, Latents, read_latents
from distaff_data.errors import InputError


@dataclass(frozen=True)
class UDR:
    """Unsupervised disentanglement ranking.

    Attributes:
        values: Of each model the median over its pairs, ``(M,)``.
        pairs: ``(M, M)``; the diagonal, a model with itself, is not counted.
    """

    values: Floats
    pairs: Floats


def cka(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019) of ``(n, a)`` and ``(n, b)``, in [0, 1].

    0 when either is dead. Latents are standardised first. About sqrt(a b)/n between unrelated ones.
    """
    x, y = _pair(ours, theirs)
    scale = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(x.T @ y) ** 2 / scale) if scale > 0 else 0.0


def subspace_r2(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Return the share of the variance of ``theirs`` ``(n, b)``, standardised, that a linear map of ``ours`` explains.

    In [0, 1], not symmetric; about a/n between unrelated ones.
    """
    x, y = _pair(ours, theirs)
    if x.shape[1] == 0 or y.shape[1] == 0:
        return 0.0
    left, singular, _ = np.linalg.svd(x, full_matrices=False)
    basis = left[:, singular > singular[0] * len(x) * np.finfo(np.float64).eps]
    return float(np.linalg.norm(basis.T @ y) ** 2 / np.linalg.norm(y) ** 2)


def udr(models: Sequence[ArrayLike]) -> UDR:
    """Return how alike models are by latents, up to order and sign (Duan et al. 2020), by rank correlation; in [0, 1].

    A latent counts by how far its best match r stands out: r²/Σr over the other model's latents, in both directions.
    Identical representations of J latents have about 1/(1 + (J - 1) 0.8/√n), below 1 by what chance correlations amount to.

    Args:
        models: Two or more representations of the same rows, ``(n, J)`` each.
    """
    tables = [read_latents(model) for model in models]
    lengths = {len(table.values) for table in tables}
    if len(tables) < 2 or len(lengths) > 1:
        raise InputError(f"{len(tables)} models of {sorted(lengths)} rows; two or more of the same rows are needed")
    ranks = [_ranks(table) for table in tables]
    pairs = np.array([[_agreement(a, b) for b in ranks] for a in ranks])
    others = ~np.eye(len(ranks), dtype=bool)
    return UDR(np.array([np.median(row[keep]) for row, keep in zip(pairs, others, strict=True)]), pairs)


def _pair(ours: ArrayLike, theirs: ArrayLike) -> tuple[Floats, Floats]:
    x, y = read_latents(ours).values, read_latents(theirs).values
    if len(x) != len(y):
        raise InputError(f"representations have {len(x)} and {len(y)} rows; they must be of the same rows")
    return x, y


def _ranks(table: Latents) -> Floats:
    """Ranks of mean 0 and length 1."""
    ranks = stats.rankdata(table.values, axis=0) if table.values.size else table.values
    centred = ranks - ranks.mean(0)
    return np.asarray(centred / np.linalg.norm(centred, axis=0))


def _agreement(ours: Floats, theirs: Floats) -> float:
    if ours.shape[1] == 0 or theirs.shape[1] == 0:
        return 0.0
    similarity = np.abs(ours.T @ theirs)
    total = 0.0
    for matrix in (similarity, similarity.T):
        strength = matrix.sum(0)
        total += float((matrix.max(0) ** 2 / np.where(strength > 0, strength, 1.0)).sum())
    return total / float(ours.shape[1] + theirs.shape[1])
