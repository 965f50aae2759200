"""Why a user is recommended what they are: by factors, and by words and items where the model can tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from distaff.ranking.metrics import exclusion
from distaff.recommenders.base import Recommender, top_k_of
from distaff.recommenders.relevance import Membership
from distaff.recommenders.words import Reasons, Worded, top_words
from distaff.runs import runs
from distaff_data.errors import InputError
from distaff_data.splits import SPLITS
from distaff_data.tables.interactions import load_titles
from distaff_data.workspace import Workspace

_SHOWN = 8  # words and items of each kind


@dataclass(frozen=True)
class FactorShare:
    """A factor and its share of something."""

    factor: int
    name: str
    share: float


@dataclass(frozen=True)
class WordShare:
    """A word in a user's profile: p(word | user), and that over p(word)."""

    word: str
    probability: float
    lift: float


@dataclass(frozen=True)
class WordEffect:
    """What a word of the user adds to the logarithm of an item's score, against the average item."""

    word: str
    effect: float


@dataclass(frozen=True)
class ItemEffect:
    """The same for an item that the user took."""

    id: str
    title: str
    effect: float


@dataclass(frozen=True)
class Why:
    """One item and why it is recommended.

    Attributes:
        rank: Place in the list; None for an item that was asked for and is not on it.
        id: The item's own id.
        title: What people are shown.
        score: The model's score.
        factors: Share of the score by factor, largest first; they sum to 1 where the model's factors bring all of it.
        content: The words' part of what lifts the item, between 0 and 1; None for models without words.
        collaborative: The rest of it.
        words: The user's words that lift it most.
        taken: The user's items that lift it most.
    """

    rank: int | None
    id: str
    title: str
    score: float
    factors: list[FactorShare]
    content: float | None = None
    collaborative: float | None = None
    words: list[WordEffect] = field(default_factory=list)
    taken: list[ItemEffect] = field(default_factory=list)


@dataclass(frozen=True)
class Explained:
    """A user's factors, words and recommendations."""

    run: str
    user: str
    factors: list[FactorShare]
    words: list[WordShare]
    items: list[Why]

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of ``explain``."""
        return asdict(self)


def explain_user(
    workspace: Workspace, run_id: str, user: str, *, item: str | None = None, top_k: int = 10
) -> Explained:
    """Explain a user's list, or one item for a user.

    Raises:
        InputError: Unknown run, user or item.
        UnsupportedError: The model has no factors.
    """
    return explain_with(
        workspace, Recommender.load(runs.model_folder(workspace, run_id)), run_id, user, item=item, top_k=top_k
    )


def explain_with(
    workspace: Workspace, model: Recommender, run_id: str, user: str, *, item: str | None = None, top_k: int = 10
) -> Explained:
    """:func:`explain_user` with the run's model at hand."""
    titles, names = load_titles(workspace.warehouse, model.data.name), factor_names(workspace, run_id)
    return explain(model, user, item=item, top_k=top_k, titles=titles, run=run_id, names=names)


def factor_names(workspace: Workspace, run_id: str) -> dict[int, str]:
    """Names of a run's factors, where ``distaff factors`` has been run."""
    rows = workspace.warehouse.rows("SELECT factor, name FROM factors WHERE run = ?", [run_id])
    return {row["factor"]: row["name"] for row in rows}


def explain(
    model: Recommender,
    user: str,
    *,
    item: str | None = None,
    top_k: int = 10,
    titles: dict[str, str] | None = None,
    run: str = "",
    names: dict[int, str] | None = None,
) -> Explained:
    """:func:`explain_user` for a model in memory; arguments that name things default to their ids."""
    at = int(model.positions_of([user])[0])
    users = torch.tensor([at])
    scores = model.predict(users)
    mix = model.intents().users[at]
    seen = exclusion(model.data, SPLITS).take(users)
    listed = [i for i in top_k_of(scores.clone(), seen, top_k)[0][0].tolist() if i >= 0]
    if item is not None:
        wanted = int(model.data.item_positions([item])[0])
        if wanted < 0:
            raise InputError("this item is not in the data the run was fitted to", value=item)
    shown = torch.tensor(listed if item is None else [wanted], dtype=torch.long)
    parts = torch.stack([model.intent_scores(users, k)[0, shown] for k in range(len(mix))], 1)
    shares = parts / scores[0, shown].abs().clamp(min=1e-30).unsqueeze(1)
    reasons = model.reasons(at, shown) if isinstance(model, Worded) else None
    words = model.words.to_pylist() if isinstance(model, Worded) else []
    named = _Names(model, names or {}, titles or {}, words)
    ranks = {place: rank for rank, place in enumerate(listed, 1)}
    items = [
        named.why(row, place, ranks.get(place), float(scores[0, place]), shares[row], reasons)
        for row, place in enumerate(shown.tolist())
    ]
    profile = _profile(model, at) if isinstance(model, Worded) else []
    return Explained(run, user, named.shares(mix), profile, items)


@dataclass(frozen=True)
class _Names:
    """Positions to what people are shown."""

    model: Recommender
    factors: dict[int, str]
    titles: dict[str, str]
    words: list[str]

    def shares(self, values: Tensor) -> list[FactorShare]:
        order = values.argsort(descending=True).tolist()
        return [FactorShare(k, self.factors.get(k, str(k)), float(values[k])) for k in order]

    def item(self, place: int) -> tuple[str, str]:
        id = self.model.data.item_ids[place].as_py()
        return id, self.titles.get(id, id)

    def why(self, row: int, place: int, rank: int | None, score: float, shares: Tensor, reasons: Reasons | None) -> Why:
        by_factor = self.shares(shares)
        if reasons is None:
            return Why(rank, *self.item(place), score, by_factor)
        content = float(reasons.content_shares()[row])
        words = [WordEffect(self.words[p], e) for p, e in _strongest(reasons.words, reasons.word_effects[row])]
        taken = [ItemEffect(*self.item(p), e) for p, e in _strongest(reasons.taken, reasons.taken_effects[row])]
        return Why(rank, *self.item(place), score, by_factor, content, 1.0 - content, words, taken)


def _strongest(positions: Tensor, effects: Tensor) -> list[tuple[int, float]]:
    """The largest positive effects, by position."""
    best = effects.topk(min(_SHOWN, effects.numel())).indices
    return [(int(positions[i]), float(effects[i])) for i in best if effects[i] > 0]


def _profile(model: Worded, user: int) -> list[WordShare]:
    """The words most relevant to a user."""
    own = model.user_words(torch.tensor([user])).double()
    lift = own / model.word_shares().clamp(min=1e-300)
    best = top_words(Membership(own, lift), 2 * _SHOWN, model.naming)[0].tolist()
    return [WordShare(model.words[w].as_py(), float(own[0, w]), float(lift[0, w])) for w in best]
