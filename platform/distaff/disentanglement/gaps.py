"""Scores of one latent at a time: MIG, SAP, modularity and MCC."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from distaff.disentanglement.information import Estimator
from distaff.disentanglement.inputs import Columns, Factor, Floats
from distaff.disentanglement.resampling import Resamples
from distaff.disentanglement.result import Score
from distaff.disentanglement.study import LatentStudy
from distaff.disentanglement.threads import one_thread


def mig(
    latents: ArrayLike,
    factors: Columns,
    *,
    nominal: Collection[int | str] | None = None,
    estimator: Estimator = "quantile",
    seed: int = 0,
) -> Score:
    """Return the mutual information gap (Chen et al. 2018): a factor's best latent ahead of its second, in [0, 1].

    Duplicated latents and a rotation by 45° both score 0. Bins of equal ``width`` are what other libraries use: one outlier
    takes the identity to 0.
    """
    return mig_of(LatentStudy(latents, factors, nominal=nominal, seed=seed), estimator)


@one_thread()
def mig_of(study: LatentStudy, estimator: Estimator = "quantile") -> Score:
    """MIG of a study."""
    matrix = study.information(estimator)
    resampled = None if estimator == "knn" else np.array([gap(a) for a in study.resampled_information(estimator)])
    return study.score(gap(matrix), study.latents.spread(matrix), resampled)


def modularity(
    latents: ArrayLike,
    factors: Columns,
    *,
    nominal: Collection[int | str] | None = None,
    estimator: Estimator = "quantile",
    seed: int = 0,
) -> Score:
    """Modularity (Ridgeway and Mozer 2018): 1 - Σ I² of the other factors / (I² of the best (K - 1)), mean over all latents.

    As published it has no floor: latents of noise count with what noise they contain, dead ones 0. InfoM has one.
    """
    return modularity_of(LatentStudy(latents, factors, nominal=nominal, seed=seed), estimator)


@one_thread()
def modularity_of(study: LatentStudy, estimator: Estimator = "quantile") -> Score:
    """Modularity of a study."""
    entropies = np.array([factor.entropy for factor in study.factors])[:, None]
    matrix = study.information(estimator)
    n_latents = study.latents.live.size
    resampled = None
    if estimator != "knn":
        replicates = study.resampled_information(estimator) * entropies
        resampled = np.array([modularity_from(a).sum() / n_latents for a in replicates])
    value = float(modularity_from(matrix * entropies).sum() / n_latents)
    return study.score(value, study.latents.spread(matrix), resampled)


@one_thread()
def sap(latents: ArrayLike, factors: Columns, *, nominal: Collection[int | str] | None = None, seed: int = 0) -> Score:
    """Separated attribute predictability (Kumar et al. 2018): each factor's gap in R² between its best two latents.

    For a nominal factor the R² is the share of a latent's variance that lies between classes. The accuracy of a support
    vector machine, as published, depends on the latents' scale.
    """
    study = LatentStudy(latents, factors, nominal=nominal, seed=seed)
    matrix, resampled = linear_association(study)
    return study.score(gap(matrix**2), study.latents.spread(matrix**2), np.array([gap(a**2) for a in resampled]))


def mcc(latents: ArrayLike, factors: Columns, *, nominal: Collection[int | str] | None = None, seed: int = 0) -> Score:
    """Mean correlation coefficient: mean |correlation| in the best one-to-one assignment of latents.

    A factor left without a latent counts 0. For a nominal factor the correlation is that with the best scores for
    its classes, the square root of the share of variance between classes.
    """
    return mcc_of(LatentStudy(latents, factors, nominal=nominal, seed=seed))


@one_thread()
def mcc_of(study: LatentStudy) -> Score:
    """MCC of a study."""
    matrix, resampled = linear_association(study)
    replicates = np.array([assigned_mean(a) for a in resampled])
    return study.score(assigned_mean(matrix), study.latents.spread(matrix), replicates)


def gap(matrix: Floats) -> float:
    """Mean over rows of ``(K, J)`` of the largest cell less the second, which is 0 when there is one column."""
    padded = np.hstack([matrix, np.zeros((len(matrix), 2))])
    top = -np.partition(-padded, 1, axis=1)[:, :2]
    return float((top[:, 0] - top[:, 1]).mean())


def modularity_from(information: Floats) -> Floats:
    """Modularity of each latent from mutual information in nats ``(K, J)``: 0 without any, 1 for one factor with some."""
    squares = information**2
    best = squares.max(0)
    others = (squares.sum(0) - best) / max(len(information) - 1, 1)
    return np.asarray(np.where(best > 0, 1 - others / np.where(best > 0, best, 1.0), 0.0))


def assigned_mean(matrix: Floats) -> float:
    """Mean over rows of ``(K, J)`` of the cells of the best one-to-one assignment, 0 for rows without a column."""
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return float(matrix[rows, columns].sum() / len(matrix))


def linear_association(study: LatentStudy) -> tuple[Floats, Floats]:
    """|Correlation| of each factor with each latent, ``(K, J_live)``, and replicates ``(B, K, J_live)``."""
    once = Resamples.whole(len(study.latents.values))
    correlations, resampled = (
        np.stack([_association(study.latents.values, factor, resamples) for factor in study.factors], 1)
        for resamples in (once, study.resamples)
    )
    return correlations[0], resampled


def _association(latents: Floats, factor: Factor, resamples: Resamples) -> Floats:
    """|Correlation| of one factor with latents ``(n, J)`` in each replicate, ``(B, J)``."""
    n, total, squares = np.split(
        resamples.sums(np.hstack([np.ones((len(latents), 1)), latents, latents**2])), [1, 1 + latents.shape[1]], 1
    )
    variance = squares / n - (total / n) ** 2
    if factor.values is None:
        sizes, sums = resamples.class_sums(latents, factor.codes)
        between = (sums**2 / np.maximum(sizes, 1.0)[..., None]).sum(1) / n - (total / n) ** 2
        explained = between / np.where(variance > 0, variance, 1.0)
    else:
        target = factor.values[:, None]
        mean, second = np.split(resamples.sums(np.hstack([target, target**2])) / n, 2, 1)
        covariance = resamples.sums(latents * target) / n - mean * total / n
        scale = variance * (second - mean**2)
        explained = covariance**2 / np.where(scale > 0, scale, 1.0)
    return np.asarray(np.sqrt(np.clip(explained, 0.0, 1.0)))
