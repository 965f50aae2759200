"""Any encoder of PyTorch Geometric as a recommender, trained, measured, explained and compared as ours are."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn

from distaff.model.config import Choices, ModelConfig, Span
from distaff.model.gradient import GradientConfig
from distaff.ranking.products import Products
from distaff.recommenders.gradient import GradientRecommender
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_graph.collaborative.embeddings import node_table, squares
from distaff_graph.collaborative.losses import bpr, info_nce
from distaff_graph.collaborative.sampling import Sampler

if TYPE_CHECKING:
    from distaff_graph.encoders.networks import EncoderNetwork

ROOM = "torch_geometric.nn.models."
"""Where encoders may be named from; any other is given as an object."""
_GIVEN = "an instance of "


class EncoderConfig(GradientConfig):
    """Settings of every model with an encoder of PyTorch Geometric.

    Attributes:
        embedding_dim: d, numbers a node: of the learned table that the encoder reads, of its hidden layers and its output.
        n_layers: Layers of the encoder.
        dropout: Share of hidden numbers left out in training.
        n_negatives: Items drawn for each interaction, uniform among those that the user did not take.
        loss: ``bpr``, the mean over negatives of softplus(negative - positive); ``softmax``, the logarithm of the positive's
            share among itself and the negatives; ``edges``, the cross entropy of interactions and of pairs that are none;
            or ``infonce``, the logarithm of the share that the cosine of user and positive has among the cosines of the user
            and every positive of the mini-batch, whose vectors are then ranked by cosine.
        temperature: Of the cosines, where the loss is ``infonce``; none of the others has one.
        reg: Weight of half the squares of the table's rows that a step looks up, over the batch size.
        n_neighbours: For graphs that do not fit: how many neighbours a node gathers from in each of the ``n_layers``
            layers, drawn anew for every mini-batch; all when None, and always where vectors are computed at the end.
    """

    batch_size: Annotated[int, Field(ge=1)] = 4096
    embedding_dim: Annotated[int, Field(ge=1), Choices(32, 64, 128)] = 64
    n_layers: Annotated[int, Field(ge=1), Choices(1, 2, 3)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    n_negatives: Annotated[int, Field(ge=1), Choices(1, 8, 64)] = 1
    loss: Literal["bpr", "softmax", "edges", "infonce"] = "bpr"
    temperature: Annotated[float, Field(ge=0.025), Span(0.05, 1.0, log=True)] = 0.2
    reg: Annotated[float, Field(ge=0), Span(1e-7, 1e-2, log=True)] = 1e-4
    n_neighbours: Annotated[int | None, Field(ge=1)] = None


class PyGConfig(EncoderConfig):
    """Settings of the model of an encoder of one's own.

    Attributes:
        encoder: A class of ``torch_geometric.nn.models`` that turns ``x, edge_index`` into vectors, such as
            ``torch_geometric.nn.models.GIN``; in Python also an object of any class, ``torch.nn.Module``.
    """

    encoder: str = f"{ROOM}GraphSAGE"

    @field_validator("encoder", mode="before")
    @classmethod
    def _allowed(cls, name: object) -> str:
        if isinstance(name, str) and name.startswith(_GIVEN):
            return name
        if isinstance(name, str) and name.startswith(ROOM) and name.removeprefix(ROOM).isidentifier():
            return name
        raise ValueError(
            f"an encoder is named {ROOM}NAME; any other is given as an object, a torch.nn.Module, in Python"
        )


@dataclass(frozen=True)
class Drawn:
    """A mini-batch and the graph that it is seen in.

    Attributes:
        users, positives: Positions of the interactions' ends among the graph's nodes, int64 ``(b,)``.
        negatives: Those of items that the users did not take, ``(b, n)``.
        nodes: Rows of the learned table that are the graph's nodes, int64 ``(m,)``; None when they are all of them.
        edge_index: Its edges, in positions of the nodes.
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor
    nodes: Tensor | None
    edge_index: Tensor


