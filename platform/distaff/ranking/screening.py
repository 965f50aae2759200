"""The best items by inner products, exact, without making most of the products in full precision, or at all.

Items stand by falling length. Since |u . v| <= |u| |v|, a user is done as soon as the longest item left is too short to
reach their list. The products that remain are screened: on a CPU with the instructions for it, vectors rounded to 8 bits
give each product at a quarter of the cost, off by at most

    |u . v - u' . v'| <= |u| |v - v'| + |u - u'| |v'|

where u' and v' are the rounded vectors. Only what this bound leaves in reach of a list is multiplied in full precision,
and what then belongs into the list is merged into it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.ranking.selection import largest, listed
from distaff_data.datasets.csr import Csr

_TILE = 1024  # items screened at once
_GROUP = 8  # items of which first only the maximum is compared
_PAIRS = 1 << 15  # products made in full precision at once
_WAITING = 8  # a user, on average, before they are merged into the lists
_STEPS = 127  # of 8 bits, to either side
_ROUNDING = 1e-5  # of |u| |v|: more than a sum of float32 products is off by
_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class _Tile:
    """Consecutive items by falling length.

    Attributes:
        start: Rank of the first.
        vectors: What is multiplied to screen them: themselves, or in units of ``step`` as 8 bits; zeros to a multiple of
            ``_GROUP``.
        step: The unit.
        reach: The largest length.
        off: The largest |v - v'|.
    """

    start: int
    vectors: Tensor
    step: float
    reach: float
    off: float


@cache
def has_coarse_products() -> bool:
    """Tell whether this CPU has instructions for products of 8 bits; without them they are slower, and may saturate.

    torch has no public name for either, so what it gives is checked once.
    """
    if not torch.cpu._is_vnni_supported():
        return False
    left = torch.tensor([_STEPS, -_STEPS], dtype=torch.int8).repeat(_GROUP, 20)
    return torch.equal(torch._int_mm(left, left.T.contiguous()), left.int() @ left.T.int())


class Catalogue:
    """Items ``(n, d)`` on the CPU, made ready for :meth:`top_k`; it may be used by several threads at once."""

    def __init__(self, items: Tensor) -> None:
        lengths, self._order = items.norm(dim=1).sort(descending=True)
        self._rank = torch.empty_like(self._order).scatter_(0, self._order, torch.arange(len(items)))
        self._items = items.index_select(0, self._order)
        self._coarse = items.dtype == torch.float32 and has_coarse_products()
        self._tiles = [
            _tile(start, tile, float(lengths[start]), self._coarse)
            for start, tile in zip(range(0, len(items), _TILE), self._items.split(_TILE), strict=True)
        ]

    @staticmethod
    def serves(n_items: int, k: int) -> bool:
        """Tell whether there are enough items for screening to pay."""
        return n_items > 2 * _TILE and k <= _TILE // 4

    def top_k(self, users: Tensor, seen: Csr, k: int) -> tuple[Tensor, Tensor]:
        """Return what :func:`distaff.ranking.selection.top_k` does for the products of ``users`` ``(b, d)``.

        Raises:
            ValueError: A score is NaN.
        """
        lists = self._begin(users, seen, k)
        asking = _Asking.all(users, self._coarse)
        for tile in self._tiles[1:]:
            asking = asking.those(asking.lengths * (tile.reach * (1 + _ROUNDING)) >= lists.bar(asking.rows))
            if not len(asking.rows):
                break
            at, items = asking.screen(tile, lists.bar(asking.rows))
            lists.add(asking.rows[at], items, self._items)
        lists.merge()
        return listed(lists.scores, self._order[lists.items])

    def _begin(self, users: Tensor, seen: Csr, k: int) -> _Lists:
        """Return the best of the longest items, from all their products."""
        ranks, row = self._rank[seen.indices.long()], seen.row_index()
        scores = users @ self._items[:_TILE].T
        in_tile = ranks < _TILE
        scores[row[in_tile], ranks[in_tile]] = -torch.inf
        hidden = (row * len(self._items) + ranks).sort().values
        return _Lists(users, hidden, *largest(scores, k, _GROUP))


@dataclass(frozen=True)
class _Asking:
    """Users whose lists may still change.

    Attributes:
        rows: Which of a block, ``(b,)``.
        vectors: What is multiplied to screen for them, transposed: ``(d, b)``.
        steps, lengths, off: As for a tile, but one a user.
    """

    rows: Tensor
    vectors: Tensor
    steps: Tensor
    lengths: Tensor
    off: Tensor

    @classmethod
    def all(cls, users: Tensor, coarse: bool) -> _Asking:
        """Return the state for all of a block's users ``(b, d)``."""
        lengths, rows = users.norm(dim=1), torch.arange(len(users))
        if not coarse:
            return cls(rows, users.T.contiguous(), torch.ones_like(lengths), lengths, torch.zeros_like(lengths))
        steps = users.abs().amax(1).clamp_(min=_TINY) / _STEPS
        rounded = (users / steps.unsqueeze(1)).round_()
        off = (users - rounded * steps.unsqueeze(1)).norm(dim=1)
        return cls(rows, _bytes(rounded).T.contiguous(), steps, lengths, off)

    def those(self, still: Tensor) -> _Asking:
        """Return the users of the mask; all of them while they are so many that picking them does not pay."""
        n_still = int(still.sum())
        if n_still > 0.75 * len(still):
            return self
        at = still.nonzero().squeeze(1)
        vectors = self.vectors.index_select(1, at)
        return _Asking(self.rows[at], vectors, self.steps[at], self.lengths[at], self.off[at])

    def screen(self, tile: _Tile, bar: Tensor) -> tuple[Tensor, Tensor]:
        """Return pairs whose product may exceed the user's ``bar``: positions in :attr:`rows`, and ranks of items."""
        error = self.lengths * (tile.off + _ROUNDING * tile.reach) + self.off * (tile.reach + tile.off)
        threshold = (bar - error) / (self.steps * tile.step)
        if tile.vectors.dtype == torch.int8:
            products = torch._int_mm(tile.vectors, self.vectors)
            threshold = threshold.floor().clamp_(-(2.0**30), 2.0**30).int()
        else:
            products = tile.vectors @ self.vectors
        groups = products.unflatten(0, (-1, _GROUP))
        group, at = (groups.amax(1) >= threshold).nonzero(as_tuple=True)
        which, member = (groups[group, :, at] >= threshold[at].unsqueeze(1)).nonzero(as_tuple=True)
        return at[which], tile.start + group[which] * _GROUP + member


