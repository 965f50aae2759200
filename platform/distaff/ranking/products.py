"""Scores that are inner products of users and items, whose best items are found without making most of the products."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from distaff.ranking.screening import Catalogue
from distaff.ranking.selection import block_size, rows, top_k
from distaff_data.datasets.csr import Csr

_USERS = 512  # with a tile of a catalogue 2 MiB of products, which stay in cache


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
        """Return scores ``(b, n_items)`` of user positions ``(b,)``, in fresh memory."""
        return self.users[users.to(self.users.device)] @ self.items.T

    def top_k(self, users: Tensor, seen: Csr, k: int) -> tuple[Tensor, Tensor]:
        """Return what :func:`~distaff.ranking.selection.top_k` does, for any number of users, up to rounding.

        Blocks of users go to threads, and each computes alone: one large task a thread, instead of a barrier at every
        small product, which costs a time slice each where a core is shared.

        Args:
            users: Positions, int64 ``(n,)``.
            seen: ``(n, n_items)``, a row for each of ``users``.
            k: List length, at most ``n_items``.

        Returns:
            Items int64 ``(n, k)``, -1 where fewer than ``k`` are left, and their scores ``(n, k)``.

        Raises:
            ValueError: A score is NaN.
        """
        n, n_items = users.numel(), len(self.items)
        items, scores = torch.empty(n, k, dtype=torch.long), torch.empty(n, k, dtype=self.users.dtype)
        screened = self.items.device.type == "cpu" and Catalogue.serves(n_items, k)
        n_threads = torch.get_num_threads() if screened else 1
        size = min(_USERS, -(-n // n_threads)) if screened else block_size(n_items)
        best = (
            self._catalogue.top_k if screened else lambda vectors, hidden, k: top_k(vectors @ self.items.T, hidden, k)
        )

        def fill(start: int) -> None:
            block = slice(start, min(start + size, n))
            vectors = self.users[users[block].to(self.users.device)]
            items[block], scores[block] = best(vectors, rows(seen, block.start, block.stop), k)

        _for_each(fill, range(0, n, max(size, 1)), n_threads)
        return items, scores

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self.items)


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
