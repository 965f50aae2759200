"""Counterfactual re-ranking: a user's list beside the list that other intents would give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from distaff.factors.intents.interventions import Moves
from distaff.ranking.metrics import exclusion
from distaff.recommenders.base import Intents, Recommender
from distaff_data.errors import InputError

_KNOWN = ("train", "valid")  # not listed; what the test split holds can be


@dataclass(frozen=True)
class Reranked:
    """A user's list beside the list after the user's intents were weighed.

    Attributes:
        before, after: Items, best first.
        changes: Of each item after: places it rose (negative: fell), None where it is new.
        left: Items that are not listed any more.
        churn: Share of the list that is new.
        held_out: The user's held-out test interactions.
        hits_before, hits_after: How many of them the lists have.
    """

    user: str
    weights: dict[int, float]
    before: list[str]
    after: list[str]
    changes: list[int | None]
    left: list[str]
    churn: float
    held_out: int
    hits_before: int
    hits_after: int

    def table(self) -> pa.Table:
        """``rank, before, after, change``: both lists side by side."""
        n = max(len(self.before), len(self.after))
        padded = [[*column, *[None] * (n - len(column))] for column in (self.before, self.after, self.changes)]
        columns = [pa.array(range(1, n + 1), pa.int64()), *map(pa.array, padded[:2]), pa.array(padded[2], pa.int64())]
        return pa.table(columns, names=["rank", "before", "after", "change"])


def rerank(
    model: Recommender, user: str, weights: Mapping[int, float], *, intents: Intents | None = None, top_k: int = 20
) -> Reranked:
    """What a user's list becomes when the parts of intents are multiplied: 0 takes an intent away, 2 doubles it.

    Args:
        model: A recommender with intents.
        user: The user's id.
        weights: By intent; the others keep 1.
        intents: The model's intents, when the caller has them already.
        top_k: Length of the lists.

    Raises:
        InputError: An unknown user or intent, or a weight that is negative or no number.
        UnsupportedError: The model has no intents.
    """
    found = model.intents() if intents is None else intents
    n_intents = found.users.shape[1]
    position = _checked(model, user, weights, n_intents, top_k)
    moves = Moves(model, found, position, exclusion(model.data, _KNOWN).take(position), top_k)
    row = torch.ones(1, n_intents, dtype=torch.float64)
    for intent, weight in weights.items():
        row[0, intent] = weight
    lists = [moves.weighed(w)[0] for w in (torch.ones_like(row), row)]
    before, after = ([int(i) for i in items if i >= 0] for items in lists)
    place = {item: rank for rank, item in enumerate(before)}
    changes = [place[item] - rank if item in place else None for rank, item in enumerate(after)]
    taken = set(model.data.test.take(position).indices.tolist())
    names = model.data.item_ids
    return Reranked(
        user=user,
        weights=dict(weights),
        before=names.take(pa.array(before, pa.int64())).to_pylist(),
        after=names.take(pa.array(after, pa.int64())).to_pylist(),
        changes=changes,
        left=names.take(pa.array([i for i in before if i not in set(after)], pa.int64())).to_pylist(),
        churn=sum(change is None for change in changes) / max(len(after), 1),
        held_out=len(taken),
        hits_before=len(taken & set(before)),
        hits_after=len(taken & set(after)),
    )


def _checked(model: Recommender, user: str, weights: Mapping[int, float], n_intents: int, top_k: int) -> Tensor:
    """The user's position ``(1,)``, when everything asked for exists."""
    for intent, weight in weights.items():
        if not 0 <= intent < n_intents:
            raise InputError(f"there is no such intent; there are 0 to {n_intents - 1}", value=intent)
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"the weight of intent {intent} must be 0 or more", value=weight)
    if top_k < 1:
        raise InputError(f"top_k must be at least 1, not {top_k}")
    return model.positions_of([user])
