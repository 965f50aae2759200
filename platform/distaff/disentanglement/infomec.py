"""InfoM, InfoE and InfoC (Hsu et al. 2023, "Disentanglement via latent quantization"), over a floor of noise.

InfoM and InfoC are read from A, ``A[k, j] = I(factor k; latent j) / H(factor k)``, less the noise it contains: without
that, pure noise scores 0.5 on InfoM, and 0.9 when classes are imbalanced.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from distaff.disentanglement.explicitness import held_out_losses
from distaff.disentanglement.information import Estimator
from distaff.disentanglement.inputs import Columns, Floats
from distaff.disentanglement.result import Score
from distaff.disentanglement.study import LatentStudy
from distaff.disentanglement.threads import one_thread


@dataclass(frozen=True)
class InfoMEC:
    """The three scores.

    Attributes:
        info_m: Modularity: a latent tells of one factor.
        info_e: Explicitness: a factor can be read linearly. Its matrix has one column, the value of each factor. Below 0
            the predictor does worse than the factor's distribution.
        info_c: Compactness: a factor sits in one latent.
    """

    info_m: Score
    info_e: Score
    info_c: Score


def info_mec(
    latents: ArrayLike,
    factors: Columns,
    *,
    nominal: Collection[int | str] | None = None,
    estimator: Estimator = "quantile",
    in_time_order: bool = False,
    seed: int = 0,
) -> InfoMEC:
    """Score latents ``(n, J)`` against factors ``(n, K)``.

    Args:
        latents: Numbers of any type; their scales do not matter.
        factors: Columns, or columns by name.
        nominal: Which factors are nominal; by default integers, booleans and strings are, floats are not.
        estimator: ``quantile`` bins are fast; ``knn``, for final reports, has no interval for InfoM and InfoC.
        in_time_order: Rows follow one another in time (a series, windows that overlap): noise is then what they share with
            the same rows shifted, not shuffled. Entities one after another count as one long series.
        seed: Of shuffles, halves and resamples.
    """
    return info_mec_of(
        LatentStudy(latents, factors, nominal=nominal, in_time_order=in_time_order, seed=seed), estimator
    )


@one_thread()
def info_mec_of(study: LatentStudy, estimator: Estimator = "quantile") -> InfoMEC:
    """InfoMEC of a study."""
    if estimator == "quantile":
        matrix, floor = study.nmi, study.floor
    else:
        matrix, floor = study.information(estimator), study.floor_of(estimator)
    matrix = floor.apply(matrix)
    m_replicates = c_replicates = None
    if estimator != "knn":
        # The same cells count in every replicate: whether a cell is noise was decided on all rows.
        resampled = np.maximum(study.resampled_information(estimator) - floor.mean, 0.0) * (matrix > 0)
        m_replicates = np.array([info_m(a) for a in resampled])
        c_replicates = np.array([info_c(a) for a in resampled])
    whole = study.latents.spread(matrix)
    return InfoMEC(
        study.score(info_m(matrix), whole, m_replicates),
        _explicitness(study),
        study.score(info_c(matrix), whole, c_replicates),
    )


def info_m(nmi: Floats) -> float:
    """InfoM of a matrix ``(K, J)``: the share of each informative latent's column in its largest cell, from 1/K to 1.

    Averaged and rescaled to [0, 1]. 0 when no latent is informative; of a single factor, 1 when any is.
    """
    informative = nmi[:, nmi.sum(0) > 0]
    if informative.size == 0:
        return 0.0
    return float(_rescaled(informative.max(0) / informative.sum(0), len(nmi)).mean())


def info_c(nmi: Floats) -> float:
    """InfoC of a matrix ``(K, J)``: the share of each factor's row in its largest cell, from 1/J to 1.

    J counts informative latents only. Averaged and rescaled to [0, 1]. A factor that no latent
    tells of has 1/J, and so counts 0.
    """
    informative = nmi[:, nmi.sum(0) > 0]
    captured = informative[informative.sum(1) > 0]
    if captured.size == 0:
        return 0.0
    return float(_rescaled(captured.max(1) / captured.sum(1), informative.shape[1]).sum() / len(nmi))


def _rescaled(shares: Floats, n: int) -> Floats:
    """Shares from [1/n, 1] to [0, 1]; a share among one is 1."""
    return shares if n == 1 else (shares - 1 / n) / (1 - 1 / n)


def _explicitness(study: LatentStudy) -> Score:
    losses = np.stack(
        [held_out_losses(study.latents.values, factor, study.seed) for factor in study.factors], 1
    )  # (n, K, 2)
    values = explained(losses.sum(0))
    replicates = explained(study.resamples.sums(losses)).mean(-1)
    return study.score(float(values.mean()), values[:, None], replicates, lowest=-np.inf)


def explained(losses: Floats) -> Floats:
    """1 - loss / loss of the constant predictor, from ``(..., 2)``; 0 where the constant one makes no error."""
    null = losses[..., 1]
    return np.asarray(np.where(null > 0, 1 - losses[..., 0] / np.where(null > 0, null, 1.0), 0.0))
