"""DCCF (Ren et al., SIGIR 2023): disentangled contrastive collaborative filtering.

Equation numbers are the paper's (arXiv 2305.02759). Where its text and its authors' code differ, the code is followed:
InfoNCE runs over the distinct nodes of a mini-batch, and the read-out is a sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from distaff.model.config import Choices, ModelConfig, Span
from distaff.model.gradient import GradientConfig
from distaff.ranking.products import Products
from distaff.recommenders.gradient import GradientRecommender
from distaff.recommenders.intents import Intents, as_shares
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.collaborative.embeddings import Init, node_table, pair_scores, shares, squares, table, triple_nodes
from distaff_graph.collaborative.losses import bpr, info_nce
from distaff_graph.collaborative.partition import Step, Steps
from distaff_graph.collaborative.sampling import Sampler, Triples
from distaff_graph.sparse import (
    edge_dots,
    history_pattern,
    history_sums,
    product,
    row_shares,
    with_values,
)

if TYPE_CHECKING:
    from distaff_graph.collaborative.networks import DCCFNetwork, Layer

RLMREC: dict[str, Any] = {
    "temperature": 0.1,
    "ssl_reg": 1e-3,
    "emb_reg": 1e-4,
    "cen_reg": 1e-4,
    "reg_on": "all",
    "sampling": "interactions",
    "item_divisor": "users",
    "init": "xavier_uniform",
    "batch_size": 4096,
    "max_epochs": 3000,
    "eval_every": 3,
    "patience": 5,
}
"""Settings under which RLMRec (WWW 2024, table 1) reports DCCF on its Amazon-book and Yelp splits."""


class DCCFConfig(GradientConfig):
    """Settings of DCCF; defaults from its authors' code, where all three datasets share them.

    Attributes:
        embedding_dim: d, numbers a node.
        n_layers: L, graph layers.
        n_intents: K, prototypes of users and as many of items.
        temperature: tau of InfoNCE.
        ssl_reg: Weight of InfoNCE, lambda_1.
        emb_reg: Weight of the squares of embeddings, lambda_2.
        cen_reg: Weight of the squares of prototypes, lambda_3.
        reg_on: ``batch``: the rows that each sample looks up, counted as often as they are; ``all``: the whole table.
        sampling: ``users``: ``samples_per_epoch`` draws of a uniform user and one of their items; ``interactions``:
            every interaction once an epoch.
        samples_per_epoch: With ``sampling="users"``, whatever the size of the data.
        item_divisor: What the items' InfoNCE is divided by: the number of distinct ``items`` of the batch, or of
            ``users`` (which RLMRec's code does).
        init: How embeddings and prototypes start.
        users_a_part: For graphs that do not fit: how many users' interactions a step's graph holds; all when None. See
            :mod:`distaff_graph.collaborative.partition`; the masked means, which are shares, need no scale, but count
            a user's own part in an item more often than the whole graph does.
    """

    batch_size: Annotated[int, Field(ge=1)] = 10_240
    max_epochs: Annotated[int, Field(ge=1)] = 150
    embedding_dim: Annotated[int, Field(ge=1), Choices(32, 64, 128)] = 32
    n_layers: Annotated[int, Field(ge=1), Choices(1, 2, 3)] = 2
    n_intents: Annotated[int, Field(ge=1), Choices(32, 64, 128, 256)] = 128
    temperature: Annotated[float, Field(ge=0.025), Span(0.05, 1.0, log=True)] = 1.0
    ssl_reg: Annotated[float, Field(ge=0), Span(1e-4, 0.3, log=True)] = 0.1
    emb_reg: Annotated[float, Field(ge=0), Span(1e-6, 1e-2, log=True)] = 2.5e-5
    cen_reg: Annotated[float, Field(ge=0), Span(1e-6, 1e-2, log=True)] = 5e-3
    reg_on: Literal["batch", "all"] = "batch"
    sampling: Literal["users", "interactions"] = "users"
    samples_per_epoch: Annotated[int, Field(ge=1)] = 409_600
    item_divisor: Literal["items", "users"] = "items"
    init: Init = "xavier_normal"
    users_a_part: Annotated[int | None, Field(ge=2)] = None


class DCCF(GradientRecommender):
    """Scores by inner products of E = X_0 + ... + X_L, trained with BPR and InfoNCE between views of each layer.

    **Intents.** The paper gives users and items different prototypes, so that its user intent 3 and item intent 3 are
    unrelated. The intents shown here are the K of the items: an item's shares are its memberships P averaged over
    layers, and a user's mix is the mean of the shares of the items they took, which says "k" about users and items
    alike. A user without training items is uniform.

    **What an intent adds to a score.** The prototypes enter (13) as a summand r = P C^T and are carried by the
    residual into every later layer, so r of layer l occurs L - l times in the read-out. Item intent k therefore adds
    exactly (E_u . c_k) sum_l (L - l) P^l_ik to the score of u and i; the rest of the score belongs to no intent.

    **New users.** The items' side is held fixed and layer by layer the equations are applied to the new user as a
    node with the given edges, starting from x = n^-1/2 sum_i D_i^-1/2 x_i over their n items, since the real X_0
    needs training.
    """

    name: ClassVar[str] = "dccf"
    ablations: ClassVar[tuple[str, ...]] = ("lightgcn",)
    user_tensors: ClassVar[tuple[str, ...]] = ("users",)
    Config: ClassVar[type[ModelConfig]] = DCCFConfig
    config: DCCFConfig
    network: DCCFNetwork
    divisible: ClassVar[bool] = True

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> nn.Module:
        """Return the network, and prepare the graph and the sampler."""
        from distaff_graph.collaborative.networks import DCCFNetwork

        c = self.config
        self._steps = Steps(data.train, device, c.users_a_part, self.world)
        nodes = node_table(data.n_users, data.n_items, c.embedding_dim, c.init, generator)
        user_intents, item_intents = (table(c.embedding_dim, c.n_intents, c.init, generator) for _ in range(2))
        return DCCFNetwork(nodes, user_intents, item_intents, c.n_layers).to(device)

    def batches(self, data: Interactions, generator: torch.Generator) -> Iterator[Step]:
        """Yield mini-batches of the configured sampling."""
        c = self.config

        def draw(sampler: Sampler, share: float) -> Triples:
            if c.sampling == "users":
                return sampler.over_users(max(1, round(c.samples_per_epoch * share)), generator)
            return sampler.over_interactions(generator)

        return self._steps.epoch(draw, c.batch_size, generator)

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Return BPR, InfoNCE, and the squares of embeddings and prototypes."""
        c, network, batch, subgraph = self.config, self.network, step.batch, step.subgraph
        n_users = subgraph.graph.n_users
        items = batch.unique_positives + n_users
        n_distinct_users = batch.unique_users.numel()
        per_items = n_distinct_users if c.item_divisor == "users" else items.numel()
        total = x = subgraph.pick(network.nodes)
        contrast: list[Tensor] = []
        for layer in network.layers(subgraph, x):
            contrast.append(self._contrast(layer, batch.unique_users, n_distinct_users))
            contrast.append(self._contrast(layer, items, per_items))
            total = total + layer.out
        triples = triple_nodes(batch, n_users)
        common = 1 / self.world.size  # of terms that do not depend on the batch, so that shares sum to them
        norm = common * squares(network.nodes) if c.reg_on == "all" else squares(x.index_select(0, triples))
        return {
            "bpr": bpr(*pair_scores(total.index_select(0, triples)), step.n),
            "ssl": c.ssl_reg * torch.stack(contrast).sum(),
            "emb": c.emb_reg * norm,
            "cen": c.cen_reg * common * (squares(network.user_intents) + squares(network.item_intents)),
        }

    def finalize(self) -> None:
        """Compute the read-out, the items' shares, and every layer of the items for folding in."""
        whole, n_layers = self._steps.whole, self.config.n_layers
        network = self._steps.on_device_of_whole(self.network)
        n_users = whole.graph.n_users
        x = network.nodes.detach()
        vectors = x.clone()
        layers: dict[str, list[Tensor]] = {"items": [], "local": [], "intent": [], "shares": []}
        for layer in network.layers(whole, x):
            of_items = (x[n_users:], layer.local[n_users:], layer.intent[n_users:], layer.item_shares)
            for values, value in zip(layers.values(), of_items, strict=True):
                values.append(value.detach().clone())
            x = layer.out.detach()
            vectors += x
        item_shares = torch.stack(layers["shares"])
        # r of layer l occurs in X_{l+1}, ..., X_L.
        carried = torch.arange(n_layers, 0, -1, device=vectors.device, dtype=vectors.dtype)
        self._state = {
            "users": vectors[:n_users].clone(),
            "items": vectors[n_users:].clone(),
            "item_shares": item_shares.mean(0),
            "item_weights": torch.einsum("l,lik->ik", carried, item_shares),
            "user_intents": network.user_intents.detach().clone(),
            "item_intents": network.item_intents.detach().clone(),
            "layer_items": torch.stack(layers["items"]),
            "layer_local": torch.stack(layers["local"]),
            "layer_intent": torch.stack(layers["intent"]),
            "item_scaling": whole.graph.scaling()[n_users:].clone(),
        }

    def predict(self, users: Tensor) -> Tensor:
        """Return inner products."""
        return self.ranker()(users)

    def ranker(self) -> Products:
        """Return the read-out of users and of items, for the fast ranking of inner products."""
        return Products(self._state["users"], self._state["items"])

    def fold_in(self, history: Csr) -> Tensor:
        """Return inner products of the vector that the equations give a node with these edges; see the class."""
        state = self._state
        scaling = state["item_scaling"].unsqueeze(1)
        pattern = history_pattern(history, scaling)
        x = history_sums(history, scaling * state["layer_items"][0])
        total = x
        for items, local, intent in zip(state["layer_items"], state["layer_local"], state["layer_intent"], strict=True):
            z = history_sums(history, scaling * items)
            r = shares(x, state["user_intents"]) @ state["user_intents"].T
            views = [_masked_rows(pattern, F.normalize(q), k, items) for q, k in ((z, local), (r, intent))]
            x = x + z + r + views[0] + views[1]
            total = total + x
        return total @ state["items"].T

    def state(self) -> dict[str, Tensor]:
        """Return everything that :meth:`finalize` made."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore it."""
        self._state = dict(tensors)

    def intents(self) -> Intents:
        """Return items' shares and users' mixes of the item intents; see the class."""
        items = self._state["item_shares"].cpu()
        train = self.data.train
        return Intents.from_loadings(product(history_pattern(train, items), items), items)

    def user_mixes(self, users: Tensor) -> Tensor:
        """Return users' mixes of the item intents."""
        items = self._state["item_shares"].cpu()
        return as_shares(product(history_pattern(self.data.train.take(users), items), items))

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """Return the exact part of the score that an item intent adds; see the class."""
        vectors = self._state["users"]
        affinity = vectors[users.to(vectors.device)] @ self._state["item_intents"][:, intent]
        return torch.outer(affinity, self._state["item_weights"][:, intent])

    def all_intent_scores(self, users: Tensor) -> Tensor:
        """Return the parts of all item intents."""
        vectors = self._state["users"]
        affinities: Tensor = vectors[users.to(vectors.device)] @ self._state["item_intents"]
        return affinities.unsqueeze(2) * self._state["item_weights"].T

    def message_passing(self) -> tuple[nn.Module, Mapping[str, Any]]:
        """Return the network and its inputs, for explanations by edges."""
        from distaff_graph.convolutions import edges_of

        trained, whole = self.trained, self._steps.whole
        network = self._steps.on_device_of_whole(trained)
        edge_index, edge_weight = edges_of(whole.matrix)
        x = network.nodes.detach()
        return network, {"x": x, "edge_index": edge_index, "edge_weight": edge_weight, "n_users": self.data.n_users}

    def _contrast(self, layer: Layer, nodes: Tensor, divisor: int) -> Tensor:
        """Return InfoNCE of z against r and both masked views over the given nodes."""
        anchor, intent, local_view, intent_view = (
            view.index_select(0, nodes) for view in (layer.local, layer.intent, layer.local_view, layer.intent_view)
        )
        views = (intent, F.normalize(local_view), F.normalize(intent_view))
        rows = self.world.part(nodes.numel())
        return info_nce(anchor, views, self.config.temperature, divisor=divisor, rows=rows)


def _masked_rows(pattern: Tensor, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return :func:`masked_mean` of new users ``(b, d)`` over items' normalised keys and values, ``(n_items, d)``."""
    alpha = edge_dots(pattern, q, keys).add_(1.0).mul_(0.5)
    matrix = with_values(pattern, alpha)
    return product(matrix, values) * row_shares(product(matrix, values.new_ones(values.shape[0], 1)))
