"""Encoders of PyTorch Geometric over the graph of interactions; imported when one is trained."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch_geometric import EdgeIndex
from torch_geometric.nn import VGAE, GCNConv, LGConv, models

from distaff_data.datasets.csr import Csr
from distaff_data.errors import InputError, UnknownNameError, first_paragraph

_NOT_VECTORS = "an encoder turns x and edge_index into a vector for each of {} nodes, not {}"


class EncoderNetwork(nn.Module):
    """The learned table, ``(n_users + n_items, d)``, and the encoder.

    Raises:
        InputError: The encoder does not give a vector for each node.
    """

    def __init__(self, nodes: Tensor, encoder: nn.Module) -> None:
        super().__init__()
        self.nodes, self.encoder = nn.Parameter(nodes), encoder

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the vectors ``(n_users + n_items, d)``; ``x`` is the table."""
        vectors: object = self.encoder(x, edge_index)
        if not isinstance(vectors, Tensor):
            raise InputError(_NOT_VECTORS.format(len(x), type(vectors).__name__))
        if vectors.dim() != 2 or len(vectors) != len(x) or not vectors.shape[1] or vectors.layout != torch.strided:
            raise InputError(_NOT_VECTORS.format(len(x), f"{tuple(vectors.shape)}, {vectors.layout}"))
        if not vectors.is_floating_point():
            raise InputError(_NOT_VECTORS.format(len(x), str(vectors.dtype)))
        return vectors


class LightConvolutions(nn.Module):
    """The mean of the rows and of what each convolution without weights makes of them."""

    def __init__(self, n_layers: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([LGConv() for _ in range(n_layers)])

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the vectors, ``(n, d)``."""
        total = x
        for convolution in self.convolutions:
            x = convolution(x, edge_index)
            total = total + x
        return total / (len(self.convolutions) + 1)


class VariationalEncoder(nn.Module):
    """Means and logarithms of deviations of nodes' codes: graph convolutions of which the last is two."""

    def __init__(self, dim: int, n_layers: int, dropout: float) -> None:
        super().__init__()
        self.shared = nn.ModuleList([GCNConv(dim, dim) for _ in range(n_layers - 1)])
        self.mean, self.log_deviation, self.dropout = GCNConv(dim, dim), GCNConv(dim, dim), nn.Dropout(dropout)

    def forward(self, x: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        """Return both, ``(n, d)`` each."""
        for layer in self.shared:
            x = self.dropout(layer(x, edge_index).relu())
        return self.mean(x, edge_index), self.log_deviation(x, edge_index)


class GraphAutoencoder(nn.Module):
    """The library's ``VGAE`` as an encoder: codes, drawn in training and their means otherwise."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.autoencoder = VGAE(encoder)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the codes, ``(n, d)``."""
        codes: Tensor = self.autoencoder.encode(x, edge_index)
        return codes

    def divergence(self) -> Tensor:
        """Return the divergence of the latest codes from the prior, a mean over nodes."""
        divergence: Tensor = self.autoencoder.kl_loss()
        return divergence


def ready(encoder: nn.Module, nodes: Tensor, edge_index: Tensor) -> nn.Module:
    """Return an encoder that was tried on the graph: layers that wait for their input's width (``-1``) have it.

    It is tried as a copy, in training, so that what an encoder keeps of a graph is not kept of this.

    Raises:
        InputError: It cannot read the table and the edges, or does not give a vector for each node.
    """
    tried = EncoderNetwork(nodes, copy.deepcopy(encoder)).train()
    try:
        with torch.no_grad():
            tried(nodes, edge_index)
    except InputError:
        raise
    except Exception as error:  # whatever is in somebody else's code
        raise InputError(
            f"the encoder cannot read x {tuple(nodes.shape)} of {nodes.dtype} and edge_index {tuple(edge_index.shape)}: "
            f"{first_paragraph(error)}",
            column="encoder",
        ) from error
    return tried.encoder if any(map(is_lazy, encoder.parameters())) else encoder


def two_way_edges(train: Csr, device: torch.device) -> EdgeIndex:
    """Return the interactions as edges in both directions, users first, sorted by receiver."""
    n = train.n_rows + train.n_cols
    users, items = train.row_index(), train.indices.long() + train.n_rows
    back = torch.argsort(items, stable=True)
    pairs = torch.stack([torch.cat([items, users[back]]), torch.cat([users, items[back]])]).to(device)
    return EdgeIndex(pairs, sparse_size=(n, n), sort_order="col", is_undirected=True)


def named_encoder(name: str, n_numbers: int, dim: int, n_layers: int, dropout: float, **more: Any) -> nn.Module:
    """Return a new encoder of a class of ``torch_geometric.nn.models``.

    Raises:
        UnknownNameError: There is no such class of layers over ``x, edge_index``.
        InputError: It needs more than these numbers, and is to be given as an object.
    """
    kinds: dict[str, Any] = {
        kind: found
        for kind, found in vars(models).items()
        if inspect.isclass(found) and issubclass(found, models.basic_gnn.BasicGNN) and not kind.startswith("Basic")
    }
    if name not in kinds:
        raise UnknownNameError("encoder", name, sorted(kinds))
    try:
        encoder: nn.Module = kinds[name](n_numbers, dim, n_layers, dim, dropout=dropout, **more)
    except (TypeError, ValueError, AssertionError) as error:
        raise InputError(
            f"{name} needs more than a width and a number of layers ({error}); make one in Python and give the object",
            column="encoder",
        ) from error
    return encoder
