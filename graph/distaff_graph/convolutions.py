"""Propagation over a graph as modules of PyTorch Geometric: written by edges to be read, and fused to be run.

Each is written twice. ``message`` and ``aggregate`` are the equations as the paper has them, one row an edge,
``(edges, d)`` in memory: for small graphs, for explanations by edges, and to hold the other against.
``message_and_aggregate`` is the same on :mod:`distaff_graph.sparse`, where no such tensor is ever made; it is what training
runs. Setting ``fuse`` to False chooses the first, and so does ``torch_geometric.explain`` by itself.

A graph is either what our models have, a sparse matrix and its transpose, or edges as PyTorch Geometric has them.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing

from distaff_graph.sparse import Bipartite, masked_mean, polynomial, propagate


class Adjacency(Protocol):
    """A weighted graph: CSR matrices ``(n, n)`` whose rows receive."""

    @property
    def matrix(self) -> Tensor:
        """Weights, a row for each receiver."""

    @property
    def transposed(self) -> Tensor:
        """Its transpose; itself where it is symmetric."""


def _propagate(self: MessagePassing, edge_index: Tensor, size: Any = None, **kwargs: Any) -> Tensor:
    """Return the aggregated messages."""
    out: Tensor = MessagePassing.propagate(self, edge_index, size, **kwargs)
    return out


class Fused(MessagePassing):  # type: ignore[misc]
    """Message passing by a fused product unless ``fuse`` is False or an explanation is being made."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Of a class with a `propagate` of its own no template is compiled, which would leave a file behind in each process.
        cls.propagate = _propagate

    @property
    def fused(self) -> bool:
        """Tell whether nobody wants to see messages."""
        return bool(self.fuse) and not self.explain


class Convolution(Fused):
    """The sum of neighbours' rows times the weights of edges, A x."""

    def __init__(self) -> None:
        super().__init__(aggr="sum")

    def forward(self, x: Tensor, graph: Adjacency | Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return A x.

        Args:
            x: ``(n, d)``.
            graph: The weighted graph; or edges ``(2, E)`` from senders to receivers.
            edge_weight: Of such edges, ``(E,)``; 1 when None.
        """
        if isinstance(graph, Tensor):
            weights = x.new_ones(graph.shape[1]) if edge_weight is None else edge_weight
            y: Tensor = self.propagate(graph, x=x, edge_weight=weights)
            return y
        if self.fused:
            return self.message_and_aggregate(graph, x)
        index, weights = edges_of(graph.matrix)
        y = self.propagate(index, x=x, edge_weight=weights)
        return y

    def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
        """Return each edge's weight times its sender's row."""
        return edge_weight.unsqueeze(1) * x_j

    def message_and_aggregate(self, graph: Adjacency, x: Tensor) -> Tensor:
        """Return the same as one product."""
        return propagate(graph.matrix, x, graph.transposed)


class LayerSum(Convolution):
    """The sum of all layers, x + A x + ... + A^L x (LightGCN)."""

    def __init__(self, n_layers: int) -> None:
        super().__init__()
        self.n_layers = n_layers

    def forward(self, x: Tensor, graph: Adjacency | Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Return the sum; arguments as for :class:`Convolution`."""
        if self.fused and not isinstance(graph, Tensor):
            return polynomial(graph.matrix, x, self.n_layers, graph.transposed)
        total = x
        for _ in range(self.n_layers):
            x = super().forward(x, graph, edge_weight)
            total = total + x
        return total


class MaskedMean(Fused):
    """The mean of neighbours' rows weighted by how alike the two ends of an edge are (DCCF equations 10-12)."""

    def __init__(self) -> None:
        super().__init__(aggr="sum")

    def forward(self, x: Tensor, q: Tensor, graph: Bipartite | Tensor) -> Tensor:
        """Return the means, ``(n, d)``; zero where a node has no edge.

        Args:
            x: ``(n, d)``.
            q: By which the ends are alike, rows normalised, ``(n, d)``.
            graph: The graph; or edges ``(2, E)`` from senders to receivers.
        """
        if isinstance(graph, Tensor):
            h: Tensor = self.propagate(graph, x=x, q=q)
            return h
        if self.fused:
            return self.message_and_aggregate(graph, x, q)
        index, _ = edges_of(graph.matrix(x.new_ones(graph.n_edges)))
        h = self.propagate(index, x=x, q=q)
        return h

    def message(self, x_j: Tensor, q_i: Tensor, q_j: Tensor) -> Tensor:
        """Return the likeness (q_i . q_j + 1) / 2 times the sender's row, and the likeness, ``(E, d + 1)``."""
        alpha = ((q_i * q_j).sum(1, keepdim=True) + 1) / 2
        return torch.cat([alpha * x_j, alpha], 1)

    def update(self, sums: Tensor) -> Tensor:
        """Return summed rows over summed likenesses."""
        weights = sums[:, -1:]
        return sums[:, :-1] / torch.where(weights > 0, weights, 1.0)

    def message_and_aggregate(self, graph: Bipartite, x: Tensor, q: Tensor) -> Tensor:
        """Return the same by sparse products, with a backward of its own."""
        return masked_mean(graph, q, x)


def edges_of(matrix: Tensor) -> tuple[EdgeIndex, Tensor]:
    """Return the entries of a CSR matrix whose rows receive, as edges sorted by receiver, and their weights."""
    indptr = matrix.crow_indices().long()
    rows = torch.arange(len(indptr) - 1, device=indptr.device)
    receivers = torch.repeat_interleave(rows, indptr.diff(), output_size=len(matrix.values()))
    pairs = torch.stack([matrix.col_indices().long(), receivers])
    return EdgeIndex(pairs, sparse_size=(matrix.shape[1], matrix.shape[0]), sort_order="col"), matrix.values()
