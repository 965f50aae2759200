"""Disentanglement, completeness and informativeness (Eastwood and Williams 2018), weighted by what can be predicted.

Importances of trees sum to 1 for every factor, also one that nothing predicts: a lost factor then spreads over all latents
and lowers the disentanglement of the others (four factors, one dropped: 0.59 in place of 1). So each factor's importances
are multiplied by its skill on held-out rows, which is 0 for what is not predicted beyond chance.

All latents are offered at every split of a tree. A random subset of them, as is usual, forces weak latents in: the identity
then scores 0.78.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from distaff.disentanglement.explicitness import halves
from distaff.disentanglement.infomec import explained
from distaff.disentanglement.inputs import Columns, Factor, Floats
from distaff.disentanglement.result import Score
from distaff.disentanglement.study import LatentStudy
from distaff.disentanglement.threads import one_thread

TREES = 50
_LEAF = 5
_BEYOND_CHANCE = 3.0  # standard errors of the mean difference from the constant predictor


@dataclass(frozen=True)
class DCI:
    """The three scores; the intervals cover the held-out rows and the trees, not the rows the trees were fitted to.

    Attributes:
        disentanglement: A latent serves one factor; its matrix holds the weighted importances.
        completeness: A factor is served by one latent, with the same matrix; a factor that is not predicted counts 0.
        informativeness: Mean skill: 1 - loss / loss of the constant predictor, of the error rate or the squared error. Its
            matrix has one column.
    """

    disentanglement: Score
    completeness: Score
    informativeness: Score


@dataclass(frozen=True)
class Forest:
    """A forest's reading of one factor.

    Attributes:
        importances: Of each tree, summing to 1, ``(trees, J)``.
        losses: Of each row by the forest and by the constant predictor, ``(n, 2)``; 0 where the forest was fitted.
    """

    importances: Floats
    losses: Floats

    @property
    def skill(self) -> float:
        """Skill on held-out rows; 0 unless beyond chance, so that an accident on noise is not taken for a finding."""
        used = self.losses[self.losses.any(1)] if self.losses.any() else self.losses
        gain = used[:, 1] - used[:, 0]
        beyond = gain.sum() > _BEYOND_CHANCE * np.sqrt(((gain - gain.mean()) ** 2).sum())
        return float(explained(self.losses.sum(0))) if beyond else 0.0


def dci(latents: ArrayLike, factors: Columns, *, nominal: Collection[int | str] | None = None, seed: int = 0) -> DCI:
    """DCI of latents ``(n, J)`` and factors ``(n, K)`` by random forests; about ten seconds a factor at 10,000 rows of 64.

    Args:
        latents: Numbers of any type.
        factors: Columns, or columns by name.
        nominal: Which factors are nominal; by default integers, booleans and strings are, floats are not.
        seed: Of halves, forests and resamples.
    """
    return dci_of(LatentStudy(latents, factors, nominal=nominal, seed=seed))


@one_thread()
def dci_of(study: LatentStudy) -> DCI:
    """DCI of a study."""
    forests = [grow(study.latents.values, factor, study.seed) for factor in study.factors]
    skills = np.array([forest.skill for forest in forests])
    weighted = np.stack([f.importances.mean(0) * skill for f, skill in zip(forests, skills, strict=True)])
    rng = np.random.default_rng(study.seed)
    weights = rng.multinomial(TREES, np.full(TREES, 1 / TREES), size=len(study.resamples.weights)) / TREES
    sums = study.resamples.sums(np.stack([forest.losses for forest in forests], 1))
    resampled_skills = np.maximum(explained(sums), 0.0) * (skills > 0)  # (B, K)
    trees = np.stack([weights @ forest.importances for forest in forests], 1)  # (B, K, J)
    resampled = trees * resampled_skills[..., None]
    whole = study.latents.spread(weighted)
    return DCI(
        study.score(disentanglement(weighted), whole, np.array([disentanglement(r) for r in resampled])),
        study.score(completeness(weighted), whole, np.array([completeness(r) for r in resampled])),
        study.score(float(skills.mean()), skills[:, None], resampled_skills.mean(1)),
    )


def disentanglement(importances: Floats) -> float:
    """D of importances ``(K, J)``: 1 - entropy to base K of each latent's shares, weighted by the latent's own share."""
    weights = importances.sum(0)
    total = weights.sum()
    return float((weights / total) @ _concentration(importances.T)) if total > 0 else 0.0


def completeness(importances: Floats) -> float:
    """C of importances ``(K, J)``: mean over factors of 1 - entropy to base J of its shares; 0 for a factor without any."""
    return float(_concentration(importances).mean()) if importances.size else 0.0


def grow(values: Floats, factor: Factor, seed: int) -> Forest:
    """Fit half of the rows of latents ``(n, J)`` and predict the other."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    train = halves(factor, seed)
    losses = np.zeros((len(values), 2))
    target = factor.codes if factor.values is None else factor.values
    if factor.values is None:
        losses[~train, 1] = target[~train] != np.bincount(factor.codes[train]).argmax()
    else:
        losses[~train, 1] = (target[~train] - target[train].mean()) ** 2
    if values.shape[1] == 0:
        losses[:, 0] = losses[:, 1]
        return Forest(np.zeros((TREES, 0)), losses)
    kind = RandomForestClassifier if factor.values is None else RandomForestRegressor
    forest = kind(TREES, max_features=None, min_samples_leaf=_LEAF, random_state=seed).fit(values[train], target[train])
    predicted = forest.predict(values[~train])
    losses[~train, 0] = predicted != target[~train] if factor.values is None else (predicted - target[~train]) ** 2
    return Forest(np.stack([tree.feature_importances_ for tree in forest.estimators_]), losses)


def _concentration(shares: Floats) -> Floats:
    """1 - entropy of each row of ``(r, c)`` to base c; 0 for a row of zeros, 1 for any other row of one cell."""
    total = shares.sum(1, keepdims=True)
    p = shares / np.where(total > 0, total, 1.0)
    base = np.log(shares.shape[1]) if shares.shape[1] > 1 else 1.0
    return np.asarray(np.where(total[:, 0] > 0, 1 + xlogy(p, p).sum(1) / base, 0.0))
