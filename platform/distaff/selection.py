"""The best items of each row: from given scores, or of inner products without holding their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from distaff_data.interactions import Csr

# Scores held at once: 8 MiB of float32, which stay in cache and which the allocator reuses from block to block. Larger
# blocks cost up to twice as much, in page faults and in traffic to memory.
_BLOCK_CELLS = 1 << 21
_GROUP = 32  # items that top_k first reduces to their maximum

# Inner products are made in tiles of 2 MiB, reduced while they are in cache to maxima of groups of items, and those to
# maxima of groups of groups.
_USERS, _TILE = 512, 1024
_INNER, _OUTER = 4, 16


def blocks(users: Tensor, n_items: int) -> Iterator[Tensor]:
    """Users in blocks whose scores fit in memory together."""
    yield from users.split(max(1, _BLOCK_CELLS // max(n_items, 1)))


def rows(matrix: Csr, start: int, stop: int) -> Csr:
    """Consecutive rows, sharing memory with the whole."""
    indptr = matrix.indptr[start : stop + 1]
    first, last = int(indptr[0]), int(indptr[-1])
    return Csr(indptr - first, matrix.indices[first:last], matrix.n_cols)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run many small tensor operations on one core: where cores are shared, each barrier can cost a time slice."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def top_k(scores: Tensor, seen: Csr, k: int) -> tuple[Tensor, Tensor]:
    """The best ``k`` items of each row, best first, leaving out the seen ones.

    Args:
        scores: ``(b, n_items)``; overwritten at the seen items.
        seen: ``(b, n_items)`` items not to list.
        k: List length, at most ``n_items``.

    Returns:
        Items int64 ``(b, k)``, -1 where a row has fewer than ``k`` left, and their scores ``(b, k)``. Which of equal
        items comes first is open.

    Raises:
        ValueError: A score is NaN, which has no rank.
    """
    scores[seen.row_index().to(scores.device), seen.indices.long().to(scores.device)] = -torch.inf
    return _listed(*_largest(scores, k))


def find_hits(items: Tensor, relevant: Csr) -> Tensor:
    """Which listed items are relevant: bool ``(b, k)`` from items ``(b, k)`` and relevant ``(b, n_items)``."""
    if relevant.nnz == 0:
        return torch.zeros_like(items, dtype=torch.bool)
    known = relevant.row_index() * relevant.n_cols + relevant.indices
    keys = torch.arange(items.shape[0]).unsqueeze(1) * relevant.n_cols + items
    at = torch.searchsorted(known, keys).clamp_(max=known.numel() - 1)
    return (known[at] == keys) & (items >= 0)


@dataclass(frozen=True)
class Products:
    """Scores that are inner products, users @ items^T: a ``predict`` whose best items are found faster.

    Attributes:
        users: ``(n_users, d)``.
        items: ``(n_items, d)``.
    """

    users: Tensor
    items: Tensor

    def __call__(self, users: Tensor) -> Tensor:
        """Scores ``(b, n_items)`` of user positions ``(b,)``, in fresh memory."""
        return self.users[users.to(self.users.device)] @ self.items.T

    def top_k(self, users: Tensor, seen: Csr, k: int) -> Tensor:
        """What :func:`top_k` lists, for any number of users: exact up to the rounding of the products.

        Blocks of users go to threads, and each computes alone: one large task a thread, instead of a barrier at every
        small product, which costs a time slice each where a core is shared.

        Args:
            users: Positions, int64 ``(n,)``.
            seen: ``(n, n_items)``, a row for each of ``users``.
            k: List length, at most ``n_items``.

        Returns:
            Items int64 ``(n, k)``, -1 where fewer than ``k`` are left.

        Raises:
            ValueError: A score is NaN.
        """
        out = torch.empty(users.numel(), k, dtype=torch.long)
        n_items = len(self.items)
        tiled = self.items.device.type == "cpu" and n_items > 4 * k * _INNER * _OUTER
        n_threads = torch.get_num_threads() if tiled else 1
        size = min(_USERS, -(-users.numel() // n_threads)) if tiled else max(1, _BLOCK_CELLS // max(n_items, 1))

        def fill(start: int) -> None:
            stop = min(start + size, users.numel())
            own = rows(seen, start, stop)
            if tiled:
                found = _best_products(self.users[users[start:stop]], self.items, own, k)
            else:
                found = top_k(self(users[start:stop]), own, k)
            out[start:stop] = found[0]

        _for_each(fill, range(0, users.numel(), max(size, 1)), n_threads)
        return out


def _for_each(work: Callable[[int], None], starts: range, n_threads: int) -> None:
    """Call ``work`` with each start, on threads that use one core each."""
    if n_threads == 1 or len(starts) < 2:
        for start in starts:
            work(start)
        return
    try:
        with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, starts))
    finally:
        # The setting is the thread's own, but threads that start later take over the one made last.
        torch.set_num_threads(n_threads)


def _best_products(users: Tensor, items: Tensor, seen: Csr, k: int) -> tuple[Tensor, Tensor]:
    """:func:`top_k` of ``users @ items.T`` from ``(b, d)`` and ``(n_items, d)``, without holding the scores.

    As in :func:`_largest`, the k largest lie in the k groups with the largest maxima: applied twice, to groups of
    groups and to the groups in those, it leaves a few items a list entry, whose products are made once more.
    """
    n_items, n_users = len(items), len(users)
    n_outer = -(-n_items // (_INNER * _OUTER))
    maxima = items.new_full((n_outer * _OUTER, n_users), -torch.inf)
    scores = items.new_empty(_TILE, n_users)
    order = seen.indices.argsort()
    hidden = seen.indices[order].long() * n_users + seen.row_index()[order]
    bounds = torch.searchsorted(hidden, torch.arange(0, n_items + _TILE, _TILE) * n_users).tolist()
    for tile, start in enumerate(range(0, n_items, _TILE)):
        part = items[start : start + _TILE]
        here = torch.mm(part, users.T, out=scores[: len(part)])
        here.view(-1).index_fill_(0, hidden[bounds[tile] : bounds[tile + 1]] - start * n_users, -torch.inf)
        whole = len(part) // _INNER
        at = start // _INNER
        torch.amax(here[: whole * _INNER].unflatten(0, (whole, _INNER)), 1, out=maxima[at : at + whole])
        if whole * _INNER < len(part):
            maxima[at + whole] = here[whole * _INNER :].amax(0)
    outer = maxima.unflatten(0, (n_outer, _OUTER)).amax(1).T.contiguous().topk(k, 1, sorted=False).indices
    inner = _members(outer, _OUTER)
    inner = inner.gather(1, maxima.T.gather(1, inner).topk(k, 1, sorted=False).indices)
    candidates = _members(inner, _INNER)
    beyond = candidates >= n_items  # of the last group, which may not be full
    candidates.clamp_(max=n_items - 1)
    vectors = items.index_select(0, candidates.flatten()).unflatten(0, candidates.shape)
    again = torch.bmm(vectors, users.unsqueeze(2)).squeeze(2)
    best, at_best = again.masked_fill_(beyond | find_hits(candidates, seen), -torch.inf).topk(k, 1)
    return _listed(best, candidates.gather(1, at_best))


def _members(groups: Tensor, size: int) -> Tensor:
    """Positions ``(b, k size)`` of the members of groups ``(b, k)`` of consecutive positions."""
    return (groups.unsqueeze(2) * size + torch.arange(size)).flatten(1)


def _listed(best: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Items and scores of a list on the CPU, -1 where what is left is hidden.

    Raises:
        ValueError: A score is NaN.
    """
    if bool(best.isnan().any()):
        raise ValueError("the model produced scores that are not numbers")
    items[best == -torch.inf] = -1
    return items.cpu(), best.cpu()


def _largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """``scores.topk(k, dim=1)``, several times faster on long rows, with ties in another order.

    The k largest lie in the k groups with the largest maxima: an item of any other group has k groups, hence k items,
    that are no smaller. One pass finds the maxima; selection then sees a small part of the row.
    """
    n = scores.shape[1]
    n_groups = n // _GROUP
    if n_groups <= 2 * k:
        best, items = scores.topk(k, dim=1)
        return best, items
    # A group takes every n_groups-th item, so that the maximum runs along memory.
    maxima = scores[:, : n_groups * _GROUP].unflatten(1, (_GROUP, n_groups)).amax(1)
    groups = maxima.topk(k, dim=1, sorted=False).indices
    steps = torch.arange(0, n_groups * _GROUP, n_groups, device=scores.device)
    tail = torch.arange(n_groups * _GROUP, n, device=scores.device).expand(len(scores), -1)
    columns = torch.cat([(groups.unsqueeze(1) + steps.unsqueeze(1)).flatten(1), tail], 1)
    best, at = scores.gather(1, columns).topk(k, dim=1)
    return best, columns.gather(1, at)
