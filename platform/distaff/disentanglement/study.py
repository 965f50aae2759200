"""Latents and factors of one representation, and the quantities that several metrics need of them, computed once."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from distaff.disentanglement import information
from distaff.disentanglement.information import Estimator, Floor
from distaff.disentanglement.inputs import Columns, Floats, Ints, read_factors, read_latents
from distaff.disentanglement.resampling import Resamples
from distaff.disentanglement.result import Score, interval
from distaff_data.errors import InputError


class LatentStudy:
    """Checked latents ``(n, J)`` and factors ``(n, K)``; ``inputs`` says what is allowed.

    ``in_time_order`` says that rows follow one another in time, as those of a series and windows that overlap do: the floor
    and the bootstrap then keep neighbours together.

    Raises:
        InputError: Values are missing, lengths differ, or no factor varies.
    """

    def __init__(
        self,
        latents: ArrayLike,
        factors: Columns,
        *,
        nominal: Collection[int | str] | None = None,
        in_time_order: bool = False,
        seed: int = 0,
    ) -> None:
        self.latents = read_latents(latents)
        self.factors, self.constant_factors = read_factors(factors, nominal)
        self.seed, self.in_time_order = seed, in_time_order
        n, n_factors = len(self.latents.values), len(self.factors[0].codes)
        if n != n_factors:
            raise InputError(f"latents have {n} rows and factors {n_factors}")

    @cached_property
    def nmi(self) -> Floats:
        """Quantile-binned mutual information over entropy, ``(K, J_live)``."""
        return self.information("quantile")

    @cached_property
    def floor(self) -> Floor:
        """The floor under :attr:`nmi`."""
        return self.floor_of("quantile")

    @cached_property
    def resamples(self) -> Resamples:
        """Bootstrap of the rows."""
        return Resamples.of(len(self.latents.values), self.seed, in_blocks=self.in_time_order)

    def information(self, estimator: Estimator) -> Floats:
        """Return mutual information over entropy, ``(K, J_live)``."""
        return information.normalised(self.latents.values, self.factors, estimator, self.seed)

    def floor_of(self, estimator: Estimator) -> Floor:
        """Return :meth:`information` on shuffled factors, or on shifted ones where rows are in the order of time."""
        return information.floor(
            self.latents.values, self.factors, estimator, self.seed, in_time_order=self.in_time_order
        )

    def resampled_information(self, estimator: Estimator) -> Floats:
        """Bootstrap replicates of :meth:`information`, by bins, ``(B, K, J_live)``."""
        codes = information.codes_of(self.latents.values, estimator)
        out = [
            information.binned(codes, factor.codes, self.resamples) / self._resampled_entropy(factor.codes)
            for factor in self.factors
        ]
        return np.stack(out, 1)

    def score(self, value: float, matrix: Floats, replicates: Floats | None, *, lowest: float = 0.0) -> Score:
        """Return a score read from ``matrix``; without ``replicates`` it has no interval."""
        captured = self.floor.passed(self.nmi)
        low, high = (None, None) if replicates is None else interval(value, replicates, lowest=lowest)
        return Score(
            value,
            low,
            high,
            matrix,
            tuple(factor.name for factor in self.factors),
            dead=int((~self.latents.live).sum()),
            uninformative=int((~captured.any(0)).sum()),
            uncaptured=int((~captured.any(1)).sum()),
            constant_factors=self.constant_factors,
        )

    def _resampled_entropy(self, classes: Ints) -> Floats:
        """Entropy of a factor's classes in each replicate, ``(B, 1)``."""
        weights = self.resamples.weights
        shape = (weights.shape[1], int(classes.max()) + 1)
        cell = self.resamples.groups * shape[1] + classes
        counts = weights @ np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        entropy = np.asarray(stats.entropy(counts, axis=1))[:, None]
        # A rare class may be missing from a resample, and with it all there was to know.
        return np.asarray(np.maximum(entropy, np.finfo(np.float64).tiny))


def mutual_information(
    latents: ArrayLike,
    factors: Columns,
    *,
    nominal: Collection[int | str] | None = None,
    estimator: Estimator = "quantile",
    seed: int = 0,
) -> Floats:
    """Return the mutual information of every factor with every latent over the factor's entropy; ``(K, J)``, in [0, 1].

    Plain estimates, without the floor that ``info_mec`` takes away. Factors that never vary have no row.

    Args:
        latents: Numbers of any type.
        factors: Columns, or columns by name.
        nominal: Which factors are nominal; by default integers, booleans and strings are, floats are not.
        estimator: Bins of equal count (``quantile``) or of equal ``width``, or nearest neighbours (``knn``).
        seed: Of the neighbours' tie-breaking.
    """
    study = LatentStudy(latents, factors, nominal=nominal, seed=seed)
    return study.latents.spread(study.information(estimator))
