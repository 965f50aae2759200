"""Message passing by fused products and by edges is the same, in values and gradients; and the same as the library's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch_geometric.nn import LGConv, MessagePassing
from torch_geometric.nn import LightGCN as TheirLightGCN

from distaff.recommenders.gradient import GradientRecommender
from distaff.testing.data import random_csr, random_interactions
from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.lightgcn import LightGCN
from distaff_graph.collaborative.partition import Subgraph
from distaff_graph.convolutions import Convolution, LayerSum, MaskedMean, edges_of
from distaff_graph.dgvae.branch import ItemGraph
from distaff_graph.sparse import Bipartite, csr_tensor

CPU = torch.device("cpu")
GRAPHS = st.tuples(st.integers(1, 6), st.integers(1, 5), st.sampled_from([0.0, 0.3, 0.8]), st.integers(0, 99))


@dataclass(frozen=True)
class Directed:
    """A directed graph of random weights."""

    matrix: Tensor
    transposed: Tensor

    @classmethod
    def drawn(cls, n: int, seed: int) -> Directed:
        generator = torch.Generator().manual_seed(seed)
        dense = torch.rand(n, n, generator=generator) * (torch.rand(n, n, generator=generator) < 0.4)
        return cls(*(_csr(x) for x in (dense, dense.T)))


def _csr(dense: Tensor) -> Tensor:
    rows = (dense != 0).sum(1)
    indptr = torch.cat([torch.zeros(1, dtype=torch.long), rows.cumsum(0)])
    return csr_tensor(indptr.int(), dense.nonzero()[:, 1].int(), dense[dense != 0], dense.shape[1])


def both(module: MessagePassing, run: Callable[..., Tensor], *tables: Tensor) -> None:
    """Compare the fused computation with that by edges, in values and in gradients to all tables."""
    outcomes = []
    for fuse in (True, False):
        module.fuse = fuse
        leaves = [table.detach().clone().requires_grad_() for table in tables]
        out = run(*leaves)
        weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(5))
        outcomes.append([out, *torch.autograd.grad((out * weights).sum(), leaves)])
    for fused, by_edges in zip(*outcomes, strict=True):
        torch.testing.assert_close(fused, by_edges, rtol=1e-5, atol=1e-5)


def table(n: int, d: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@given(graph=GRAPHS)
def test_both_ways_agree_on_any_bipartite_graph(graph: tuple[int, int, float, int]) -> None:
    n_users, n_items, share, seed = graph
    subgraph = Subgraph.whole(random_csr(n_users, n_items, share, seed), CPU)
    n = n_users + n_items
    x, q = table(n, seed=seed), F.normalize(table(n, seed=seed + 1))
    for module in (Convolution(), LayerSum(3), LayerSum(0)):
        both(module, lambda x, module=module: module(x, subgraph), x)
    mean = MaskedMean()
    both(mean, lambda x, q: mean(x, q, subgraph.graph), x, q)


@given(n=st.integers(1, 8), seed=st.integers(0, 99))
def test_both_ways_agree_on_any_directed_graph(n: int, seed: int) -> None:
    graph = Directed.drawn(n, seed)
    for module in (Convolution(), LayerSum(2)):
        both(module, lambda x, module=module: module(x, graph), table(n, seed=seed))


@given(n=st.integers(1, 8), seed=st.integers(0, 99))
def test_the_item_graph_of_dgvae_is_two_convolutions(n: int, seed: int) -> None:
    drawn, convolution = Directed.drawn(n, seed), Convolution()
    graph = ItemGraph(drawn.matrix, drawn.transposed)
    convolution.fuse = False
    outcomes = []
    for two_hops in (graph.two_hops, lambda x: (convolution(convolution(x, graph), graph) + x) / 2):
        x = table(n, 3, seed).requires_grad_()
        y = two_hops(x)
        outcomes.append([y, *torch.autograd.grad((y * table(n, 3, seed + 1)).sum(), x)])
    for fused, by_edges in zip(*outcomes, strict=True):
        torch.testing.assert_close(fused, by_edges, rtol=1e-5, atol=1e-6)


@given(n=st.integers(1, 8), seed=st.integers(0, 99))
def test_both_ways_agree_in_double_precision(n: int, seed: int) -> None:
    drawn = Directed.drawn(n, seed)
    graph = Directed(drawn.matrix.double(), drawn.transposed.double())
    outcomes = []
    for fuse in (True, False):
        module = LayerSum(2)
        module.fuse = fuse
        x = table(n, seed=seed).double().requires_grad_()
        y = module(x, graph)
        outcomes.append([y, *torch.autograd.grad(y.square().sum(), x)])
    for fused, by_edges in zip(*outcomes, strict=True):
        assert fused.dtype == torch.float64
        torch.testing.assert_close(fused, by_edges, rtol=1e-12, atol=1e-12)


def test_edges_run_from_columns_to_rows_in_the_matrix_order() -> None:
    graph = Directed.drawn(7, 3)
    index, weights = edges_of(graph.matrix)
    index.validate()
    dense = torch.zeros(7, 7)
    dense[index[1], index[0]] = weights
    torch.testing.assert_close(dense, graph.matrix.to_dense())


def test_a_node_without_neighbours_has_a_mean_of_nothing() -> None:
    graph = Bipartite.build(random_csr(3, 2, 0.0))
    x, q = table(5).requires_grad_(), F.normalize(table(5, seed=1)).requires_grad_()
    mean = MaskedMean()
    mean.fuse = False
    h = mean(x, q, graph)
    assert torch.equal(h, torch.zeros(5, 4))
    h.sum().backward()
    assert x.grad is not None
    assert q.grad is not None
    assert bool(x.grad.isfinite().all())
    assert bool(q.grad.isfinite().all())


def test_the_layers_are_those_of_the_library() -> None:
    train = random_csr(6, 5, 0.5, 2)
    subgraph = Subgraph.whole(train, CPU)
    index, weights = edges_of(subgraph.matrix)
    plain, x = index.as_tensor(), table(11)
    torch.testing.assert_close(Convolution()(x, subgraph), LGConv()(x, plain), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(Convolution()(x, plain, weights), LGConv()(x, plain), rtol=1e-5, atol=1e-6)
    theirs = TheirLightGCN(11, 4, 3)
    with torch.no_grad():
        theirs.embedding.weight.copy_(x)
    torch.testing.assert_close(LayerSum(3)(x, subgraph) / 4, theirs.get_embedding(plain), rtol=1e-5, atol=1e-6)


# --------------------------------------------------------------------------------------------------------------- models

MODELS: list[tuple[type[GradientRecommender], dict[str, Any]]] = [
    (LightGCN, {"embedding_dim": 6, "batch_size": 20, "n_layers": 3}),
    (LightGCN, {"embedding_dim": 6, "batch_size": 20, "n_layers": 2, "edge_keep": 0.7}),
    (LightGCN, {"embedding_dim": 6, "batch_size": 20, "n_layers": 2, "users_a_part": 4}),
    (DCCF, {"embedding_dim": 6, "batch_size": 20, "n_intents": 5, "samples_per_epoch": 60}),
    (DCCF, {"embedding_dim": 6, "batch_size": 20, "n_intents": 5, "users_a_part": 4, "n_layers": 3}),
]


@pytest.mark.parametrize(
    ("kind", "settings"), MODELS, ids=["lightgcn", "dropped", "lightgcn in parts", "dccf", "dccf in parts"]
)
def test_a_training_step_is_the_same_by_edges(kind: type[GradientRecommender], settings: dict[str, Any]) -> None:
    data = random_interactions(12, 9, 0.4)
    outcomes = []
    for fuse in (True, False):
        model = kind(**settings)
        model.network = model.build(data, torch.Generator().manual_seed(0), CPU)
        set_fuse(model.network, fuse)
        step = next(iter(model.batches(data, torch.Generator().manual_seed(1))))
        torch.manual_seed(2)
        losses = model.losses(step)
        parameters = list(model.network.parameters())
        gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), parameters)
        outcomes.append([*losses.values(), *gradients])
    for fused, by_edges in zip(*outcomes, strict=True):
        torch.testing.assert_close(fused, by_edges, rtol=1e-5, atol=1e-5)


def set_fuse(network: nn.Module, fuse: bool) -> None:
    modules = [module for module in network.modules() if isinstance(module, MessagePassing)]
    assert modules
    for module in modules:
        module.fuse = fuse


def test_a_network_on_plain_edges_gives_the_vectors_of_the_fit() -> None:
    data = random_interactions(12, 9, 0.4)
    for model in (LightGCN(embedding_dim=6, max_epochs=2), DCCF(embedding_dim=6, n_intents=3, max_epochs=2)):
        model.fit(data, device="cpu")
        subgraph = Subgraph.whole(data.train, CPU)
        index, weights = edges_of(subgraph.matrix)
        network: Any = model.network
        arguments = (12,) if isinstance(model, DCCF) else ()
        with torch.no_grad():
            vectors = network(network.nodes, index, weights, *arguments)
        expected = model.predict(torch.arange(12))
        torch.testing.assert_close(vectors[:12] @ vectors[12:].T, expected, rtol=1e-4, atol=1e-5)


def test_no_template_of_ours_is_compiled_into_a_file() -> None:
    Convolution(), LayerSum(2), MaskedMean()
    assert not [name for name in sys.modules if "distaff_graph" in name and name.endswith("_propagate")]
