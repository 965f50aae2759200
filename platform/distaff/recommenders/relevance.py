"""The items and attribute values that speak for an intent.

Ranking an intent's items by raw weight shows the popular ones. Relevance (Sievert and Shirley 2014, LDAvis) weighs
probability against lift: lambda * log p(item | intent) + (1 - lambda) * log lift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from scipy import sparse
from torch import Tensor

from distaff.stats.corrections import holm
from distaff.stats.stratified import strata_of, stratified_tails
from distaff_data.arrays import Ints
from distaff_data.frames import to_polars

LAMBDA = 0.3
MIN_ITEMS = 5  # an attribute value on fewer items names nothing
TOP = 50  # items of an intent that stand for it in the test of association
_MOST = 4 * TOP  # items that may share its last place
_EQUAL = 1e-9  # of relevance: equal items' logarithms differ by rounding


@dataclass(frozen=True)
class Distributions:
    """Intents as distributions over items, or over words.

    Attributes:
        probability: p(item | intent), float64 ``(K, n_items)``.
        lift: p(item | intent) / p(item), float64 ``(K, n_items)``; 1 for items without training interactions.
    """

    probability: Tensor
    lift: Tensor


@dataclass(frozen=True)
class Association:
    """An attribute value that an intent's items share more than items as popular would by chance.

    Attributes:
        intent: Its number.
        name, value: The attribute and its value.
        share: The value's share of the intent's mass.
        lift: That share over the value's share of all training mass.
        q_value: p value, adjusted by Holm over all intents and values of the fit.
    """

    intent: int
    name: str
    value: str
    share: float
    lift: float
    q_value: float


@dataclass(frozen=True)
class Incidence:
    """Attribute values and the items that carry them.

    Attributes:
        pairs: Names and values.
        carries: Ones, ``(n_items, len(pairs))``.
    """

    pairs: list[tuple[str, str]]
    carries: sparse.csr_matrix

    def commonest(self, n: int) -> Incidence:
        """Return the ``n`` values that most items carry, in the same order."""
        counts = np.asarray(self.carries.sum(0)).ravel()
        columns = np.sort(np.argsort(-counts, kind="stable")[:n])
        return Incidence([self.pairs[at] for at in columns], self.carries[:, columns])


def item_distributions(shares: Tensor, popularity: Tensor) -> Distributions:
    """Return distributions over items from item shares ``(n_items, K)`` and training counts ``(n_items,)``."""
    mass = shares.double() * popularity.double().unsqueeze(1)
    probability = (mass / mass.sum(0).clamp(min=1e-300)).T.contiguous()
    prior = popularity.double() / popularity.double().sum()
    lift = torch.where(prior > 0, probability / prior.clamp(min=1e-300), 1.0)
    return Distributions(probability, lift)


def relevance(probability: Tensor, lift: Tensor, weight: float = LAMBDA) -> Tensor:
    """Return the relevance of items to an intent; -inf where the probability is 0."""
    return weight * probability.log() + (1.0 - weight) * lift.log()


def associate(
    intents: Distributions, incidence: Incidence, popularity: Tensor, *, level: float = 0.05
) -> list[Association]:
    """Return the attribute values over-represented among each intent's top items, for items as popular as they are.

    The ``TOP`` most relevant items of any intent are popular ones, and attributes go with popularity; so chance is a draw
    of as many items from each stratum of popularity (:func:`~distaff.stats.stratified.stratified_tails`). Holm's correction
    over all intents and values at once: a fit whose factors mean nothing has any name with a chance of ``level`` at most.
    The order of items plays no part: equal ones stand for an intent together, and one that has none of it never does.

    Args:
        intents: The intents.
        incidence: The attribute values, see :func:`incidence_of`.
        popularity: Training counts ``(n_items,)``.
        level: Chance of any false value in the whole fit.

    Returns:
        The values that hold, by intent and falling share * log lift: their addition to the divergence from all behaviour,
        so that a rare value with a high lift does not come before a common one.
    """
    pairs, carries = incidence.pairs, incidence.carries
    if not pairs:
        return []
    strata = strata_of(np.asarray(popularity.double().numpy()))
    chosen = (standing_for(scores) for scores in relevance(intents.probability, intents.lift))
    q_values = holm(np.stack([stratified_tails(items, strata, carries) for items in chosen]))
    shares = intents.probability.numpy() @ carries
    prior = (popularity.double() / popularity.double().sum().clamp(min=1)).numpy() @ carries
    lifts = shares / np.maximum(prior, 1e-300)
    rows = [
        Association(int(k), *pairs[int(v)], float(shares[k, v]), float(lifts[k, v]), float(q_values[k, v]))
        for k, v in zip(*np.nonzero((q_values < level) & (lifts > 1.0)), strict=True)
    ]
    return sorted(rows, key=lambda a: (a.intent, -a.share * math.log(a.lift)))


def standing_for(scores: Tensor) -> Ints:
    """Return the items that stand for an intent, from their relevance ``(n_items,)``, ascending.

    The ``TOP`` best, or a quarter of a small catalogue, and all that equal the last of them; only such as have any of the
    intent, and none where too many are equal to tell which stand for it.
    """
    n = min(TOP, max(len(scores) // 4, 1), int(scores.isfinite().sum()))
    if not n:
        return np.empty(0, dtype=np.int64)
    last = scores.topk(n).values[-1]
    items: Ints = (scores >= last - _EQUAL).nonzero().squeeze(1).numpy()
    return items if len(items) <= _MOST else items[:0]


def incidence_of(attributes: pl.DataFrame | pa.Table, item_ids: pa.StringArray) -> Incidence:
    """Return the attribute values that at least ``MIN_ITEMS`` items carry; titles are no attribute.

    Args:
        attributes: Columns ``id, name, value``.
        item_ids: Items' own ids by position.
    """
    items = pl.DataFrame({"id": pl.Series(item_ids, dtype=pl.String)}).with_row_index("row")
    table = (
        to_polars(attributes).filter(pl.col("name") != "title").join(items, on="id").unique(["row", "name", "value"])
    )
    values = table.group_by("name", "value").len().filter(pl.col("len") >= MIN_ITEMS).drop("len").sort("name", "value")
    cells = table.join(values.with_row_index("column"), on=["name", "value"])
    places = (cells["row"].to_numpy(), cells["column"].to_numpy())
    carries = sparse.csr_matrix((np.ones(cells.height), places), shape=(len(item_ids), values.height))
    return Incidence(values.rows(), carries)
