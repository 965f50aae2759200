"""A user's list with more or less of a factor or a word, beside the list as it is.

A score that is a sum over factors is steered by scaling a factor's part: one step up multiplies what the factor adds by
``STEP``, one step down divides it. A word is steered by changing its weight in the user's document, so that the model
reads a person who has more or less of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from distaff.ranking.metrics import exclusion
from distaff.recommenders.base import Recommender, top_k_of
from distaff.recommenders.words import Worded
from distaff.runs import runs
from distaff_data.datasets.content import word_positions
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.splits import SPLITS
from distaff_data.tables.interactions import load_titles
from distaff_data.workspace import Workspace

STEP = 16.0


@dataclass(frozen=True)
class Moved:
    """An item of a steered list; ``before`` is its rank in the list as it was, None where it was not on it."""

    rank: int
    id: str
    title: str
    before: int | None


@dataclass(frozen=True)
class Steered:
    """Both lists, best first."""

    run: str
    user: str
    before: list[Moved]
    after: list[Moved]

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of ``steer``."""
        return asdict(self)


def steered_scores(
    model: Recommender, user: int, factors: Mapping[int, float], words: Mapping[int, float] | None = None
) -> Tensor:
    """A user's scores after steering, ``(n_items,)``.

    Args:
        model: A fitted model.
        user: Position.
        factors: Steps by factor.
        words: By position, what is added to a word's weight, in units of the user's strongest word.

    Raises:
        UnsupportedError: The model has no factors, or no words.
        InputError: There is no such factor.
    """
    users = torch.tensor([user])
    if factors:
        n_factors = model.intents().users.shape[1]
        for factor in factors:
            if not 0 <= factor < n_factors:
                raise InputError(f"there is no such factor; they are numbered from 0 to {n_factors - 1}", value=factor)
    if words:
        parts = worded(model).parts_with_words(user, torch.tensor(list(words)), torch.tensor(list(words.values())))
        scores = parts.sum(0)
        of_factor = {factor: parts[factor] for factor in factors}
    else:
        scores = model.predict(users)[0]
        of_factor = {factor: model.intent_scores(users, factor)[0] for factor in factors}
    for factor, by in factors.items():
        scores = scores + (STEP**by - 1.0) * of_factor[factor]
    return scores


def steer(
    workspace: Workspace,
    run_id: str,
    user: str,
    *,
    factors: Mapping[int, float] | None = None,
    words: Mapping[str, float] | None = None,
    top_k: int = 20,
) -> Steered:
    """A user's list as it is and steered; items that the user has are on neither.

    Raises:
        InputError: Unknown run, user, factor or word, or nothing to steer by.
        UnsupportedError: The model has no factors, or no words.
    """
    if not factors and not words:
        raise InputError("name what to raise or lower: a factor, or a word")
    model = Recommender.load(runs.model_folder(workspace, run_id))
    return steer_with(workspace, model, run_id, user, factors=factors or {}, words=words or {}, top_k=top_k)


def steer_with(
    workspace: Workspace,
    model: Recommender,
    run_id: str,
    user: str,
    *,
    factors: Mapping[int, float],
    words: Mapping[str, float],
    top_k: int,
) -> Steered:
    """:func:`steer` with the run's model at hand; with nothing to steer by, both lists are the same."""
    at = int(model.positions_of([user])[0])
    titles = load_titles(workspace.warehouse, model.data.name)
    by_position: dict[int, float] = {}
    if words:
        places = word_positions(worded(model).words, words)
        by_position = dict(zip(places.tolist(), words.values(), strict=True))
    seen = exclusion(model.data, SPLITS).take(torch.tensor([at]))
    before, after = (
        [i for i in top_k_of(scores.unsqueeze(0), seen, top_k)[0][0].tolist() if i >= 0]
        for scores in (model.predict(torch.tensor([at]))[0], steered_scores(model, at, factors, by_position))
    )
    rank = {item: place for place, item in enumerate(before, 1)}

    def listed(items: list[int]) -> list[Moved]:
        ids = [model.data.item_ids[item].as_py() for item in items]
        return [
            Moved(place, id, titles.get(id, id), rank.get(item))
            for place, (item, id) in enumerate(zip(items, ids, strict=True), 1)
        ]

    return Steered(run_id, user, listed(before), listed(after))


def worded(model: Recommender) -> Worded:
    """The model as one that speaks in words.

    Raises:
        UnsupportedError: It does not.
    """
    if not isinstance(model, Worded):
        raise UnsupportedError(f"{model.name} knows no words; dgvae does")
    return model
