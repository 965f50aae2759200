"""Explanations of a user's list: by factors, and by words and items where the model can tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa
import torch
from torch import Tensor

from distaff.ranking.metrics import exclusion
from distaff.recommenders.base import Recommender
from distaff.recommenders.lists import top_k_of
from distaff.recommenders.relevance import Distributions
from distaff.recommenders.words import Reasons, Words, top_words
from distaff.runs import records
from distaff_data.errors import InputError, UnsupportedError
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
    """A word of the user, and what it adds to the logarithm of an item's score, against the average item."""

    word: str
    effect: float


@dataclass(frozen=True)
class ItemEffect:
    """An item that the user took, and what it adds to the logarithm of an item's score, against the average item."""

    id: str
    title: str
    effect: float


@dataclass(frozen=True)
class Why:
    """One item and why it is recommended.

    Attributes:
        rank: Place in the list; None for an item that was asked for and is not on it.
        id: The item's own id.
        title: The name that people are shown.
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
        """Return the JSON shape of ``explain``."""
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
        workspace, Recommender.load(records.model_folder(workspace, run_id)), run_id, user, item=item, top_k=top_k
    )


def explain_with(
    workspace: Workspace, model: Recommender, run_id: str, user: str, *, item: str | None = None, top_k: int = 10
) -> Explained:
    """Explain as :func:`explain_user` does, with the run's model at hand."""
    titles, names = load_titles(workspace.warehouse, model.data.name), factor_names(workspace, run_id)
    return explain(model, user, item=item, top_k=top_k, titles=titles, run=run_id, names=names)


def factor_names(workspace: Workspace, run_id: str) -> dict[int, str]:
    """Return the names of a run's factors, where ``distaff factors`` has been run."""
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
    """Explain as :func:`explain_user` does, by a model in memory; arguments that name things default to their ids."""
    shown = _shown(model, user, None if item is None else [item], top_k)
    mix = model.user_mixes(torch.tensor([shown.user]))[0]
    shares = _shares(shown, _parts(model, shown))
    words = model.words
    reasons = None if words is None else words.reasons(shown.user, shown.items)
    named = _Names(model, names or {}, titles or {}, [] if words is None else words.vocabulary.to_pylist())
    items = [
        named.why(row, position, rank, score, shares[row], reasons)
        for row, (position, rank, score) in enumerate(
            zip(shown.items.tolist(), shown.ranks, shown.scores.tolist(), strict=True)
        )
    ]
    profile = [] if words is None else _profile(words, shown.user)
    return Explained(run, user, named.shares(mix), profile, items)


def contributions(model: Recommender, user: str, items: Iterable[str] | None = None, *, k: int = 10) -> pl.DataFrame:
    """Return what each factor adds to the scores of a user's items.

    Args:
        model: A fitted model with intents.
        user: The user's id.
        items: Items' ids; the user's list when None.
        k: Length of the list.

    Returns:
        ``item_id, rank, score, factor, part, share``, by item and factor. ``rank`` is missing for an item that is not on
        the list; ``share`` is the part over the size of the score, so that shares sum to 1 where the factors bring all of a
        positive score.

    Raises:
        InputError: Unknown user or item.
        UnsupportedError: The model has no intents.
    """
    shown = _shown(model, user, items, k)
    parts = _parts(model, shown)
    by_item = pl.DataFrame({"item_id": _ids(model, shown.items), "rank": shown.ranks, "score": shown.scores.numpy()},
                           schema_overrides={"rank": pl.Int64})  # fmt: skip
    by_factor = pl.DataFrame({"part": parts.numpy(), "share": _shares(shown, parts).numpy()})
    factors = pl.lit(list(range(parts.shape[1])), dtype=pl.List(pl.Int64))
    table = by_item.hstack(by_factor).with_columns(pl.col("part", "share").arr.to_list(), factor=factors)
    return table.explode("factor", "part", "share").select("item_id", "rank", "score", "factor", "part", "share")


