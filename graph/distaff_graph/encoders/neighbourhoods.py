"""Some of the neighbours of a mini-batch's nodes, hop by hop: what an encoder reads where the whole graph does not fit.

Hamilton, Ying and Leskovec (NeurIPS 2017): each node of a hop gathers from at most n of its neighbours, drawn without
replacement, which are the nodes of the next hop. PyTorch Geometric's own sampler draws where ``pyg-lib`` is installed, in
C++; otherwise the same is drawn here by sorting random numbers, which takes time and memory of the hop's edges, but none of
their vectors'. Means over neighbours stay right on average; sums and degrees are those of what was drawn.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
import torch_geometric.typing
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.sampler import NeighborSampler, NodeSamplerInput


@dataclass(frozen=True)
class Neighbourhood:
    """The nodes that a mini-batch's vectors are made of.

    Attributes:
        nodes: Their positions in the whole graph, int64 ``(n,)``: those of the mini-batch first, in their own order.
        edge_index: The drawn edges in positions of ``nodes``, from neighbour to the one who gathers, sorted by the latter.
    """

    nodes: Tensor
    edge_index: EdgeIndex


class Neighbourhoods:
    """Draws neighbourhoods of a graph.

    Args:
        edge_index: All edges on the CPU, sorted by receiver.
        n_neighbours: At most so many of each node and hop.
        n_hops: Layers of the encoder.
    """

    def __init__(self, edge_index: EdgeIndex, n_neighbours: int, n_hops: int) -> None:
        self._n_neighbours, self._n_hops = n_neighbours, n_hops
        (self._starts, self._senders), _ = edge_index.get_csc()
        self._library = _library_sampler(edge_index, n_neighbours, n_hops)

    def of(self, seeds: Tensor, generator: torch.Generator) -> Neighbourhood:
        """Return a neighbourhood of distinct nodes ``(b,)``; the generator is the source of every draw."""
        if self._library is None:
            nodes, senders, receivers = self._drawn(seeds, generator)
        else:
            with torch.random.fork_rng(devices=[]):  # the library draws from the global state
                torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
                drawn = self._library.sample_from_nodes(NodeSamplerInput(None, seeds))
            nodes, senders, receivers = drawn.node, drawn.row, drawn.col
        order = torch.argsort(receivers, stable=True)
        edges = torch.stack([senders[order], receivers[order]])
        return Neighbourhood(nodes, EdgeIndex(edges, sparse_size=(len(nodes), len(nodes)), sort_order="col"))

    def _drawn(self, seeds: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return nodes, and edges by their positions: senders and receivers."""
        nodes, frontier = seeds, seeds
        senders, receivers = [seeds[:0]], [seeds[:0]]
        for _ in range(self._n_hops):
            neighbours, gathering = self._hop(frontier, generator)
            senders.append(neighbours)
            receivers.append(gathering)
            frontier = _without(torch.unique(neighbours), nodes)
            nodes = torch.cat([nodes, frontier])
        ascending, order = nodes.sort()
        ends = torch.stack([torch.cat(senders), torch.cat(receivers)])
        return nodes, *order[torch.searchsorted(ascending, ends)]

    def _hop(self, nodes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return at most n neighbours of each node, and the node that each is a neighbour of."""
        starts = self._starts[nodes]
        degrees = self._starts[nodes + 1] - starts
        owners = torch.repeat_interleave(torch.arange(len(nodes)), degrees)
        before = degrees.cumsum(0) - degrees
        place = torch.arange(len(owners)) - before[owners]
        # Double precision: owner + random number keeps the owners apart, and a random number's first 30 bits.
        shuffled = torch.argsort(owners + torch.rand(len(owners), dtype=torch.float64, generator=generator))
        chosen = shuffled[place < self._n_neighbours]  # an owner's edges are where they were, in a random order
        return self._senders[starts[owners[chosen]] + place[chosen]], nodes[owners[chosen]]


def _without(ascending: Tensor, nodes: Tensor) -> Tensor:
    """Return the values that are none of ``nodes``."""
    return ascending[~torch.isin(ascending, nodes)]


def _library_sampler(edge_index: EdgeIndex, n_neighbours: int, n_hops: int) -> NeighborSampler | None:
    """Return the library's sampler where what it draws with is installed."""
    if not (torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE):
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using 'NeighborSampler' without a 'pyg-lib'")
        graph = Data(edge_index=edge_index.as_tensor(), num_nodes=edge_index.get_sparse_size(0))
        return NeighborSampler(graph, num_neighbors=[n_neighbours] * n_hops)
