"""A user's list with more or less of some factors and words, beside the list as it is.

A score that is a sum over factors is steered by weighing a factor's part: 0 takes the factor away, 1 leaves it, 2 doubles
it. A word is steered by adding to its weight in the user's document, so that the model reads a person who has more or less
of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from torch import Tensor

from distaff.ranking.metrics import exclusion
from distaff.recommenders.base import Recommender
from distaff.recommenders.lists import top_k_of
from distaff.recommenders.words import Words
from distaff.runs import records
from distaff_data.datasets.content import word_positions
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.splits import SPLITS
from distaff_data.tables.interactions import load_titles
from distaff_data.workspace import Workspace


@dataclass(frozen=True)
class Steered:
    """A user's list as it is, and after steering.

    Attributes:
        user: The user's id.
        factors: Weights by factor.
        words: What was added to each word's weight.
        before: ``rank, item_id, score``, best first.
        after: ``rank, item_id, score, rank_before``, best first; ``rank_before`` is missing for an item that is new.
        held_out: The user's interactions of the test split.
        hits_before, hits_after: How many of them each list has; 0 where the lists leave the test split out.
    """

    user: str
    factors: dict[int, float]
    words: dict[str, float]
    before: pl.DataFrame
    after: pl.DataFrame
    held_out: int
    hits_before: int
    hits_after: int

    @property
    def churn(self) -> float:
        """The share of the list that is new."""
        return self.after["rank_before"].null_count() / max(self.after.height, 1)

    def side_by_side(self, titles: Mapping[str, str] | None = None) -> pl.DataFrame:
        """Return ``rank, before, after, change``: both lists, and how many places an item rose; missing where it is new.

        Args:
            titles: What people are shown, by item; the items' ids when None.
        """
        before = self.before.select("rank", before="item_id")
        after = self.after.select("rank", after="item_id", change=pl.col("rank_before") - pl.col("rank"))
        both = before.join(after, on="rank", how="full", coalesce=True, maintain_order="left_right").sort("rank")
        return both.with_columns(pl.col("before", "after").replace(dict(titles or {})))

    def lists(self, run: str, titles: Mapping[str, str]) -> dict[str, Any]:
        """Return the JSON shape of ``distaff steer``: both lists, and the rank before of each item."""
        ranks = pl.DataFrame({"item_id": self.before["item_id"], "rank_before": self.before["rank"]})
        before = self.before.join(ranks, on="item_id", how="left", maintain_order="left")

        def listed(frame: pl.DataFrame) -> list[dict[str, Any]]:
            title = pl.col("item_id").replace(dict(titles))
            return frame.select("rank", id="item_id", title=title, before="rank_before").to_dicts()

        return {"run": run, "user": self.user, "before": listed(before), "after": listed(self.after)}

    def changes(self) -> dict[str, Any]:
        """Return the JSON shape of ``distaff rerank``: both lists, places risen, what left, and hits."""
        before, after = self.before["item_id"], self.after["item_id"]
        return {
            "user": self.user,
            "weights": self.factors,
            "before": before.to_list(),
            "after": after.to_list(),
            "changes": (self.after["rank_before"] - self.after["rank"]).to_list(),
            "left": before.filter(~before.is_in(after.implode())).to_list(),
            "churn": self.churn,
            "held_out": self.held_out,
            "hits_before": self.hits_before,
            "hits_after": self.hits_after,
        }


def steer(
    model: Recommender,
    user: str,
    *,
    factors: Mapping[int, float] | None = None,
    words: Mapping[str, float] | None = None,
    k: int = 20,
    exclude: Iterable[str] = SPLITS,
) -> Steered:
    """Return a user's list as it is and steered; with nothing to steer by, both are the same.

    Args:
        model: A fitted model.
        user: The user's id.
        factors: Weights by factor: 0 takes one away, 1 leaves it as it is, 2 doubles it.
        words: What is added to each word's weight, in units of the user's strongest word; less than 0 lowers it.
        k: Length of the lists.
        exclude: Splits whose interactions are on neither list, as in
            :meth:`~distaff.recommenders.base.Recommender.recommend`.

    Raises:
        InputError: An unknown user, factor, word or split; a weight that is negative or not a number; a ``k`` below 1.
        UnsupportedError: The model has no factors, or no words.
    """
    weights, additions = dict(factors or {}), dict(words or {})
    if wrong := next((word for word, addition in additions.items() if not math.isfinite(addition)), None):
        raise InputError("what is added to a word is a number", column=wrong, value=additions[wrong])
    position = model.positions_of([user])
    seen = exclusion(model.data, tuple(exclude)).take(position)
    by_position: dict[int, float] = {}
    if additions:
        places = word_positions(required_words(model).vocabulary, additions)
        by_position = dict(zip(places.tolist(), additions.values(), strict=True))
    steered = steered_scores(model, int(position), weights, by_position).unsqueeze(0)
    lists = [top_k_of(scores, seen, k) for scores in (model.predict(position), steered)]
    before, after = (_ranked(model, items[0], scores[0]) for items, scores in lists)
    ranks = before.select("item_id", rank_before="rank")
    after = after.join(ranks, on="item_id", how="left", maintain_order="left")
    held_out = set(model.data.test.take(position).indices.tolist())
    hits = [len(held_out.intersection(items[0].tolist())) for items, _ in lists]
    return Steered(user, weights, additions, before, after, len(held_out), *hits)


def steer_run(
    workspace: Workspace,
    run_id: str,
    user: str,
    *,
    factors: Mapping[int, float] | None = None,
    words: Mapping[str, float] | None = None,
    k: int = 20,
    exclude: Iterable[str] = SPLITS,
) -> tuple[Steered, dict[str, str]]:
    """Steer a user's list by a run's model; return both lists, and the titles of items.

    Raises:
        InputError: As for :func:`steer`, an unknown run, or nothing to steer by.
        UnsupportedError: The model has no factors, or no words.
    """
    if not factors and not words:
        raise InputError("name what to raise or lower: a factor, or a word")
    model = Recommender.load(records.model_folder(workspace, run_id))
    steered = steer(model, user, factors=factors, words=words, k=k, exclude=exclude)
    return steered, load_titles(workspace.warehouse, model.data.name)


def weighed(scores: Tensor, weights: Tensor, scores_of: Callable[[int], Tensor]) -> Tensor:
    """Return scores ``(b, n_items)`` with the parts of factors multiplied by their weights ``(b, K)``.

    Args:
        scores: As the model gives them; left as they are.
        weights: 1 leaves a factor alone.
        scores_of: The exact part of the scores that a factor adds, ``(b, n_items)``.
    """
    out = scores.clone()
    for factor in torch.nonzero((weights != 1).any(0)).flatten().tolist():
        out += (weights[:, factor : factor + 1] - 1).to(out.dtype) * scores_of(factor)
    return out


def steered_scores(
    model: Recommender, user: int, factors: Mapping[int, float], words: Mapping[int, float] | None = None
) -> Tensor:
    """Return a user's scores after steering, ``(n_items,)``.

    Args:
        model: A fitted model.
        user: Position.
        factors: Weights by factor.
        words: By position, what is added to a word's weight, in units of the user's strongest word.

    Raises:
        InputError: There is no such factor, or a weight is negative or not a number.
        UnsupportedError: The model has no factors, or no words.
    """
    users = torch.tensor([user])
    weights = _weights(model, users, factors)
    if not words:
        return weighed(model.predict(users), weights, lambda factor: model.intent_scores(users, factor))[0]
    parts = required_words(model).parts_with_words(user, torch.tensor(list(words)), torch.tensor(list(words.values())))
    return weighed(parts.sum(0, keepdim=True), weights, lambda factor: parts[factor : factor + 1])[0]


def required_words(model: Recommender) -> Words:
    """Return the words that a model speaks in.

    Raises:
        UnsupportedError: It knows none.
    """
    if model.words is None:
        raise UnsupportedError(f"{model.name} knows no words; dgvae does")
    return model.words


def _weights(model: Recommender, user: Tensor, factors: Mapping[int, float]) -> Tensor:
    """Return the weight of every factor for a user, float64 ``(1, K)``; those of a model without factors are none."""
    if not factors:
        return torch.ones(1, 0, dtype=torch.float64)
    weights = torch.ones(1, model.user_mixes(user).shape[1], dtype=torch.float64)
    for factor, weight in factors.items():
        if not 0 <= factor < weights.shape[1]:
            raise InputError(f"there is no such factor; there are 0 to {weights.shape[1] - 1}", value=factor)
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"the weight of factor {factor} must be 0 or more", value=weight)
        weights[0, factor] = weight
    return weights


def _ranked(model: Recommender, items: Tensor, scores: Tensor) -> pl.DataFrame:
    """Return ``rank, item_id, score`` from the items of one list ``(k,)``, -1 where it ends."""
    listed = items >= 0
    ids = pl.Series(model.data.item_ids).gather(items[listed].tolist())
    ranks = pl.int_range(1, int(listed.sum()) + 1, eager=True, dtype=pl.Int64)
    return pl.DataFrame({"rank": ranks, "item_id": ids, "score": scores[listed].float().numpy()})
