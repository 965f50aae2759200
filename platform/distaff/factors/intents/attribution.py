"""The control of an attribution: how much of the explanation would random responsibilities give?

A model may split each score by giving every factor its share of each interaction, the share that the factor is responsible
for. Such parts sum to the score whatever the responsibilities are, random ones included: the sum is no evidence. It is
evidence that the parts of a score gather in fewer factors than they do where items have exchanged responsibilities, each
with one about as popular, for everybody alike. Parts are those of items that users took later, which no model chose: lists
are chosen by scores that may know the factors, and would gather by that alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from distaff.factors.activity import LIST
from distaff.factors.intents.blind_spots import held_out
from distaff.recommenders.base import Recommender
from distaff.stats.stratified import strata_of

SHUFFLES = 99
_USERS = 32


@dataclass(frozen=True)
class Attribution:
    """The concentration of the parts of held-out items' scores, beside that where items have exchanged responsibilities.

    Attributes:
        concentration: Largest part over the sum of all, in absolute values; the mean over users and items.
        shuffled: The mean of the same over shuffles.
        low, high: What 95 % of shuffles lie between.
        p_value: Chance that a shuffle gathers the parts as much.
        users: Users measured on.
    """

    concentration: float
    shuffled: float
    low: float
    high: float
    p_value: float
    users: int


def attribution(model: Recommender, *, seed: int = 0) -> Attribution | None:
    """Return the attribution of a model's scores beside its control.

    None where scores are made of factors, without responsibilities, or nothing is held out.
    """
    data = model.data
    interactions = data.split(held_out(data))
    users = torch.nonzero((data.train.counts() > 0) & (interactions.counts() > 0)).squeeze(1)
    if held_out(data) == "train" or not users.numel():
        return None
    rng = np.random.default_rng(seed)
    users = users[torch.from_numpy(np.sort(rng.permutation(len(users))[:_USERS]))]
    orders = _exchanges(torch.bincount(data.train.indices, minlength=data.n_items), SHUFFLES, rng)
    gathered = []
    for user in users.split(1):
        parts = model.reassigned_intent_scores(user, interactions.take(user).indices.long()[:LIST], orders)
        if parts is None:
            return None
        gathered.append(concentration(parts))
    measured, *shuffled = torch.stack(gathered).mean(0).tolist()
    low, high = np.quantile(shuffled, [0.025, 0.975]).tolist()
    p_value = (1 + sum(null >= measured for null in shuffled)) / (1 + len(shuffled))
    return Attribution(measured, float(np.mean(shuffled)), low, high, p_value, len(gathered))


def _exchanges(popularity: Tensor, n: int, rng: np.random.Generator) -> Tensor:
    """Return the items in their order, then ``n`` times shuffled among those about as popular, ``(1 + n, n_items)``."""
    strata = strata_of(popularity.double().numpy())
    by_stratum = np.argsort(strata, kind="stable")
    orders = np.tile(np.arange(len(strata)), (1 + n, 1))
    for order in orders[1:]:
        order[by_stratum] = np.argsort(strata + rng.random(len(strata)))
    return torch.from_numpy(orders)


def concentration(parts: Tensor) -> Tensor:
    """Return the largest part over the sum of all, in absolute values, on average over items; of ``(..., K, n)``."""
    size = parts.double().abs()
    return (size.amax(-2) / size.sum(-2).clamp(min=1e-300)).mean(-1)