@dataclass
class _Lists:
    """The lists of a block of users as they grow.

    Attributes:
        users: ``(b, d)``.
        hidden: Pairs not to list as user times the number of items plus rank, ascending.
        scores, items: The best so far and their ranks, best first, ``(b, k)``.
    """

    users: Tensor
    hidden: Tensor
    scores: Tensor
    items: Tensor
    _waiting: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def bar(self, rows: Tensor) -> Tensor:
        """Return the score that an item must exceed to be listed for each of these users."""
        return self.scores[rows, -1]

    def add(self, rows: Tensor, items: Tensor, vectors: Tensor) -> None:
        """Consider pairs of a user and the rank of an item in ``vectors``; merge once enough of them wait."""
        real = items < len(vectors)  # not the zeros that fill the last tile
        keys = rows * len(vectors) + items
        if self.hidden.numel():
            at = torch.searchsorted(self.hidden, keys).clamp_(max=self.hidden.numel() - 1)
            real &= self.hidden[at] != keys
        rows, items = rows[real], items[real]
        pairs = zip(rows.split(_PAIRS), items.split(_PAIRS), strict=True)
        parts = [(self.users.index_select(0, r) * vectors.index_select(0, i)).sum(1) for r, i in pairs]
        self._waiting.append((rows, items, torch.cat(parts) if parts else self.scores[:0, 0]))
        if sum(len(batch[0]) for batch in self._waiting) >= _WAITING * len(self.users):
            self.merge()

    def merge(self) -> None:
        """Merge what waits into the lists."""
        if not self._waiting:
            return
        rows, items, scores = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting.clear()
        order = rows.argsort(stable=True)
        users, group, counts = torch.unique_consecutive(rows[order], return_inverse=True, return_counts=True)
        if not len(users):
            return
        k = self.scores.shape[1]
        place = k + torch.arange(len(order)) - (counts.cumsum(0) - counts)[group]
        wide = self.scores.new_full((len(users), k + int(counts.max())), -torch.inf)
        ranks = torch.zeros(wide.shape, dtype=torch.long)
        wide[:, :k], ranks[:, :k] = self.scores[users], self.items[users]
        wide[group, place], ranks[group, place] = scores[order], items[order]
        self.scores[users], best = wide.topk(k, 1)
        self.items[users] = ranks.gather(1, best)


def _tile(start: int, items: Tensor, reach: float, coarse: bool) -> _Tile:
    step, off, vectors = 1.0, 0.0, items
    if coarse:
        step = max(float(items.abs().amax()), _TINY) / _STEPS
        vectors = (items / step).round_()
        off = float((items - vectors * step).norm(dim=1).amax())
        vectors = _bytes(vectors)
    return _Tile(start, F.pad(vectors, (0, 0, 0, -len(items) % _GROUP)), step, reach, off)


def _bytes(rounded: Tensor) -> Tensor:
    """Return vectors as 8 bits, padded to a multiple of 8 numbers: torch multiplies vectors of one number wrongly."""
    return F.pad(rounded, (0, -rounded.shape[1] % 8)).to(torch.int8)
