"""Which latents of a variational model are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from distaff.disentanglement.inputs import read_latents
from distaff_data.errors import InputError

State = Literal["active", "mixed", "passive"]

_LEAST_VARIANCE = 0.01  # of the posterior mean over rows (Burda et al. 2016)
_PRIOR = 0.9  # posterior variance from which a row's latent is the prior's
_SHARE = 0.05  # of rows at the prior, from which an active latent is mixed


@dataclass(frozen=True)
class ActiveUnits:
    """The state of each latent: active, mixed (at the prior for part of the rows) or passive."""

    states: tuple[State, ...]

    @property
    def n_active(self) -> int:
        """Latents that are not passive."""
        return len(self.states) - self.states.count("passive")


def active_units(means: ArrayLike, variances: ArrayLike | None = None) -> ActiveUnits:
    """States of latents from posterior means and variances ``(n, J)`` under a prior of variance 1.

    A passive latent's mean has a variance of at most 0.01 over rows; drop it before correlations, probes and plots. A mixed
    one is at the prior in at least 5 % of the rows (Bonheme and Grzes 2021); without variances none is told from active.
    """
    read_latents(means)
    table = np.asarray(means, dtype=np.float64).reshape(len(np.asarray(means)), -1)
    active = table.var(0) > _LEAST_VARIANCE
    mixed = np.zeros_like(active)
    if variances is not None:
        read_latents(variances)
        spread = np.asarray(variances, dtype=np.float64).reshape(len(np.asarray(variances)), -1)
        if spread.shape != table.shape:
            raise InputError(f"means are {table.shape} and variances {spread.shape}; one of each is needed")
        mixed = (spread >= _PRIOR).mean(0) >= _SHARE
    pairs = zip(active.tolist(), mixed.tolist(), strict=True)
    return ActiveUnits(tuple("passive" if not a else "mixed" if m else "active" for a, m in pairs))
