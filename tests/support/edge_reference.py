"""LightGCN and DCCF written edge by edge, straight from the equations: slow, large and easy to check.

Every message is a row of a tensor ``(edges, d)``, gathered, weighted and added up at its target; cosines are taken of
normalised copies at both ends of an edge; InfoNCE keeps its whole similarity matrix. It shares no code with the fast
models but autograd. ``edges`` are directed: ``source`` and ``target`` int64 ``(2 |R|,)`` over nodes, users first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Graph:
    n_users: int
    n_nodes: int
    source: Tensor
    target: Tensor

    @classmethod
    def of(cls, users: Tensor, items: Tensor, n_users: int, n_items: int) -> Graph:
        """Both directions of each pair."""
        items = items.long() + n_users
        return cls(n_users, n_users + n_items, torch.cat([items, users]), torch.cat([users, items]))

    def degrees(self) -> Tensor:
        return torch.bincount(self.target, minlength=self.n_nodes).float()

    def symmetric_weights(self) -> Tensor:
        degrees = self.degrees()
        return (degrees[self.source] * degrees[self.target]).rsqrt()

    def add_up(self, weights: Tensor, x: Tensor) -> Tensor:
        messages = weights.unsqueeze(1) * x[self.source]
        return torch.zeros_like(x).index_add(0, self.target, messages)

    def mask(self, q: Tensor) -> Tensor:
        head, tail = F.normalize(q[self.target]), F.normalize(q[self.source])
        alpha = ((head * tail).sum(1) + 1) / 2
        sums = torch.zeros(self.n_nodes, dtype=q.dtype).index_add(0, self.target, alpha)
        return alpha / sums[self.target]


def lightgcn(graph: Graph, x: Tensor, n_layers: int, weights: Tensor | None = None) -> Tensor:
    """Sum of the layers."""
    weights = graph.symmetric_weights().to(x.dtype) if weights is None else weights
    total = x
    for _ in range(n_layers):
        x = graph.add_up(weights, x)
        total = total + x
    return total


def dccf_layers(
    graph: Graph, x: Tensor, user_intents: Tensor, item_intents: Tensor, n_layers: int
) -> tuple[list[Tensor], list[tuple[Tensor, Tensor, Tensor, Tensor]]]:
    """X_0 to X_L, and for each layer z, r and the two masked views."""
    weights = graph.symmetric_weights().to(x.dtype)
    xs, views = [x], []
    for _ in range(n_layers):
        z = graph.add_up(weights, x)
        of_users = torch.softmax(x[: graph.n_users] @ user_intents, 1) @ user_intents.T
        of_items = torch.softmax(x[graph.n_users :] @ item_intents, 1) @ item_intents.T
        r = torch.cat([of_users, of_items])
        local, intent = graph.add_up(graph.mask(z), x), graph.add_up(graph.mask(r), x)
        x = x + z + r + local + intent
        xs.append(x)
        views.append((z, r, local, intent))
    return xs, views


def info_nce(anchor: Tensor, view: Tensor, temperature: float) -> Tensor:
    """Summed over the rows."""
    z, n = F.normalize(anchor), F.normalize(view)
    positive = torch.exp((z * n).sum(1) / temperature)
    everyone = torch.exp(z @ n.T / temperature).sum(1)
    return -torch.log(positive / everyone).sum()


def contrastive(
    views: list[tuple[Tensor, Tensor, Tensor, Tensor]],
    users: Tensor,
    items: Tensor,
    temperature: float,
    item_divisor: int,
) -> Tensor:
    """All 6 L terms; ``items`` are nodes."""
    total = torch.zeros(())
    for z, *others in views:
        for other in others:
            total = total + info_nce(z[users], other[users], temperature) / len(users)
            total = total + info_nce(z[items], other[items], temperature) / item_divisor
    return total


def bpr(vectors: Tensor, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Positions are nodes."""
    margin = (vectors[users] * vectors[positives]).sum(1) - (vectors[users] * vectors[negatives]).sum(1)
    return F.softplus(-margin).mean()
