"""LightGCN (He et al., SIGIR 2020): embeddings smoothed over the interaction graph, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from distaff.model.config import Choices, ModelConfig, Span
from distaff.model.gradient import GradientConfig
from distaff.ranking.products import Products
from distaff.recommenders.gradient import GradientRecommender
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.collaborative.embeddings import Init, node_table, pair_scores, squares, triple_nodes
from distaff_graph.collaborative.losses import bpr
from distaff_graph.collaborative.partition import Step, Steps
from distaff_graph.collaborative.sampling import Sampler, Triples
from distaff_graph.sparse import RowPolynomial, SparseRows, history_sums, polynomial, product

if TYPE_CHECKING:
    from distaff_graph.collaborative.networks import LightGCNNetwork

RLMREC: dict[str, Any] = {
    "embedding_dim": 32,
    "n_layers": 3,
    "edge_keep": 0.8,
    "readout": "sum",
    "reg": 1e-6,
    "reg_on": "all",
    "batch_size": 4096,
    "max_epochs": 3000,
    "eval_every": 3,
    "patience": 5,
}
"""Settings under which RLMRec (WWW 2024, table 1) reports LightGCN on its Amazon-book and Yelp splits."""


class LightGCNConfig(GradientConfig):
    """Settings of LightGCN; defaults from its paper.

    Attributes:
        embedding_dim: d, numbers a node.
        n_layers: L, propagations.
        reg: Weight of the squared norm.
        reg_on: ``batch``: half the squares of the sampled rows over the batch size (the paper's code); ``all``: the
            squares of all parameters (RLMRec).
        readout: Mean of the layers (the paper) or their sum (RLMRec).
        edge_keep: Share of the adjacency's entries kept in each step, the two directions of an edge drawn separately
            and what is kept not scaled up (RLMRec); 1 keeps all.
        init: How embeddings start.
        users_a_part: For graphs that do not fit: how many users' interactions a step's graph holds; all when None. See
            :mod:`distaff_graph.collaborative.partition`.
    """

    batch_size: Annotated[int, Field(ge=1)] = 2048
    embedding_dim: Annotated[int, Field(ge=1), Choices(32, 64, 128)] = 64
    n_layers: Annotated[int, Field(ge=0), Choices(1, 2, 3, 4)] = 3
    reg: Annotated[float, Field(ge=0), Span(1e-7, 1e-2, log=True)] = 1e-4
    reg_on: Literal["batch", "all"] = "batch"
    readout: Literal["mean", "sum"] = "mean"
    edge_keep: Annotated[float, Field(gt=0, le=1)] = 1.0
    init: Init = "xavier_uniform"
    users_a_part: Annotated[int | None, Field(ge=2)] = None


@dataclass(frozen=True)
class CutStep(Step):
    """A step, and the rows of the adjacency that it needs where cutting those out pays."""

    rows: SparseRows | None


class LightGCN(GradientRecommender):
    """Scores by inner products of E = sum over layers of (D^-1/2 A D^-1/2)^l X_0, trained with BPR.

    A new user's layers 1 to L follow from the items' layers 0 to L-1 as for anyone else (the items' side held fixed);
    layer 0, which only training can give, is left out.
    """

    name: ClassVar[str] = "lightgcn"
    user_tensors: ClassVar[tuple[str, ...]] = ("users",)
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = LightGCNConfig
    config: LightGCNConfig
    network: LightGCNNetwork
    divisible: ClassVar[bool] = True

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> nn.Module:
        """Return the table X_0, and prepare the graph and the sampler."""
        from distaff_graph.collaborative.networks import LightGCNNetwork

        c = self.config
        self._steps = Steps(data.train, device, c.users_a_part, self.world)
        # On a GPU the products that cutting saves cost less than the cutting.
        cuts = device.type == "cpu" and c.edge_keep == 1 and c.n_layers > 0 and self._steps.is_whole
        self._some_rows = RowPolynomial(self._steps.whole.matrix, c.n_layers) if cuts else None
        nodes = node_table(data.n_users, data.n_items, c.embedding_dim, c.init, generator)
        return LightGCNNetwork(nodes, c.n_layers, self._share).to(device)

    def batches(self, data: Interactions, generator: torch.Generator) -> Iterator[CutStep]:
        """Yield every interaction once, with one negative."""

        def draw(sampler: Sampler, share: float) -> Triples:
            return sampler.over_interactions(generator)

        for step in self._steps.epoch(draw, self.config.batch_size, generator):
            triples = triple_nodes(step.batch, step.subgraph.graph.n_users)
            yield CutStep(**vars(step), rows=self._some_rows.take(torch.unique(triples)) if self._some_rows else None)

    def losses(self, step: CutStep) -> dict[str, Tensor]:
        """Return BPR and the squared norm."""
        c, x = self.config, step.subgraph.pick(self.network.nodes)
        triples = triple_nodes(step.batch, step.subgraph.graph.n_users)
        if self._some_rows is None or step.rows is None or not self.network.layer_sum.fused:
            subgraph = step.subgraph if c.edge_keep == 1 else step.subgraph.dropped(c.edge_keep)
            vectors = self.network.layers(subgraph, x).index_select(0, triples)
        else:
            rows = self._some_rows(x, step.rows)
            vectors = rows.index_select(0, torch.searchsorted(step.rows.nodes, triples))
        positive, negative = pair_scores(vectors * self._share)
        if c.reg_on == "all":
            norm = squares(self.network.nodes) / self.world.size
        else:
            norm = squares(x.index_select(0, triples)) / (2 * step.n)
        return {"bpr": bpr(positive, negative, step.n), "reg": c.reg * norm}

    def finalize(self) -> None:
        """Compute all layers and, for folding in, D^-1/2 times the sum of the items' layers 0 to L-1."""
        whole, n_layers = self._steps.whole, self.config.n_layers
        n_users = whole.graph.n_users
        x = self._steps.on_device_of_whole(self.network).nodes.detach()
        before = polynomial(whole.matrix, x, n_layers - 1) if n_layers else torch.zeros_like(x)
        vectors = self._share * (x + product(whole.matrix, before) if n_layers else x)
        self._users, self._items = vectors[:n_users].clone(), vectors[n_users:].clone()
        self._folding = before[n_users:] * (self._share * whole.graph.scaling()[n_users:]).unsqueeze(1)

    def predict(self, users: Tensor) -> Tensor:
        """Return inner products."""
        return self.ranker()(users)

    def ranker(self) -> Products:
        """Return both tables, for the fast ranking of inner products."""
        return Products(self._users, self._items)

    def fold_in(self, history: Csr) -> Tensor:
        """Return inner products of the vector that a new user's items give; see the class."""
        return history_sums(history, self._folding) @ self._items.T

    def state(self) -> dict[str, Tensor]:
        """Return users, items, and the items' table for folding in."""
        return {"users": self._users, "items": self._items, "folding": self._folding}

    def shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Return a row a user and a row an item."""
        return {"users": (self.data.n_users, None), "items": (self.data.n_items, None)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the three tables."""
        self._users, self._items, self._folding = tensors["users"], tensors["items"], tensors["folding"]

    def message_passing(self) -> tuple[nn.Module, Mapping[str, Any]]:
        """Return the network and its inputs, for explanations by edges."""
        from distaff_graph.convolutions import edges_of

        trained, whole = self.trained, self._steps.whole
        network = self._steps.on_device_of_whole(trained)
        edge_index, edge_weight = edges_of(whole.matrix)
        x = network.nodes.detach()
        return network, {"x": x, "edge_index": edge_index, "edge_weight": edge_weight}

    @property
    def _share(self) -> float:
        """The weight of each layer in the read-out."""
        return 1.0 / (self.config.n_layers + 1) if self.config.readout == "mean" else 1.0
