"""The activity of factors: effective numbers, and states by share of the output or by posterior variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from distaff.disentanglement import active_units
from distaff.recommenders.base import Recommender
from distaff_data.arrays import Floats

State = Literal["active", "mixed", "passive"]

PASSIVE = 0.1  # of the share a factor would have if all were equal
PROBE_USERS = 256
LIST = 20
_FEW, _MOST = 0.05, 0.95  # of the users
_PRIOR = 0.9  # posterior variance, under a prior of 1, from which nothing was learned about a user


@dataclass(frozen=True)
class Activity:
    """The activity of K factors.

    Attributes:
        states: Active, passive, or mixed: passive for part of the users.
        passive_users: Share of users for whom it is passive, ``(K,)``.
        effects: Share of the lists' items that leave when the factor is taken away, ``(K,)``.
    """

    states: tuple[State, ...]
    passive_users: Floats
    effects: Floats


def effective_numbers(mixes: Tensor) -> tuple[float, float]:
    """Return exp(entropy) of each user's mix, averaged, and of the mean mix; from shares ``(n, K)``."""
    entropy = -torch.special.xlogy(mixes.double(), mixes.double()).sum(1)
    mean = mixes.double().mean(0)
    return float(entropy.exp().mean()), float((-torch.special.xlogy(mean, mean).sum()).exp())


def output_states(shares: Floats) -> tuple[tuple[State, ...], Floats]:
    """Return states and shares of passive users from each factor's share of each user's output, ``(n, K)``.

    A factor is passive for a user with less than a tenth of an equal share of the output; it is passive when that, or its
    mean share, holds of 95 % of users, active when it holds of 5 % at most, and mixed in between.
    """
    threshold = PASSIVE / shares.shape[1]
    passive = (shares < threshold).mean(0)
    passive_overall = (passive >= _MOST) | (shares.mean(0) < threshold)
    states = zip(passive_overall.tolist(), (passive > _FEW).tolist(), strict=True)
    return tuple("passive" if q else "mixed" if p else "active" for q, p in states), passive


def posterior_states(means: Tensor, variances: Tensor) -> tuple[tuple[State, ...], Floats]:
    """Return states and shares of passive users from a posterior ``(n, K)`` or ``(n, K, d)`` under a prior of variance 1.

    By :func:`distaff.disentanglement.active_units`. A factor of several latents is as active as its most active one, and
    passive for a user when all of them are at the prior.
    """
    n, n_factors = means.shape[:2]
    units = active_units(means.reshape(n, -1).double().numpy(), variances.reshape(n, -1).double().numpy()).states
    width = max(len(units) // n_factors, 1)
    groups = [set(units[k * width : (k + 1) * width]) for k in range(n_factors)]
    states: tuple[State, ...] = tuple(
        "active" if "active" in g else "mixed" if "mixed" in g else "passive" for g in groups
    )
    at_prior = (variances.reshape(n, n_factors, -1) >= _PRIOR).all(2).double().mean(0).numpy()
    return states, np.where([state == "passive" for state in states], 1.0, at_prior)


def sample_users(model: Recommender, n: int, seed: int) -> Tensor:
    """Return a sample of at most ``n`` users with training interactions, positions ascending."""
    users = torch.nonzero(model.data.train.counts() > 0).squeeze(1)
    order = torch.randperm(users.numel(), generator=torch.Generator().manual_seed(seed))
    return users[order[:n]].sort().values


def shared_items(ours: Tensor, theirs: Tensor) -> Tensor:
    """Tell which of our items ``(b, k)`` are in their list ``(b, k')`` too; -1 is no item."""
    return (ours.unsqueeze(2) == theirs.unsqueeze(1)).any(2) & (ours >= 0)
