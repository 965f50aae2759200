"""Moving the intents of a recommender: the exact part of an intent in each score is weighed up or down.

The coordinate of an intent is the log odds of its share in a user's mix. Adding to it what takes a share s to s' multiplies
the intent's part of every score by the odds of s' over those of s, with all other parts as they are. So log odds have no
upper or lower end, and a share can be moved beyond what anybody holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse, stats
from torch import Tensor

from distaff.factors.activity import (
    LIST,
    PROBE_USERS,
    Activity,
    output_states,
    posterior_states,
    sample_users,
    shared_items,
)
from distaff.factors.effects import EffectCard, Ladder, effect_card
from distaff.ranking.metrics import exclusion, top_k
from distaff.recommenders.base import Recommender
from distaff.recommenders.intents import Intents
from distaff.recommenders.relevance import Incidence
from distaff.recommenders.steer import weighed
from distaff_data.arrays import Floats
from distaff_data.datasets.csr import Csr

LEAST_SHARE = 1e-4  # a user with less of an intent holds nothing of it that could be weighed
POPULARITY = "popularity rank"
CHURN = "list churn"
_ENOUGH = 10  # users without whom there is no card


def log_odds(shares: Tensor) -> Floats:
    """Return the log odds of shares, which are cut to where they can be weighed; float64."""
    clipped = shares.double().clamp(LEAST_SHARE, 1 - LEAST_SHARE)
    return np.asarray((clipped / (1 - clipped)).log().numpy())


def share_of(log_odds: Floats) -> Floats:
    """Return shares that have these log odds."""
    return np.asarray(1 / (1 + np.exp(-log_odds)))


class Interventions:
    """Lists of a sample of users, with intents moved: what an effect card decodes.

    Args:
        model: A recommender with intents.
        intents: Its intents.
        users: Positions ``(B,)``; their scores are held in memory.
        seen: ``(B, n_items)`` items not to list.
        length: Of the lists.
    """

    def __init__(self, model: Recommender, intents: Intents, users: Tensor, seen: Csr, length: int) -> None:
        self.codes = log_odds(intents.users[users])
        self._model, self._users, self._seen = model, users, seen
        self._length = min(length, model.data.n_items)
        self._scores = model.predict(users)
        self._parts: dict[int, Tensor] = {}

    def decode(self, codes: Floats) -> Tensor:
        """Return lists ``(B, k)``, -1 where a user has fewer items left, after moving to ``codes`` ``(B, K)``."""
        return self.weighed(torch.from_numpy(np.exp(codes - self.codes)))

    def weighed(self, weights: Tensor) -> Tensor:
        """Return lists with every intent's part multiplied by its weight ``(B, K)``."""
        return top_k(weighed(self._scores, weights, self.part), self._seen, self._length)[0]

    def part(self, intent: int) -> Tensor:
        """Return an intent's part of the scores ``(B, n_items)``; the last is kept, since a ladder moves it many times."""
        if intent not in self._parts:
            self._parts = {intent: self._model.intent_scores(self._users, intent)}
        return self._parts[intent]


@dataclass(frozen=True)
class ListProperties:
    """Named properties of lists: share of every attribute value, mean popularity rank, churn.

    Attributes:
        incidence: Which item carries which attribute value.
        popularity: Rank of each item by popularity, from 0 to 1, ``(n_items,)``.
        reference: Lists that churn is counted from, ``(B, k)``.
    """

    incidence: Incidence
    popularity: Floats
    reference: Tensor

    def __call__(self, lists: Tensor) -> Mapping[str, Floats]:
        """Return each property ``(B,)`` of lists ``(B, k)``."""
        rows, _ = torch.nonzero(lists >= 0, as_tuple=True)
        members = sparse.csr_matrix(
            (np.ones(rows.numel()), (rows.numpy(), lists[lists >= 0].numpy())),
            shape=(len(lists), len(self.popularity)),
        )
        length = np.maximum(np.asarray(members.sum(1)).ravel(), 1.0)
        carried = (members @ self.incidence.carries).toarray() / length[:, None]
        values = {f"{name}: {value}": carried[:, at] for at, (name, value) in enumerate(self.incidence.pairs)}
        stays = shared_items(lists, self.reference).sum(1).double().numpy()
        return values | {POPULARITY: members @ self.popularity / length, CHURN: 1.0 - stays / length}


def popularity_ranks(counts: Tensor) -> Floats:
    """Return the ranks of training counts ``(n_items,)`` from 0, the least taken, to 1; ties share their mean rank."""
    return np.asarray((stats.rankdata(counts.numpy()) - 1) / max(counts.numel() - 1, 1))


def intervene(
    model: Recommender, intents: Intents, incidence: Incidence, popularity: Tensor, *, seed: int = 0
) -> tuple[Activity, list[EffectCard | None]]:
    """Measure activity and effect card of every intent on lists of a sample of users.

    One part of the scores is in memory at a time. A model that gives posterior variances is judged active or passive by
    them; any other by how much of the spread of each user's scores the intent's part makes. Cards are of the users who hold
    some of the intent, None where too few do; their churn is counted from the lists at the lowest rung.
    """
    users = sample_users(model, PROBE_USERS, seed)
    lists = Interventions(model, intents, users, exclusion(model.data, ("train",)).take(users), LIST)
    mixes = intents.users[model.data.train.counts() > 0]
    unchanged = lists.decode(lists.codes)
    ranks = popularity_ranks(popularity)
    n_intents = mixes.shape[1]
    spread, effects = np.empty((len(users), n_intents)), np.empty(n_intents)
    cards: list[EffectCard | None] = []
    for intent in range(n_intents):
        spread[:, intent] = lists.part(intent).double().std(1).numpy()
        weights = torch.ones(len(users), n_intents)
        weights[:, intent] = 0
        effects[intent] = 1.0 - int(shared_items(unchanged, lists.weighed(weights)).sum()) / max(
            int((unchanged >= 0).sum()), 1
        )
        holders = intents.users[users, intent] >= LEAST_SHARE
        levels = log_odds(mixes[:, intent][mixes[:, intent] >= LEAST_SHARE])
        too_few = int(holders.sum()) < _ENOUGH
        cards.append(
            None if too_few else _card(lists, intent, holders, Ladder.from_values(levels), incidence, ranks, seed)
        )
    posterior = model.intent_posterior()
    if posterior is not None:
        return Activity(*posterior_states(*posterior), effects), cards
    return Activity(*output_states(spread / np.maximum(spread.sum(1, keepdims=True), 1e-300)), effects), cards


def _card(
    lists: Interventions, intent: int, holders: Tensor, ladder: Ladder, incidence: Incidence, ranks: Floats, seed: int
) -> EffectCard:
    lowest = lists.codes.copy()
    lowest[:, intent] = ladder.levels[0]
    measure = ListProperties(incidence, ranks, lists.decode(lowest)[holders])

    def properties(decoded: Tensor) -> Mapping[str, Floats]:
        return measure(decoded[holders])

    return effect_card(
        lists.codes,
        intent,
        ladder,
        lists.decode,
        properties,
        magnitudes={CHURN},
        n_factors=lists.codes.shape[1],
        seed=seed,
    )
