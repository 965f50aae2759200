"""Tables of embeddings of users and items: their start, and their rows in a mini-batch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from distaff_graph.collaborative.sampling import Batch

Init = Literal["xavier_uniform", "xavier_normal"]


def table(n_rows: int, n_cols: int, init: Init, generator: torch.Generator) -> Tensor:
    """Return a fresh float32 table ``(n_rows, n_cols)``, drawn on the CPU so that every device starts alike."""
    fill = nn.init.xavier_uniform_ if init == "xavier_uniform" else nn.init.xavier_normal_
    return fill(torch.empty(n_rows, n_cols), generator=generator)


def node_table(n_users: int, n_items: int, dim: int, init: Init, generator: torch.Generator) -> Tensor:
    """Return users' and items' tables, each drawn by its size, one above the other: ``(n_users + n_items, dim)``."""
    return torch.cat([table(n_users, dim, init, generator), table(n_items, dim, init, generator)])


def triple_nodes(batch: Batch, n_users: int) -> Tensor:
    """Return node positions of users, positives and negatives one after the other, int64 ``(3 b,)``."""
    return torch.cat([batch.users, batch.positives + n_users, batch.negatives + n_users])


def pair_scores(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores ``(b,)`` of the positives and negatives, from the rows ``(3 b, d)`` of :func:`triple_nodes`."""
    users, positives, negatives = rows.chunk(3)
    return (users * positives).sum(1), (users * negatives).sum(1)


def squares(x: Tensor) -> Tensor:
    """Return the sum of squares, without a temporary of the size of ``x``."""
    flat = x.flatten()
    return torch.dot(flat, flat)


def shares(x: Tensor, prototypes: Tensor) -> Tensor:
    """Return memberships softmax(x C), ``(n, K)``, of nodes ``(n, d)`` in prototypes ``(d, K)``."""
    return torch.softmax(x @ prototypes, 1)
