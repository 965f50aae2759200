"""The best items of each row of scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from distaff_data.datasets.csr import Csr

# Scores held at once: 8 MiB of float32, which stay in cache and which the allocator reuses from block to block. Larger
# blocks cost up to twice as much, in page faults and in traffic to memory.
_BLOCK_CELLS = 1 << 21
_GROUP = 32  # items that are first reduced to their maximum


def blocks(users: Tensor, n_items: int) -> Iterator[Tensor]:
    """Yield users in blocks whose scores fit in memory together."""
    yield from users.split(block_size(n_items))


def block_size(n_items: int) -> int:
    """Return the number of users that such a block holds."""
    return max(1, _BLOCK_CELLS // max(n_items, 1))


def rows(matrix: Csr, start: int, stop: int) -> Csr:
    """Return consecutive rows, sharing memory with the whole."""
    indptr = matrix.indptr[start : stop + 1]
    first, last = int(indptr[0]), int(indptr[-1])
    return Csr(indptr - first, matrix.indices[first:last], matrix.n_cols)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run many small tensor operations on one core: where cores are shared, each barrier can cost a time slice."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def top_k(scores: Tensor, seen: Csr, k: int) -> tuple[Tensor, Tensor]:
    """Return the best ``k`` items of each row, best first, leaving out the seen ones.

    Args:
        scores: ``(b, n_items)``; overwritten at the seen items.
        seen: ``(b, n_items)`` items not to list.
        k: List length, at most ``n_items``.

    Returns:
        Items int64 ``(b, k)``, -1 where a row has fewer than ``k`` left, and their scores ``(b, k)``. Of equal items
        the one of lower position comes first, so that a shorter list begins a longer one.

    Raises:
        ValueError: A score is NaN, which has no rank.
    """
    scores[seen.row_index().to(scores.device), seen.indices.long().to(scores.device)] = -torch.inf
    return listed(*_lowest_of_equals(scores, *largest(scores, k)))


def _lowest_of_equals(scores: Tensor, best: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Return the k largest of each row with ties by position, from the k largest with ties in any order.

    Args:
        scores: ``(b, n)``.
        best: ``(b, k)``, falling.
        items: Where they are, ``(b, k)``.
    """
    if bool(best.isnan().any()):  # refused by whoever lists them
        return best, items
    last = best[:, -1:]
    tied = (scores == last).sum(1) > (best == last).sum(1)  # some items equal to the last one are not on the list
    open_rows = torch.nonzero(tied & (last.squeeze(1) > -torch.inf)).squeeze(1)
    if open_rows.numel():
        row, threshold = scores[open_rows], last[open_rows]
        equal, larger = row == threshold, row > threshold
        places = best.shape[1] - larger.sum(1, keepdim=True)
        kept = larger | (equal & (equal.cumsum(1) <= places))
        columns = torch.nonzero(kept)[:, 1].view(-1, best.shape[1])
        items[open_rows], best[open_rows] = columns, row.gather(1, columns)
    elif not bool((best[:, 1:] == best[:, :-1]).any()):
        return best, items
    items, order = items.sort(dim=1)
    best, order = best.gather(1, order).sort(dim=1, descending=True, stable=True)
    return best, items.gather(1, order)


def find_hits(items: Tensor, relevant: Csr) -> Tensor:
    """Tell which listed items are relevant: bool ``(b, k)`` from items ``(b, k)`` and relevant ``(b, n_items)``."""
    if relevant.nnz == 0:
        return torch.zeros_like(items, dtype=torch.bool)
    pairs = relevant.row_index() * relevant.n_cols + relevant.indices
    keys = torch.arange(items.shape[0]).unsqueeze(1) * relevant.n_cols + items
    at = torch.searchsorted(pairs, keys).clamp_(max=pairs.numel() - 1)
    return (pairs[at] == keys) & (items >= 0)


def listed(best: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Return items and scores of a list on the CPU, -1 where what is left is hidden.

    Raises:
        ValueError: A score is NaN.
    """
    if bool(best.isnan().any()):
        raise ValueError("the model produced scores that are not numbers")
    items[best == -torch.inf] = -1
    return items.cpu(), best.cpu()


def largest(scores: Tensor, k: int, group: int = _GROUP) -> tuple[Tensor, Tensor]:
    """Return ``scores.topk(k, dim=1)``, faster on long rows, with ties in another order; by groups of ``group``.

    The k largest lie in the k groups with the largest maxima: an item of any other group has k groups, hence k items,
    that are no smaller. One pass finds the maxima; selection then sees a small part of the row.
    """
    n = scores.shape[1]
    n_groups = n // group
    if n_groups <= 2 * k:
        best, items = scores.topk(k, dim=1)
        return best, items
    # A group takes every n_groups-th item, so that the maximum runs along memory.
    maxima = scores[:, : n_groups * group].unflatten(1, (group, n_groups)).amax(1)
    groups = maxima.topk(k, dim=1, sorted=False).indices
    steps = torch.arange(0, n_groups * group, n_groups, device=scores.device)
    tail = torch.arange(n_groups * group, n, device=scores.device).expand(len(scores), -1)
    columns = torch.cat([(groups.unsqueeze(1) + steps.unsqueeze(1)).flatten(1), tail], 1)
    best, at = scores.gather(1, columns).topk(k, dim=1)
    return best, columns.gather(1, at)
