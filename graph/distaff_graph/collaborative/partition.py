"""The graph that a training step propagates over: all of it, or the interactions of some users.

Where all of it does not fit, each epoch deals the users into subgraphs at random and takes its steps on one after the
other. A subgraph holds every interaction of its m of the n users, so that what a user gathers from items is whole; what an
item gathers from users is a sample, scaled by s = (n - 1) / (m - 1): with the user who asks in the subgraph, any other is
there with probability 1 / s. That user's share comes back unsampled, and (s - 1) times too much of it is taken off
again, sum_i A_ui A_iu = sum_i 1 / (D_u D_i) times x two layers before. Degrees are those of the whole graph. So for up
to three layers of the symmetrically normalised adjacency A, a user's row is right in expectation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor, nn

from distaff.model.distributed import World
from distaff_data.datasets.csr import Csr
from distaff_graph.collaborative.sampling import Batch, Sampler, Triples, check_can_learn
from distaff_graph.sparse import Bipartite

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Subgraph:
    """Users and items with the interactions between them, users first; ``n`` nodes.

    Attributes:
        graph: The interactions.
        there, back: Weight of each in the rows of users and in those of items, ``(|R|,)``.
        nodes: Positions of the nodes in the whole graph, int64 ``(n,)``; None when it is the whole.
        returns: The surplus of each user's vector that comes back after two layers, ``(n_users, 1)``; None in the whole.
    """

    graph: Bipartite
    there: Tensor
    back: Tensor
    nodes: Tensor | None = None
    returns: Tensor | None = None

    @classmethod
    def whole(cls, train: Csr, device: torch.device) -> Subgraph:
        """Return the graph of all interactions."""
        graph = Bipartite.build(train, device)
        edges = graph.normalised_edges()
        return cls(graph, edges, edges)

    @classmethod
    def of_users(cls, rows: Csr, nodes: Tensor, item_degrees: Tensor, scale: float, device: torch.device) -> Subgraph:
        """Return the interactions ``rows`` of some users with the items whose degrees in the whole graph are given."""
        graph = Bipartite.build(rows, device)
        degrees = torch.cat([rows.counts(), item_degrees]).to(device=device, dtype=graph.degrees.dtype)
        edges = replace(graph, degrees=degrees).normalised_edges()
        square = torch.zeros(rows.n_rows, device=device).index_add_(0, rows.row_index().to(device), edges.square())
        return cls(graph, edges, edges * scale, nodes.to(device), ((scale - 1) * square).unsqueeze(1))

    @cached_property
    def matrix(self) -> Tensor:
        """The adjacency, CSR ``(n, n)``."""
        return self.graph.matrix(self.there, self.back)

    @cached_property
    def transposed(self) -> Tensor:
        """Its transpose."""
        return self.matrix if self.there is self.back else self.graph.matrix(self.back, self.there)

    def dropped(self, keep: float) -> Subgraph:
        """Return it with entries left out at random, those of the two directions apart, and the rest not scaled up."""
        there, back = (e * (torch.rand_like(e) < keep) for e in (self.there, self.back))
        return replace(self, there=there, back=back)

    def pick(self, table: Tensor) -> Tensor:
        """Return the nodes' rows of a table of all nodes."""
        return table if self.nodes is None else table.index_select(0, self.nodes)

    def unbiased(self, y: Tensor, before: Tensor | None) -> Tensor:
        """Return ``y``, the adjacency times some x ``(n, d)``, without what comes back too often.

        ``before`` is what that x was one layer earlier, None in the first.
        """
        if self.returns is None or before is None:
            return y
        n_users = self.graph.n_users
        return torch.cat([y[:n_users] - self.returns * before[:n_users], y[n_users:]])


@dataclass(frozen=True)
class Step:
    """One mini-batch on its subgraph.

    Attributes:
        batch: This process' share of the triples, in the subgraph's positions; the distinct nodes are those of all shares.
        n: Triples of all shares.
        subgraph: The graph that it propagates over.
    """

    batch: Batch
    n: int
    subgraph: Subgraph


class Steps:
    """Deals out the steps of a model's training.

    Args:
        train: Binary matrix ``(n_users, n_items)``.
        device: Where to compute.
        users_a_part: Number of users whose interactions a step's graph holds; all when None.
        world: The processes among which mini-batches are divided.

    Raises:
        InputError: No user has both an item taken and an item not taken.
    """

    def __init__(self, train: Csr, device: torch.device, users_a_part: int | None, world: World) -> None:
        check_can_learn(train)
        self.train, self.device, self.world = train, device, world
        self._n_subgraphs = 1 if users_a_part is None else -(-train.n_rows // max(users_a_part, 2))
        self._sampler = Sampler(train) if self.is_whole else None

    @property
    def is_whole(self) -> bool:
        """True where every step sees the whole graph."""
        return self._n_subgraphs == 1

    @cached_property
    def whole(self) -> Subgraph:
        """The whole graph; on the CPU where it is too large for training."""
        return Subgraph.whole(self.train, self.device if self.is_whole else torch.device("cpu"))

    def on_device_of_whole(self, network: M) -> M:
        """Return the network on the device of :attr:`whole`: itself, or a copy where training is elsewhere."""
        device = self.whole.there.device
        return network if device == self.device else copy.deepcopy(network).to(device)

    def epoch(self, draw: Callable[[Sampler, float], Triples], size: int, generator: torch.Generator) -> Iterator[Step]:
        """Yield the steps of one epoch.

        Args:
            draw: Draws the triples of a sampler that holds a share of the users.
            size: Triples a step.
            generator: The source of every draw.
        """
        if self._sampler is not None:
            yield from self._steps(draw(self._sampler, 1.0), size, self.whole)
            return
        n_users = self.train.n_rows
        for users in torch.randperm(n_users, generator=generator).tensor_split(self._n_subgraphs):
            users = users.sort().values
            rows = self.train.take(users)
            counts = rows.counts()
            if not bool(((counts > 0) & (counts < rows.n_cols)).any()):
                continue
            triples = draw(Sampler(rows), len(users) / n_users)
            subgraph, local = self._subgraph(users, rows, triples)
            yield from self._steps(local, size, subgraph)

    def _steps(self, triples: Triples, size: int, subgraph: Subgraph) -> Iterator[Step]:
        for batch in triples.batches(size):
            n = batch.users.numel()
            yield Step(batch.share(self.world.part(n)).to(self.device), n, subgraph)

    def _subgraph(self, users: Tensor, rows: Csr, triples: Triples) -> tuple[Subgraph, Triples]:
        """Return the subgraph of some users and the items that they took or that are negatives; and the triples in it."""
        items = torch.unique(torch.cat([rows.indices.long(), triples.negatives]))
        position = torch.empty(rows.n_cols, dtype=torch.long).scatter_(0, items, torch.arange(len(items)))
        local = Csr(rows.indptr, position[rows.indices.long()].int(), len(items))
        scale = (self.train.n_rows - 1) / max(len(users) - 1, 1)
        nodes = torch.cat([users, items + self.train.n_rows])
        subgraph = Subgraph.of_users(local, nodes, self._item_degrees[items], scale, self.device)
        return subgraph, Triples(triples.users, position[triples.positives], position[triples.negatives])

    @cached_property
    def _item_degrees(self) -> Tensor:
        return torch.bincount(self.train.indices, minlength=self.train.n_cols)
