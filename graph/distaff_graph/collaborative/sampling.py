"""Training triples (user, positive, negative) of a whole epoch at once, without a Python loop over samples.

A negative is uniform over the items the user did not take in training: drawn uniformly, and drawn again while it is
among the sorted keys ``user * n_items + item`` of the training matrix. Everything happens on the CPU from the given
generator. Each mini-batch also carries its distinct users and positive items, found for the whole epoch by one sort,
so that a training step needs neither ``unique`` nor the synchronisation it means on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from distaff_data.datasets.csr import Csr
from distaff_data.errors import InputError


@dataclass(frozen=True)
class Batch:
    """One mini-batch of positions, int64.

    Attributes:
        users, positives, negatives: The triples, each ``(b,)``.
        unique_users: Distinct users of the batch, ascending.
        unique_positives: Distinct positive items of the batch, ascending.
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor
    unique_users: Tensor
    unique_positives: Tensor

    def share(self, triples: slice) -> Batch:
        """Return some of the triples; the distinct nodes stay those of all."""
        users, positives, negatives = (nodes[triples] for nodes in (self.users, self.positives, self.negatives))
        return Batch(users, positives, negatives, self.unique_users, self.unique_positives)

    def to(self, device: torch.device) -> Batch:
        """Return the same batch on a device."""
        return Batch(
            self.users.to(device),
            self.positives.to(device),
            self.negatives.to(device),
            self.unique_users.to(device),
            self.unique_positives.to(device),
        )


@dataclass(frozen=True)
class Triples:
    """The samples of one epoch in training order: users, positives and negatives, int64 ``(n,)`` each."""

    users: Tensor
    positives: Tensor
    negatives: Tensor

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield mini-batches of ``size``; the last one may be smaller."""
        unique_users = _unique_by_batch(self.users, size)
        unique_positives = _unique_by_batch(self.positives, size)
        triples = (torch.split(nodes, size) for nodes in (self.users, self.positives, self.negatives))
        yield from map(Batch, *triples, unique_users, unique_positives)


class Sampler:
    """Draws training triples from a binary matrix ``(n_users, n_items)``.

    A user who took every item has no negative, and one who took none no positive: neither is drawn.

    Raises:
        InputError: No user has both a positive and a negative.
    """

    def __init__(self, train: Csr) -> None:
        self._train = train
        self._keys = train.row_index() * train.n_cols + train.indices
        self._eligible = check_can_learn(train)

    def over_interactions(self, generator: torch.Generator) -> Triples:
        """Return every training interaction once, shuffled, with one negative (LightGCN, RLMRec)."""
        counts = self._train.counts()
        users = self._train.row_index()
        eligible = torch.nonzero(counts[users] < self._train.n_cols).squeeze(1)
        order = eligible[torch.randperm(eligible.numel(), generator=generator)]
        users = users[order]
        return Triples(users, self._train.indices[order].long(), self._negatives(users, generator))

    def over_users(self, n: int, generator: torch.Generator) -> Triples:
        """Return ``n`` samples: users uniform, one of the user's items uniform, one negative (DCCF's own code)."""
        users = self._eligible[torch.randint(self._eligible.numel(), (n,), generator=generator)]
        counts = self._train.counts()[users]
        nth = (torch.rand(n, generator=generator, dtype=torch.float64) * counts).long().minimum(counts - 1)
        positives = self._train.indices[self._train.indptr[users] + nth].long()
        return Triples(users, positives, self._negatives(users, generator))

    def negatives(self, users: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` items for each of some users, uniform among those that the user did not take, ``(b, n)``."""
        return self._negatives(users.repeat_interleave(n), generator).view(-1, n)

    def _negatives(self, users: Tensor, generator: torch.Generator) -> Tensor:
        n_items = self._train.n_cols
        items = torch.randint(n_items, users.shape, generator=generator)
        again = self._taken(users, items)
        while again.numel():
            drawn = torch.randint(n_items, again.shape, generator=generator)
            items[again] = drawn
            again = again[self._taken(users[again], drawn)]
        return items

    def _taken(self, users: Tensor, items: Tensor) -> Tensor:
        """Return the pairs that are training interactions, as positions in ``users``."""
        keys = users * self._train.n_cols + items
        at = torch.searchsorted(self._keys, keys).clamp_(max=self._keys.numel() - 1)
        return torch.nonzero(self._keys[at] == keys).squeeze(1)


def check_can_learn(train: Csr) -> Tensor:
    """Return the positions of the users with both a positive and a negative.

    Raises:
        InputError: There are none.
    """
    counts = train.counts()
    eligible = torch.nonzero((counts > 0) & (counts < train.n_cols)).squeeze(1)
    if not eligible.numel():
        raise InputError("no user has both an item taken and an item not taken, so there is nothing to learn from")
    return eligible


def _unique_by_batch(ids: Tensor, size: int) -> tuple[Tensor, ...]:
    """Return distinct ids of each run of ``size``, ascending."""
    n_batches = -(-ids.numel() // size)
    if not n_batches:
        return ()
    span = int(ids.max()) + 1
    keys = torch.unique(torch.arange(ids.numel()).div_(size, rounding_mode="floor") * span + ids)
    counts = torch.bincount(keys // span, minlength=n_batches)
    return torch.split(keys % span, counts.tolist())
