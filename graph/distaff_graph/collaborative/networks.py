"""The networks of LightGCN and DCCF: learned tables, and the forward pass by message passing.

Imported when a model is trained: PyTorch Geometric takes seconds to import, and a fitted model needs none of this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff_graph.collaborative.embeddings import shares
from distaff_graph.collaborative.partition import Subgraph
from distaff_graph.convolutions import Convolution, LayerSum, MaskedMean


class LightGCNNetwork(nn.Module):
    """The learned table X_0, ``(n_users + n_items, d)``, and its layers, each of the same weight in the read-out."""

    def __init__(self, nodes: Tensor, n_layers: int, layer_weight: float) -> None:
        super().__init__()
        self.nodes, self.layer_weight = nn.Parameter(nodes), layer_weight
        self.convolution, self.layer_sum = Convolution(), LayerSum(n_layers)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
        """Return the read-out over edges as PyTorch Geometric has them; ``x`` is the table."""
        vectors: Tensor = self.layer_weight * self.layer_sum(x, edge_index, edge_weight)
        return vectors

    def layers(self, subgraph: Subgraph, x: Tensor) -> Tensor:
        """Return the sum of all layers on a subgraph, from ``x``, the rows of X_0 of its nodes."""
        if subgraph.nodes is None:
            return self.layer_sum(x, subgraph)  # type: ignore[no-any-return]
        total, before = x, None
        for _ in range(self.layer_sum.n_layers):
            x, before = subgraph.unbiased(self.convolution(x, subgraph), before), x
            total = total + x
        return total


@dataclass(frozen=True)
class Layer:
    """One layer over all nodes, ``(n, d)`` each but the shares.

    Attributes:
        local: z, rows normalised.
        intent: r, rows normalised.
        local_view: The mean of neighbours weighted by likeness of z.
        intent_view: The same with r.
        user_shares, item_shares: P, memberships in the K prototypes, ``(n_users, K)`` and ``(n_items, K)``.
        out: The next layer's embeddings.
    """

    local: Tensor
    intent: Tensor
    local_view: Tensor
    intent_view: Tensor
    user_shares: Tensor
    item_shares: Tensor
    out: Tensor


class DCCFNetwork(nn.Module):
    """The learned tables and the forward pass.

    Attributes:
        nodes: X_0, ``(n_users + n_items, d)``.
        user_intents, item_intents: Prototypes C_u and C_v by column, ``(d, K)``.
    """

    def __init__(self, nodes: Tensor, user_intents: Tensor, item_intents: Tensor, n_layers: int) -> None:
        super().__init__()
        self.nodes = nn.Parameter(nodes)
        self.user_intents = nn.Parameter(user_intents)
        self.item_intents = nn.Parameter(item_intents)
        self.n_layers = n_layers
        self.convolution, self.masked_mean = Convolution(), MaskedMean()

    def layers(self, subgraph: Subgraph, x: Tensor) -> Iterator[Layer]:
        """Yield each layer in turn, from ``x``, the rows of X_0 of the nodes of ``subgraph``; equations 5 to 13."""
        graph, before = subgraph.graph, None
        for _ in range(self.n_layers):
            z = subgraph.unbiased(self.convolution(x, subgraph), before)
            layer = self._layer(x, z, graph.n_users, graph)
            yield layer
            x, before = layer.out, x

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor, n_users: int) -> Tensor:
        """Return the read-out over edges as PyTorch Geometric has them; ``x`` is X_0."""
        total = x
        for _ in range(self.n_layers):
            x = self._layer(x, self.convolution(x, edge_index, edge_weight), n_users, edge_index).out
            total = total + x
        return total

    def _layer(self, x: Tensor, z: Tensor, n_users: int, graph: object) -> Layer:
        """Return a layer from ``x`` and z = D^-1/2 A D^-1/2 x (5).

        P = softmax(x C), r = P C^T (7, 8); masked means (10 to 12); and the next x is x + z + r + local view + intent view
        (13).
        """
        user_shares = shares(x[:n_users], self.user_intents)
        item_shares = shares(x[n_users:], self.item_intents)
        r = torch.cat([user_shares @ self.user_intents.T, item_shares @ self.item_intents.T])
        local, intent = F.normalize(z), F.normalize(r)
        local_view, intent_view = self.masked_mean(x, local, graph), self.masked_mean(x, intent, graph)
        out = x + z + r + local_view + intent_view
        return Layer(local, intent, local_view, intent_view, user_shares, item_shares, out)
