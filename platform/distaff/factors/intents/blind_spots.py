"""Blind spots: factors that people take more, or less, than the lists show them.

A factor's prevalence is its mean posterior share over interactions: that user u took item i for factor k has probability
proportional to theta_uk p(k | i) / p(k), with the user's mix theta, the item's mix and the factor's share of all training
interactions. Counted once over what people took and once over what they are shown, it tells what a recommender suppresses
and what it exaggerates, for everyone and in each cohort. A user's list counts as much as the user's interactions: lists are
all of one length, and without that weight the tastes of people who take little would seem exaggerated.

A finding is large, has an interval that leaves out 1, and holds over all factors and cohorts at once: where lists are what
people take, an audit has a false one with a chance of 5 % at most. Chance is here that a user's interactions are draws from
what the user takes and is shown alike, or users differ for no reason that all share, whichever varies more. Bennett's bound
is used and no approximation, since a rare factor in a small cohort is a matter of a few interactions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from torch import Tensor

from distaff.factors.activity import LIST
from distaff.ranking.metrics import exclusion
from distaff.ranking.selection import blocks, rows, top_k
from distaff.recommenders.base import Recommender
from distaff.recommenders.intents import Intents
from distaff.stats.bounds import bennett
from distaff.stats.corrections import holm
from distaff_data.arrays import Floats
from distaff_data.datasets.interactions import Interactions
from distaff_data.frames import to_polars

Departure = Literal["suppressed", "exaggerated"]

EVERYONE = "everyone"
LEVEL = 0.05  # chance of any false finding in an audit
NOTABLE = 0.8  # of the data's share: a list share below it is suppression, above its inverse exaggeration
_PAIRS = 1 << 22  # posterior shares held at once
_BOOTSTRAPS = 200
_LEAST = 1e-9
_EXAMPLES, _TELLING = 5, 3  # example users a factor, and interactions without which a user tells nothing
_COHORT, _VALUES = 20, 25  # users of a cohort, and values of an attribute, at least and at most
_TERTILES = ("low", "middle", "high")


@dataclass(frozen=True)
class BlindSpot:
    """A factor's share of what a cohort took and of its lists.

    Attributes:
        cohort: Whose.
        factor: Its number.
        data_share, list_share: The shares.
        ratio: List share over data share.
        low, high: The ratio's 95 % bootstrap interval over users, for this cell alone.
        finding: None where the ratio is near 1 or chance explains it.
        p_value: Bound on the chance of such a difference, adjusted for all factors and cohorts.
    """

    cohort: str
    factor: int
    data_share: float
    list_share: float
    ratio: float
    low: float
    high: float
    finding: Departure | None
    p_value: float


@dataclass(frozen=True)
class Example:
    """A user whose list is far from what they took, in one factor."""

    factor: int
    user: str
    data_share: float
    list_share: float


@dataclass(frozen=True)
class Cohort:
    """The distance of a cohort's lists from what it takes: KL divergence in nats, over its users with interactions."""

    cohort: str
    users: int
    kl: float


@dataclass(frozen=True)
class BlindSpotAudit:
    """All blind spots of a recommender.

    Attributes:
        split: Whose interactions are the data.
        cohorts: Everyone first.
        spots: By cohort and factor.
        examples: Of the factors that are suppressed or exaggerated most.
    """

    split: str
    cohorts: list[Cohort]
    spots: list[BlindSpot]
    examples: list[Example]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    def frame(self) -> pl.DataFrame:
        """Return ``cohort, factor, data_share, list_share, ratio, low, high, finding, p_value``: a row for each."""
        names = [field.name for field in fields(BlindSpot)]
        numbers = dict.fromkeys(("data_share", "list_share", "ratio", "low", "high", "p_value"), pl.Float64)
        texts = dict.fromkeys(("cohort", "finding"), pl.String)
        rows = [[getattr(spot, name) for name in names] for spot in self.spots]
        return pl.DataFrame(rows, schema=names, schema_overrides=numbers | texts | {"factor": pl.Int64}, orient="row")


