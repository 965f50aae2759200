"""Does a model give away whom it was fitted to? An attack that guesses it item by item.

The attacker knows a person's items and asks which of them the model was fitted to. Each is scored for somebody who took the
others of the training items; the place of the item in that list is the guess. For a held-out item, one of these is left
out as well, so that all histories are of one size. Where the split is random, the two kinds of item differ in nothing but
the fit: for a model that never met the person the AUC is 1/2 on average, whatever the person likes, and what is above 1/2
the model remembers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.ranking.metrics import blocks
from distaff.ranking.products import Products
from distaff.recommenders.base import Recommender
from distaff_data.datasets.csr import Csr
from distaff_data.errors import UnsupportedError

_ITEMS = 50  # of each kind attacked, of one person
POWER = 1.96 + 0.8416  # standard errors: what a test at 5 % finds in four of five cases


@dataclass(frozen=True)
class Membership:
    """The result of an attack.

    Attributes:
        auc: Mean over people of the chance that a training item is ranked above a held-out one; None where nobody has both.
        low, high: Its 95 % interval over people; over pairs where there is one person.
        pairs: Items attacked.
        detectable: The smallest AUC whose interval would have lain above 1/2 with 80 % power, 1 where even that would not.
    """

    auc: float | None
    low: float | None
    high: float | None
    pairs: int
    detectable: float | None = None


NOTHING = Membership(None, None, None, 0)


def by_own_scores(model: Recommender, users: Tensor) -> Membership:
    """Return the plain attack on people whom the model still knows: their own scores of their items.

    Args:
        model: A fitted model.
        users: Positions, int64 ``(b,)``.
    """
    train, held = model.data.train.take(users), model.data.valid.union(model.data.test).take(users)
    places = []
    for row in range(users.numel()):
        scores = model.predict(users[row : row + 1])
        items = torch.cat([_items(train, row), _items(held, row)])
        places.append(_places(scores.expand(items.numel(), -1), items))
    return _compare(places, train, held)


def by_folding(model: Recommender, train: Csr, held: Csr, *, seed: int = 0) -> Membership:
    """Return the attack by a person's other items, which needs nothing of the person in the model; see the module.

    Args:
        model: A fitted model.
        train: Their training items, ``(b, n_items)``.
        held: Their held-out items.
        seed: Which items are attacked where there are many, and which are left out of a history.

    Raises:
        UnsupportedError: The model neither folds in nor has vectors of items.
    """
    score = _scorer(model)
    generator = torch.Generator().manual_seed(seed)
    places: list[Tensor] = []
    members: list[int] = []
    for row in range(train.n_rows):
        taken, other = _some(_items(train, row), generator), _some(_items(held, row), generator)
        members.append(taken.numel())
        everything = _items(train, row)
        if taken.numel() == 0 or other.numel() == 0 or everything.numel() < 2:
            places.append(torch.empty(0))
            continue
        left_out = torch.cat([taken, everything[torch.randint(everything.numel(), other.shape, generator=generator)]])
        places.append(_asked(score, everything, left_out, torch.cat([taken, other]), train.n_cols))
    return _auc(places, members)


def _asked(score: Callable[[Csr], Tensor], everything: Tensor, left_out: Tensor, items: Tensor, n_items: int) -> Tensor:
    """Places of ``items``, each in the list of somebody with ``everything`` but its item of ``left_out``."""
    places = []
    for block in blocks(torch.arange(items.numel()), n_items):
        kept = everything.unsqueeze(0) != left_out[block].unsqueeze(1)
        rows, at = kept.nonzero(as_tuple=True)
        history = Csr.from_pairs(rows, everything[at], block.numel(), n_items)
        places.append(_places(score(history), items[block], history))
    return torch.cat(places)


def _places(scores: Tensor, items: Tensor, history: Csr | None = None) -> Tensor:
    """Return the share of the items outside the history that each item is ranked above, ties counted half, ``(n,)``."""
    scores = scores.double().cpu()
    if history is not None:
        scores[history.row_index(), history.indices.long()] = torch.nan
    place = scores.gather(1, items.unsqueeze(1))
    others = scores.isfinite().sum(1) - 1
    below = (scores < place).sum(1) + 0.5 * ((scores == place).sum(1) - 1)
    return below / others.clamp(min=1)


def _compare(places: list[Tensor], train: Csr, held: Csr) -> Membership:
    return _auc(
        [p if t and h else torch.empty(0) for p, t, h in zip(places, train.counts(), held.counts(), strict=True)],
        train.counts().tolist(),
    )


def _auc(places: list[Tensor], members: list[int]) -> Membership:
    """Mean over people of the AUC of the first ``members`` places against the others."""
    values, sizes = [], []
    for scored, n in zip(places, members, strict=True):
        if scored.numel() == 0:
            continue
        above = scored[:n].unsqueeze(1) - scored[n:].unsqueeze(0)
        values.append(float((above > 0).double().mean() + 0.5 * (above == 0).double().mean()))
        sizes.append((n, scored.numel() - n))
    if not values:
        return NOTHING
    mean = sum(values) / len(values)
    if len(values) > 1:
        error = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
    else:
        (n, m) = sizes[0]  # Mann and Whitney's variance under no difference
        error = math.sqrt((n + m + 1) / (12 * n * m))
    reach = 1.96 * error
    detectable = min(0.5 + POWER * error, 1.0)
    return Membership(mean, max(mean - reach, 0.0), min(mean + reach, 1.0), sum(map(sum, sizes)), detectable)


def _scorer(model: Recommender) -> Callable[[Csr], Tensor]:
    """Scores ``(b, n_items)`` of histories: the model's own, or by how alike the vectors of items are."""
    try:
        model.fold_in(model.data.train.take(torch.arange(1)))
    except UnsupportedError:
        table = model.ranker()
        if not isinstance(table, Products):
            raise
        directions = F.normalize(table.items.cpu())
        return lambda history: history.dense() @ directions @ directions.T
    return model.fold_in


def _items(matrix: Csr, row: int) -> Tensor:
    return matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]].long()


def _some(items: Tensor, generator: torch.Generator) -> Tensor:
    return items[torch.randperm(items.numel(), generator=generator)[:_ITEMS]]