class EncoderRecommender(GradientRecommender):
    """Scores by inner products of what an encoder makes of a learned table and the training interactions."""

    user_tensors: ClassVar[tuple[str, ...]] = ("users",)
    Config: ClassVar[type[ModelConfig]] = EncoderConfig
    config: EncoderConfig
    network: EncoderNetwork

    @abstractmethod
    def make_encoder(self, n_numbers: int) -> nn.Module:
        """Return a fresh encoder of ``n_numbers`` a node; the global random state is the fit's own."""

    def n_numbers(self) -> int:
        """Return the numbers of each node of the learned table."""
        return self.config.embedding_dim

    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> nn.Module:
        """Return table and encoder, and prepare the graph and the sampler."""
        from distaff_graph.encoders.neighbourhoods import Neighbourhoods
        from distaff_graph.encoders.networks import EncoderNetwork, ready, two_way_edges

        c = self.config
        self._sampler, self._n_users, self._device = Sampler(data.train), data.n_users, device
        edges = two_way_edges(data.train, torch.device("cpu"))
        # What does not fit in training stays on the host.
        self._edge_index = edges.to(device) if c.n_neighbours is None else edges
        self._near = None if c.n_neighbours is None else Neighbourhoods(edges, c.n_neighbours, c.n_layers)
        nodes = node_table(data.n_users, data.n_items, self.n_numbers(), "xavier_uniform", generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            encoder = ready(self.make_encoder(nodes.shape[1]), nodes, edges)
        if self._near is not None and any(getattr(module, "cached", False) for module in encoder.modules()):
            raise InputError("a cached layer keeps its first edges; make it cached=False", column="n_neighbours")
        return EncoderNetwork(nodes, encoder).to(device)

    def batches(self, data: Interactions, generator: torch.Generator) -> Iterator[Drawn]:
        """Yield every interaction once, with its negatives."""
        c = self.config
        triples = self._sampler.over_interactions(generator)
        for users, positives in zip(
            triples.users.split(c.batch_size), triples.positives.split(c.batch_size), strict=True
        ):
            negatives = self._sampler.negatives(users, c.n_negatives, generator)
            ends = users, positives + self._n_users, negatives + self._n_users
            yield self._seen(ends, generator)

    def _seen(self, ends: tuple[Tensor, ...], generator: torch.Generator) -> Drawn:
        """Return a mini-batch of nodes ``(b,)``, ``(b,)`` and ``(b, n)`` in the graph that its step is to see."""
        device = self._device
        nodes, edge_index = None, self._edge_index
        if self._near is not None:
            distinct = torch.unique(torch.cat([positions.flatten() for positions in ends]))
            near = self._near.of(distinct, generator)
            nodes, edge_index = near.nodes.to(device), near.edge_index.to(device)
            ends = tuple(torch.searchsorted(distinct, positions) for positions in ends)
        users, positives, negatives = (positions.to(device) for positions in ends)
        return Drawn(users, positives, negatives, nodes, edge_index)

    def losses(self, batch: Drawn) -> dict[str, Tensor]:
        """Return the loss of the interactions and the squared norm."""
        c, network = self.config, self.network
        table = network.nodes if batch.nodes is None else network.nodes.index_select(0, batch.nodes)
        vectors = network(table, batch.edge_index)
        used = torch.cat([batch.users, batch.positives])
        if c.loss == "infonce":
            users, positives = F.normalize(vectors.index_select(0, used)).chunk(2)
            loss = info_nce(users, [positives], c.temperature)
        else:
            used = torch.cat([used, batch.negatives.flatten()])
            loss = _against_negatives(c.loss, *_scores(vectors, batch))
        norm = squares(table.index_select(0, used)) / (2 * batch.users.numel())
        return {c.loss: loss, "reg": c.reg * norm}

    def finalize(self) -> None:
        """Compute the vectors of users and items, of length 1 where the loss saw cosines."""
        network = self.network
        if self._edge_index.device != self._device:
            network = copy.deepcopy(network).to(self._edge_index.device)
        vectors = network(network.nodes, self._edge_index).detach().to(self._device)
        if self.config.loss == "infonce":
            vectors = F.normalize(vectors)
        self._users, self._items = vectors[: self._n_users].clone(), vectors[self._n_users :].clone()

    def predict(self, users: Tensor) -> Tensor:
        """Return inner products."""
        return self.ranker()(users)

    def ranker(self) -> Products:
        """Return both tables, for the fast ranking of inner products."""
        return Products(self._users, self._items)

    def state(self) -> dict[str, Tensor]:
        """Return the vectors of users and items: all that predictions need, without the encoder."""
        return {"users": self._users, "items": self._items}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore both tables."""
        self._users, self._items = tensors["users"], tensors["items"]

    def message_passing(self) -> tuple[nn.Module, Mapping[str, Any]]:
        """Return the network and its inputs, for explanations by edges."""
        network = self.trained
        return network, {"x": network.nodes.detach(), "edge_index": self._edge_index.to(network.nodes.device)}


class PyG(EncoderRecommender):
    """Any encoder of PyTorch Geometric over the graph of interactions, with our losses, sampling and measures.

    The encoder reads a learned table of users and items and the edges in both directions, and gives vectors whose inner
    products are the scores. A class is named only from ``torch_geometric.nn.models``, so that no setting can import anything
    else; an object may be of any class: ``distaff.PyG(encoder=Mine())``. Every fit trains a copy of it. A saved model holds
    the vectors, not the encoder.
    """

    name: ClassVar[str] = "pyg"
    Config: ClassVar[type[ModelConfig]] = PyGConfig
    config: PyGConfig

    def __init__(self, **settings: Any) -> None:
        given = settings.get("encoder")
        self._encoder = given if isinstance(given, nn.Module) else None
        if self._encoder is not None:
            kind = type(self._encoder)
            settings = {**settings, "encoder": f"{_GIVEN}{kind.__module__}.{kind.__qualname__}"}
        super().__init__(**settings)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return every setting by name; the encoder as it was given."""
        settings = super().get_params(deep)
        return settings if self._encoder is None else {**settings, "encoder": self._encoder}

    def n_numbers(self) -> int:
        """Return what a given encoder expects of a node, where it says so (``in_channels``)."""
        width = getattr(self._encoder, "in_channels", None)
        return width if isinstance(width, int) and width > 0 else self.config.embedding_dim

    def make_encoder(self, n_numbers: int) -> nn.Module:
        """Return a copy of the given encoder, or a new one of the named class."""
        from distaff_graph.encoders.networks import named_encoder

        c = self.config
        if self._encoder is not None:
            return copy.deepcopy(self._encoder)
        if c.encoder.startswith(_GIVEN):
            raise InputError(f"the encoder was {c.encoder}, which is not kept; give the object again", column="encoder")
        return named_encoder(c.encoder.removeprefix(ROOM), n_numbers, c.embedding_dim, c.n_layers, c.dropout)


def _scores(vectors: Tensor, batch: Drawn) -> tuple[Tensor, Tensor]:
    """Return scores of positives ``(b,)`` and of negatives ``(b, n)``."""
    users, positives = (vectors.index_select(0, nodes) for nodes in (batch.users, batch.positives))
    negatives = vectors.index_select(0, batch.negatives.flatten()).view(*batch.negatives.shape, -1)
    return (users * positives).sum(1), (users.unsqueeze(1) * negatives).sum(2)


def _against_negatives(loss: str, positive: Tensor, negative: Tensor) -> Tensor:
    """Return a loss of scores of interactions ``(b,)`` and of pairs that are none ``(b, n)``, a scalar."""
    if loss == "bpr":
        return bpr(positive.unsqueeze(1), negative)
    if loss == "softmax":
        return -F.log_softmax(torch.cat([positive.unsqueeze(1), negative], 1), 1)[:, 0].mean()
    return F.softplus(-positive).mean() + F.softplus(negative).mean()