class IntentPosterior:
    """IntentPosterior shares of factors behind pairs of a user and an item.

    Args:
        intents: Users' and items' mixes.
        popularity: Training counts ``(n_items,)``.
    """

    def __init__(self, intents: Intents, popularity: Tensor) -> None:
        self.users = intents.users.double()
        overall = popularity.double() @ intents.items.double() / popularity.sum().clamp(min=1)
        self.items = intents.items.double() / overall.clamp(min=_LEAST)

    @property
    def n_factors(self) -> int:
        """K, the number of factors."""
        return self.users.shape[1]

    def shares(self, users: Tensor, items: Tensor) -> Tensor:
        """Return the shares ``(n, K)`` of pairs ``(n,)``; the user's own mix where the item has nothing of it."""
        joint = self.users[users] * self.items[items]
        total = joint.sum(1, keepdim=True)
        return torch.where(total > 0, joint / total.clamp(min=1e-300), self.users[users])

    def mass(self, users: Tensor, items: Tensor) -> Tensor:
        """Return sums of shares by row ``(n, K)`` of ``users`` ``(n,)``, over items ``(n, k)``; -1 is no item."""
        out = torch.zeros(len(users), self.n_factors, dtype=torch.float64)
        row, column = torch.nonzero(items >= 0, as_tuple=True)
        for chunk in torch.arange(row.numel()).split(max(1, _PAIRS // self.n_factors)):
            at = row[chunk]
            out.index_add_(0, at, self.shares(users[at], items[at, column[chunk]]))
        return out


def audit_blind_spots(
    model: Recommender,
    intents: Intents,
    user_attributes: pl.DataFrame | pa.Table,
    *,
    split: str | None = None,
    seed: int = 0,
) -> BlindSpotAudit:
    """Compare factors' shares of what people took with their shares of top-20 lists.

    Args:
        model: Whose lists are audited.
        intents: Whose factors are counted: the model's own, or those of another model on the same dataset.
        user_attributes: Columns ``id, name, value``: cohorts; without usable ones, thirds by activity.
        split: Whose interactions are the data: the test split, or else validation, or training.
        seed: Of the bootstrap.
    """
    data = model.data
    split = split or held_out(data)
    posterior = IntentPosterior(intents, torch.bincount(data.train.indices, minlength=data.n_items))
    interactions = data.split(split)
    users = torch.nonzero(interactions.counts() > 0).squeeze(1)
    history = exclusion(data, listed_without(split))
    lists = torch.cat([top for _, _, top in candidates(model, users, history, LIST)])
    pairs = interactions.take(users)
    took, took_squares = _sums_by_row(posterior, users, pairs.row_index(), pairs.indices.long())
    row, column = torch.nonzero(lists >= 0, as_tuple=True)
    listed, listed_squares = _sums_by_row(posterior, users, row, lists[row, column])
    counts = interactions.counts()[users].double().unsqueeze(1)
    shown = weighted(listed, interactions.counts()[users])
    pooled = counts + (lists >= 0).sum(1, keepdim=True)
    mean = (took + listed) / pooled
    variance = counts * ((took_squares + listed_squares) / pooled - mean.square()).clamp(min=0)
    cohorts = {EVERYONE: torch.ones(len(users), dtype=torch.bool)} | _cohorts(data, users, user_attributes)
    chances = [by_chance(took[m].numpy(), shown[m].numpy(), variance[m].numpy()) for m in cohorts.values()]
    p_values = over_cohorts(np.stack(chances))
    spots, summary = [], []
    for number, (name, member) in enumerate(cohorts.items()):
        cohort_spots, kl = _compare(name, took[member].numpy(), shown[member].numpy(), p_values[number], seed + number)
        spots += cohort_spots
        summary.append(Cohort(name, int(member.sum()), kl))
    everyone = [spot for spot in spots if spot.cohort == EVERYONE]
    return BlindSpotAudit(split, summary, spots, _examples(data, users, took, shown, everyone))


def held_out(data: Interactions, prefer: Literal["test", "valid"] = "test") -> str:
    """Return the split that tells what people take: the preferred one, or else the other held-out one, or training."""
    order = sorted(("test", "valid"), key=lambda name: name != prefer)
    return next((name for name in order if data.split(name).nnz), "train")


def listed_without(split: str) -> tuple[str, ...]:
    """Return the splits whose items are not listed when ``split`` is what lists are compared with."""
    return ("valid",) if split == "train" else ("train",)


def candidates(model: Recommender, users: Tensor, excluded: Any, n: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield users ``(b,)``, the scores of their best items and those items ``(b, n)``, -1 where there are no more."""
    seen = excluded.take(users)
    start = 0
    for block in blocks(users, model.data.n_items):
        hidden = rows(seen, start, start + len(block))
        items, scores = top_k(model.predict(block), hidden, min(n, model.data.n_items))
        yield block, scores, items
        start += len(block)


def divergence(data_shares: Floats, list_shares: Floats) -> float:
    """Return KL(data || lists) in nats of two distributions ``(K,)``."""
    p, q = (np.maximum(x, _LEAST) / np.maximum(x, _LEAST).sum() for x in (data_shares, list_shares))
    return float((p * np.log(p / q)).sum())


def _sums_by_row(posterior: IntentPosterior, users: Tensor, row: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Return sums of shares and of their squares, ``(n, K)`` each, over each user's pairs ``(nnz,)``."""
    sums = torch.zeros(len(users), posterior.n_factors, dtype=torch.float64)
    squares = torch.zeros_like(sums)
    for chunk in torch.arange(row.numel()).split(max(1, _PAIRS // posterior.n_factors)):
        shares = posterior.shares(users[row[chunk]], items[chunk])
        sums.index_add_(0, row[chunk], shares)
        squares.index_add_(0, row[chunk], shares.square())
    return sums, squares


def by_chance(took: Floats, shown: Floats, variance: Floats) -> Floats:
    """Return bounds ``(K,)`` on the chance of as large a difference of what a cohort took from its lists.

    Args:
        took: Sums of shares over each user's interactions, ``(n, K)``.
        shown: The same of the lists, each as often as its user has interactions.
        variance: Of ``took`` given the lists, if interactions are drawn from the user's interactions and list together.
    """
    difference = took - shown
    return bennett(difference.sum(0), np.maximum(variance.sum(0), np.square(difference).sum(0)))


def over_cohorts(chances: Floats) -> Floats:
    """Return chances ``(C, K)`` adjusted for all factors of everyone, the first row, and of cohorts, by Holm.

    One half of the level is everyone's, so that many cohorts do not hide what holds for all.
    """
    if len(chances) == 1:
        return holm(chances)
    return np.asarray(np.minimum(2.0 * np.concatenate([holm(chances[:1]), holm(chances[1:])]), 1.0))


def _compare(cohort: str, took: Floats, shown: Floats, p_values: Floats, seed: int) -> tuple[list[BlindSpot], float]:
    """Return blind spots of one cohort, from sums of shares over each user's interactions and list ``(n, K)``."""
    rng = np.random.default_rng(seed)
    n = len(took)
    data_share, list_share = _shares(took.sum(0)), _shares(shown.sum(0))
    draws = rng.multinomial(n, np.full(n, 1 / n), size=_BOOTSTRAPS).astype(np.float64)
    ratios = _ratio(_shares(draws @ took), _shares(draws @ shown))
    low, high = np.quantile(ratios, [0.025, 0.975], axis=0)
    ratio = _ratio(data_share, list_share)
    spots = []
    for k in range(took.shape[1]):
        finding: Departure | None = None
        certain = p_values[k] <= LEVEL
        if certain and ratio[k] < NOTABLE and high[k] < 1:
            finding = "suppressed"
        elif certain and ratio[k] > 1 / NOTABLE and low[k] > 1:
            finding = "exaggerated"
        p, q, r, a, b = (float(x[k]) for x in (data_share, list_share, ratio, low, high))
        spots.append(BlindSpot(cohort, k, p, q, r, a, b, finding, float(p_values[k])))
    return spots, divergence(data_share, list_share)


def _shares(mass: Floats) -> Floats:
    return np.asarray(mass / np.maximum(mass.sum(-1, keepdims=True), 1e-300))


def _ratio(data_share: Floats, list_share: Floats) -> Floats:
    return np.asarray((list_share + _LEAST) / (data_share + _LEAST))


def _examples(data: Interactions, users: Tensor, took: Tensor, shown: Tensor, spots: list[BlindSpot]) -> list[Example]:
    """Return for each factor with a finding the users whose list is furthest off in its direction."""
    enough = took.sum(1) >= _TELLING
    gap = by_user(shown) - by_user(took)
    examples = []
    for spot in spots:
        if spot.finding is None or not bool(enough.any()):
            continue
        sign = 1.0 if spot.finding == "exaggerated" else -1.0
        order = torch.where(enough, sign * gap[:, spot.factor], -torch.inf).topk(min(_EXAMPLES, len(users)))
        for value, at in zip(order.values.tolist(), order.indices.tolist(), strict=True):
            if value > 0:
                shares = (float(by_user(table[at : at + 1])[0, spot.factor]) for table in (took, shown))
                examples.append(Example(spot.factor, data.user_ids[int(users[at])].as_py(), *shares))
    return examples


def weighted(mass: Tensor, counts: Tensor) -> Tensor:
    """Return each user's shares ``(n, K)``, from sums over a list, as often as the user has interactions ``(n,)``."""
    return by_user(mass) * counts.double().unsqueeze(1)


def by_user(mass: Tensor) -> Tensor:
    """Return each user's shares, summing to 1, from sums over interactions or a list ``(n, K)``."""
    return mass / mass.sum(1, keepdim=True).clamp(min=1e-300)


def _cohorts(data: Interactions, users: Tensor, attributes: pl.DataFrame | pa.Table) -> dict[str, Tensor]:
    """Return the members ``(n,)`` of each cohort: values of attributes that have few of them, or thirds by activity."""
    people = pl.DataFrame({"id": pl.Series(data.user_ids.take(pa.array(users.numpy())), dtype=pl.String)})
    members = (
        to_polars(attributes)
        .join(people.with_row_index("row"), on="id")
        .filter(pl.col("value").n_unique().over("name") <= _VALUES)
        .group_by("name", "value")
        .agg(pl.col("row").unique())
        .filter(pl.col("row").list.len().is_between(_COHORT, len(users) - 1))
        .sort("name", "value")
    )
    cohorts: dict[str, Tensor] = {}
    for name, value, places in members.iter_rows():
        member = torch.zeros(len(users), dtype=torch.bool)
        member[torch.tensor(places)] = True
        cohorts[f"{name}: {value}"] = member
    return cohorts or _thirds(data.train.counts()[users])


def _thirds(activity: Tensor) -> dict[str, Tensor]:
    """Return equal thirds of users by training interactions ``(n,)``, ties in order of position."""
    if len(activity) < 3 * _COHORT:
        return {}
    third = (activity.argsort(stable=True).argsort() * 3) // len(activity)
    return {f"activity: {name}": third == number for number, name in enumerate(_TERTILES)}