def word_effects(model: Recommender, user: str, items: Iterable[str] | None = None, *, k: int = 10) -> pl.DataFrame:
    """Return what each word of a user, and each item the user took, adds to the log score of the user's items.

    Args:
        model: A fitted model with words.
        user: The user's id.
        items: Items' ids; the user's list when None.
        k: Length of the list.

    Returns:
        ``item_id, through, name, effect``, the largest effects of an item first: ``through`` is ``word`` or ``item``, and
        ``name`` the word or the taken item's id; effects are against the average item.

    Raises:
        InputError: Unknown user or item.
        UnsupportedError: The model has no words.
    """
    words = model.words
    if words is None:
        raise UnsupportedError(f"{model.name} knows no words; dgvae does")
    shown = _shown(model, user, items, k)
    reasons = words.reasons(shown.user, shown.items)
    by_item = pl.DataFrame({"place": range(len(shown.items)), "item_id": _ids(model, shown.items)})
    tables = [
        pl.DataFrame({"place": range(len(shown.items)), "effect": effects.float().numpy()})
        .with_columns(pl.col("effect").arr.to_list(), name=pl.lit(names, dtype=pl.List(pl.String)))
        .explode("effect", "name")
        .select("place", through=pl.lit(through), name="name", effect="effect")
        for through, names, effects in (
            ("word", words.vocabulary.take(pa.array(reasons.words.numpy())).to_pylist(), reasons.word_effects),
            ("item", _ids(model, reasons.taken), reasons.taken_effects),
        )
        if names
    ]
    empty = pl.DataFrame(schema={"place": pl.Int64, "through": pl.String, "name": pl.String, "effect": pl.Float32})
    effects = pl.concat([empty, *tables]).join(by_item, on="place").sort("place", "effect", descending=[False, True])
    return effects.select("item_id", "through", "name", "effect")


@dataclass(frozen=True)
class _Shown:
    """The items of a user that are explained, with their ranks in the user's list and their scores ``(n,)``."""

    user: int
    items: Tensor
    ranks: list[int | None]
    scores: Tensor


def _shown(model: Recommender, user: str, items: Iterable[str] | None, k: int) -> _Shown:
    users = model.positions_of([user])
    scores = model.predict(users)
    seen = exclusion(model.data, SPLITS).take(users)
    listed = [i for i in top_k_of(scores.clone(), seen, k)[0][0].tolist() if i >= 0]
    if items is None:
        shown = listed
    else:
        ids = list(items)
        shown = model.data.item_positions(ids).tolist()
        for item, position in zip(ids, shown, strict=True):
            if position < 0:
                raise InputError("this item is not in the data the run was fitted to", value=item)
    ranks = {item: rank for rank, item in enumerate(listed, 1)}
    positions = torch.tensor(shown, dtype=torch.long)
    return _Shown(int(users), positions, [ranks.get(item) for item in shown], scores[0, positions].float().cpu())


def _parts(model: Recommender, shown: _Shown) -> Tensor:
    """Return the exact part of each shown item's score that each factor adds, float32 ``(n, K)``."""
    parts = model.all_intent_scores(torch.tensor([shown.user]))[0]
    return parts[:, shown.items.to(parts.device)].T.float().cpu().contiguous()


def _shares(shown: _Shown, parts: Tensor) -> Tensor:
    return parts / shown.scores.abs().clamp(min=1e-30).unsqueeze(1)


def _ids(model: Recommender, items: Tensor) -> list[str]:
    ids: list[str] = model.data.item_ids.take(pa.array(items.numpy())).to_pylist()
    return ids


@dataclass(frozen=True)
class _Names:
    """The names that people are shown for positions."""

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
    """Return the largest positive effects, by position."""
    best = effects.topk(min(_SHOWN, effects.numel())).indices
    return [(int(positions[i]), float(effects[i])) for i in best if effects[i] > 0]


def _profile(words: Words, user: int) -> list[WordShare]:
    """Return the words most relevant to a user."""
    shares = words.user_words(torch.tensor([user])).double()
    lift = shares / words.word_shares().clamp(min=1e-300)
    best = top_words(Distributions(shares, lift), 2 * _SHOWN, words.naming)[0].tolist()
    return [WordShare(words.vocabulary[w].as_py(), float(shares[0, w]), float(lift[0, w])) for w in best]
