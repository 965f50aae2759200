"""Tiny interactions whose right answer is known: users of a block take items of their own block only."""

from __future__ import annotations

import torch

from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions


def checkerboard(n_users: int = 40, n_items: int = 30, *, held_out: int = 2, n_blocks: int = 2) -> Interactions:
    """User u and item i belong together when u and i are equal modulo ``n_blocks``.

    Each user has ``held_out`` of their items in each of validation and test, and the others in training.
    """
    users, items = (torch.cartesian_prod(torch.arange(n_users), torch.arange(n_items))).T
    own = users % n_blocks == items % n_blocks
    users, items = users[own], items[own]
    turn = (items // n_blocks + users) % (n_items // n_blocks)
    codes = torch.where(turn < held_out, 1, torch.where(turn < 2 * held_out, 2, 0))
    names = [("train", "valid", "test")[code] for code in codes.tolist()]
    return Interactions.from_arrays(users.numpy(), items.numpy(), names, name="checkerboard")


def random_csr(n_users: int, n_items: int, share: float, seed: int = 0) -> Csr:
    """A random binary matrix."""
    taken = torch.rand(n_users, n_items, generator=torch.Generator().manual_seed(seed)) < share
    users, items = taken.nonzero().T
    return Csr.from_pairs(users, items, n_users, n_items)


def random_interactions(n_users: int, n_items: int, share: float, seed: int = 0) -> Interactions:
    """A random binary matrix as training data, with one interaction for each user and item at least."""
    matrix = random_csr(n_users, n_items, share, seed).dense()
    n = max(n_users, n_items)
    matrix[torch.arange(n) % n_users, torch.arange(n) % n_items] = 1
    users, items = matrix.nonzero().T
    return Interactions.from_arrays(users.numpy(), items.numpy())
