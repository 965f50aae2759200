"""Encoders of PyTorch Geometric as recommenders: what may be named, objects of any class, losses, and what follows a fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.base import clone
from torch import Tensor, nn
from torch_geometric.nn import EdgeConv, GATConv, GCNConv, LGConv, SAGEConv
from torch_geometric.nn.models import GCN
from torch_geometric.nn.models import GraphSAGE as TheirGraphSAGE

from distaff.board.board import board
from distaff.model.fitting import fit
from distaff.recommenders.base import Recommender
from distaff.runs import records, training
from distaff.testing.data import checkerboard, own_block_share, random_csr, random_interactions
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnknownNameError, UnsupportedError
from distaff_data.planted.samples import sample
from distaff_data.workspace import Workspace
from distaff_graph.collaborative.edges import edges_behind
from distaff_graph.collaborative.lightgcn import LightGCN
from distaff_graph.collaborative.sampling import Sampler
from distaff_graph.controls.posthoc import PostHoc
from distaff_graph.encoders.controls import GAT, VGAE, GraphSAGE, LightGCNPyG
from distaff_graph.encoders.model import PyG
from distaff_graph.encoders.networks import two_way_edges

FAST: dict[str, Any] = {"embedding_dim": 8, "batch_size": 128, "lr": 0.05, "max_epochs": 4, "eval_every": 4}
CPU = torch.device("cpu")


class Mine(nn.Module):
    """An encoder of nobody's library: one convolution of a width of its own, and a map."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.in_channels = width
        self.convolution, self.last = LGConv(), nn.Linear(width, 3)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        out: Tensor = self.last(x + self.convolution(x, edge_index))
        return out


class Scalar(nn.Module):
    """One that gives no vectors."""

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return x.sum()


class Returning(nn.Module):
    """One that gives what it is told to make of the nodes' rows, whatever the edges."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.change, self.layer = change, nn.Linear(8, 8)

    def forward(self, x: Tensor, edge_index: Tensor) -> Any:
        return self.change(self.layer(x))


class Narrow(Returning):
    """One that does not say how many numbers of a node it wants, and wants another."""

    def forward(self, x: Tensor, edge_index: Tensor) -> Any:
        return self.layer(x[:, :5])


@pytest.fixture(scope="module")
def data() -> Interactions:
    return checkerboard(24, 20)


@pytest.mark.parametrize("name", ["GCN", "GraphSAGE", "GAT", "GIN"])
def test_encoders_of_the_library_learn_the_blocks(name: str, data: Interactions) -> None:
    model = PyG(**{**FAST, "max_epochs": 10}, encoder=f"torch_geometric.nn.models.{name}").fit(data, device="cpu")
    assert own_block_share(model.predict(torch.arange(24)), data) > 0.9


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "torch_geometric.nn.models",
        "torch_geometric.nn.models.basic_gnn.GCN",
        "torch_geometric.nn.models.",
        "torch_geometric.data.download_url",
        "torch_geometric.nn.models.GCN; import os",
        "GCN",
    ],
)
def test_only_the_librarys_models_are_named(name: str) -> None:
    with pytest.raises(InputError, match="is given as an object") as refused:
        PyG(encoder=name)
    assert str(refused.value).startswith(f"encoder={name!r}: an encoder is named ")


@pytest.mark.parametrize("name", ["Nothing", "LightGCN", "MLP", "BasicGNN", "basic_gnn"])
def test_what_is_no_encoder_of_edges_is_refused(name: str, data: Interactions) -> None:
    with pytest.raises(UnknownNameError, match="GraphSAGE"):
        PyG(encoder=f"torch_geometric.nn.models.{name}").fit(data)


def test_an_encoder_that_needs_more_is_to_be_given_as_an_object(data: Interactions) -> None:
    with pytest.raises(InputError, match="give the object"):
        PyG(encoder="torch_geometric.nn.models.PNA").fit(data)


def test_an_object_is_trained_as_a_copy_at_its_own_width(data: Interactions) -> None:
    torch.manual_seed(0)
    encoder = Mine()
    before = encoder.last.weight.clone()
    model = PyG(**FAST, encoder=encoder).fit(data, seed=3, device="cpu")
    assert torch.equal(encoder.last.weight, before)
    assert model.network.nodes.shape == (44, 6)
    assert model.state()["users"].shape == (24, 3)
    again = clone(model).fit(data, seed=3, device="cpu")
    assert torch.equal(again.predict(torch.arange(24)), model.predict(torch.arange(24)))


def test_a_saved_object_predicts_and_asks_for_itself_where_it_is_trained_again(
    data: Interactions, tmp_path: Path
) -> None:
    model = PyG(**FAST, encoder=Mine()).fit(data, device="cpu")
    model.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    assert torch.equal(loaded.predict(torch.arange(24)), model.predict(torch.arange(24)))
    with pytest.raises(InputError, match="give the object again"):
        fit(type(loaded)(**loaded.get_params()), data)


def test_an_encoder_without_a_vector_for_each_node_is_refused(data: Interactions) -> None:
    with pytest.raises(InputError, match="a vector for each of 44 nodes"):
        PyG(**FAST, encoder=Scalar()).fit(data)


@pytest.mark.parametrize(
    "change", [Tensor.long, lambda x: x[:, :0], Tensor.to_sparse, lambda x: (x, x), lambda x: x[1:]]
)
def test_vectors_that_are_none_are_refused(change: Callable[[Tensor], Any], data: Interactions) -> None:
    with pytest.raises(InputError, match="a vector for each of 44 nodes, not "):
        PyG(**FAST, encoder=Returning(change)).fit(data)


@pytest.mark.parametrize(
    ("encoder", "reason"),
    [
        (Narrow(lambda x: x), "mat1 and mat2 shapes cannot be multiplied"),
        (Returning(lambda x: x).double(), "same dtype"),
        (nn.Linear(8, 8), "takes 2 positional arguments"),
    ],
)
def test_an_encoder_that_cannot_read_the_graph_is_refused_with_its_reason(
    encoder: nn.Module, reason: str, data: Interactions
) -> None:
    with pytest.raises(InputError, match=rf"cannot read x \(44, 8\).*{reason}"):
        PyG(**FAST, encoder=encoder).fit(data)


@pytest.mark.parametrize("encoder", [Mine, 3, None, lambda x, edge_index: x])
def test_what_is_no_module_is_refused_with_what_to_give(encoder: Any) -> None:
    with pytest.raises(InputError, match=r"is given as an object, a torch\.nn\.Module"):
        PyG(encoder=encoder)


def test_layers_that_wait_for_their_width_get_that_of_the_table(data: Interactions) -> None:
    encoder = TheirGraphSAGE(-1, 8, 2, 8)
    model = PyG(**FAST, encoder=encoder).fit(data, seed=1, device="cpu")
    assert own_block_share(model.predict(torch.arange(24)), data) > 0.6
    again = clone(model).fit(data, seed=1, device="cpu")
    assert torch.equal(again.predict(torch.arange(24)), model.predict(torch.arange(24)))


def test_layers_that_keep_their_edges_see_the_whole_graph_or_are_refused(data: Interactions) -> None:
    layers = [GCNConv(8, 8, cached=cached) for cached in (True, False)]
    layers[1].load_state_dict(layers[0].state_dict())
    models = [PyG(**FAST, encoder=layer).fit(data, seed=1, device="cpu") for layer in layers]
    vectors = [model.predict(torch.arange(24)) for model in models]
    torch.testing.assert_close(*vectors, rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="cached=False"):
        PyG(**FAST, n_neighbours=3, encoder=GCNConv(8, 8, cached=True)).fit(data)


def test_an_encoder_that_ignores_the_edges_is_a_factorisation_whose_edges_cannot_be_weighed(data: Interactions) -> None:
    model = PyG(**FAST, encoder=Returning(lambda x: x)).fit(data, device="cpu")
    network: Any = model.network
    torch.testing.assert_close(model.state()["users"], network.encoder.layer(network.nodes)[:24].detach())
    with pytest.raises(UnsupportedError, match="no layer of this network is a MessagePassing"):
        edges_behind(model, "4", "6")


def test_edges_go_both_ways_sorted_by_receiver() -> None:
    train = random_csr(5, 4, 0.5, 1)
    edges = two_way_edges(train, CPU)
    edges.validate()
    dense = torch.zeros(9, 9)
    dense[edges[1], edges[0]] = 1
    expected = torch.zeros(9, 9)
    expected[:5, 5:], expected[5:, :5] = train.dense(), train.dense().T
    assert torch.equal(dense, expected)


@pytest.mark.parametrize(
    "layer", [SAGEConv(4, 4), GATConv(4, 4, heads=2, concat=False), GCN(4, 4, 2), EdgeConv(nn.Linear(8, 4))]
)
def test_the_librarys_layers_read_our_edges_as_plain_ones(layer: nn.Module) -> None:
    edges = two_way_edges(random_csr(5, 4, 0.5, 1), CPU)
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x, edges), layer(x, edges.as_tensor()), rtol=1e-5, atol=1e-6)


# --------------------------------------------------------------------------------------------------------------- losses


def built(kind: type[Any], data: Interactions, **settings: Any) -> Any:
    model = kind(**{**FAST, **settings})
    model.network = model.build(data, torch.Generator().manual_seed(0), CPU)
    return model


@pytest.mark.parametrize("loss", ["bpr", "softmax", "edges"])
def test_the_losses_are_their_definitions(loss: str) -> None:
    data = random_interactions(12, 9, 0.4)
    model = built(PyG, data, loss=loss, n_negatives=3, reg=0.5)
    batch = next(iter(model.batches(data, torch.Generator().manual_seed(1))))
    losses = model.losses(batch)
    model.network.eval()
    with torch.no_grad():
        vectors = model.network(model.network.nodes, model._edge_index)
    ranking, norm = 0.0, 0.0
    for user, positive, negatives in zip(batch.users, batch.positives, batch.negatives, strict=True):
        score = vectors[user] @ vectors[positive]
        others = torch.stack([vectors[user] @ vectors[item] for item in negatives])
        if loss == "bpr":
            ranking += float(torch.log1p((others - score).exp()).mean())
        elif loss == "edges":
            ranking -= float(score.sigmoid().log() + (1 - others.sigmoid()).log().mean())
        else:
            ranking -= float(score - torch.logsumexp(torch.cat([score[None], others]), 0))
        for row in (user, positive, *negatives):
            norm += float(model.network.nodes[row].detach().square().sum())
    n = len(batch.users)
    assert float(losses[loss].detach()) == pytest.approx(ranking / n, rel=1e-4)
    assert float(losses["reg"].detach()) == pytest.approx(0.5 * norm / (2 * n), rel=1e-4)


def test_infonce_is_its_definition_over_the_positives_of_the_batch_and_ranks_by_cosine() -> None:
    data = random_interactions(12, 9, 0.4)
    model = built(PyG, data, loss="infonce", temperature=0.3, reg=0.5)
    batch = next(iter(model.batches(data, torch.Generator().manual_seed(1))))
    losses = model.losses(batch)
    model.network.eval()
    with torch.no_grad():
        vectors = model.network(model.network.nodes, model._edge_index)
    cosine = torch.nn.functional.cosine_similarity
    ranking, norm = 0.0, 0.0
    for user, positive in zip(batch.users, batch.positives, strict=True):
        among = cosine(vectors[user][None], vectors[batch.positives]) / 0.3
        ranking -= float(cosine(vectors[user], vectors[positive], dim=0) / 0.3 - torch.logsumexp(among, 0))
        norm += sum(float(model.network.nodes[row].detach().square().sum()) for row in (user, positive))
    n = len(batch.users)
    assert float(losses["infonce"].detach()) == pytest.approx(ranking / n, rel=1e-4)
    assert float(losses["reg"].detach()) == pytest.approx(0.5 * norm / (2 * n), rel=1e-4)
    model.finalize()
    for table in model.state().values():
        torch.testing.assert_close(table.norm(dim=1), torch.ones(len(table)))


def test_the_librarys_lightgcn_propagates_as_ours_does() -> None:
    data = random_interactions(12, 9, 0.4)
    theirs = built(LightGCNPyG, data, n_layers=3)
    ours = built(LightGCN, data, n_layers=3)
    with torch.no_grad():
        ours.network.nodes.copy_(theirs.network.nodes)
    theirs.finalize()
    ours.finalize()
    for name in ("users", "items"):
        torch.testing.assert_close(theirs.state()[name], ours.state()[name], rtol=1e-5, atol=1e-6)


def test_the_graph_vaes_terms_are_those_of_the_library() -> None:
    data = random_interactions(12, 9, 0.4)
    model = built(VGAE, data, kl_weight=0.1)
    batch = next(iter(model.batches(data, torch.Generator().manual_seed(1))))
    torch.manual_seed(7)
    losses = model.losses(batch)
    theirs = model.network.encoder.autoencoder
    torch.manual_seed(7)
    codes = theirs.encode(model.network.nodes, model._edge_index)
    positive = torch.stack([batch.users, batch.positives])
    negative = torch.stack([batch.users, batch.negatives[:, 0]])
    torch.testing.assert_close(losses["edges"], theirs.recon_loss(codes, positive, negative), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(losses["kl"], 0.1 * theirs.kl_loss(), rtol=1e-5, atol=1e-6)


def test_codes_are_means_where_nothing_is_trained(data: Interactions) -> None:
    model = VGAE(**FAST).fit(data, device="cpu")
    network: Any = model.network
    network.eval()
    mean, _ = network.encoder.autoencoder.encoder(network.nodes, model._edge_index)
    torch.testing.assert_close(model.state()["users"], mean[:24].detach(), rtol=1e-5, atol=1e-6)


def test_negatives_are_items_that_the_user_did_not_take() -> None:
    train = random_csr(8, 10, 0.5, 3)
    users = torch.arange(8).repeat(20)
    drawn = Sampler(train).negatives(users, 4, torch.Generator().manual_seed(0))
    assert drawn.shape == (160, 4)
    assert not bool(train.dense()[users.unsqueeze(1), drawn].any())
    for user in range(8):  # every item not taken is drawn
        free = (~train.dense()[user].bool()).nonzero().flatten()
        assert set(drawn[users == user].flatten().tolist()) == set(free.tolist())


def test_heads_that_do_not_divide_the_embedding_are_as_many_as_do(data: Interactions) -> None:
    model = GAT(**{**FAST, "embedding_dim": 6, "max_epochs": 1}, heads=4).fit(data, device="cpu")
    assert model.state()["users"].shape == (24, 6)


# ------------------------------------------------------------------------------------------------------ what comes after


def test_an_encoder_of_ones_own_stands_on_the_board_and_its_vectors_have_factors(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "workspace")
    sample(workspace, "planted-interactions", n_users=60, n_items=40, n_events=1_500, n_intents=3)
    run = training.train(workspace, "pyg", "planted-interactions", settings={**FAST, "encoder": Mine()})
    training.train(workspace, "popularity", "planted-interactions")
    assert json.loads(run.config)["encoder"] == f"an instance of {__name__}.Mine"
    rows = {row.model: row for row in board(workspace, "planted-interactions").rows}
    assert set(rows) == {"pyg", "popularity"}
    folder = records.model_folder(workspace, run.run)
    training.train(workspace, "posthoc", "planted-interactions", settings={"base": str(folder), "n_intents": 3})
    posthoc = PostHoc(base=str(folder), n_intents=3).fit(Recommender.load(folder).data)
    assert posthoc.factors().n_intents == 3


def test_edges_behind_a_recommendation_of_an_encoder(data: Interactions) -> None:
    model = GraphSAGE(**FAST).fit(data, device="cpu")
    weights = edges_behind(model, "4", "6")
    of_block = weights["user_id"].cast(int) % 2 == 0
    assert weights.filter(~of_block)["weight"].abs().max() == 0
    assert weights.filter(of_block)["weight"].abs().max() > 0  # type: ignore[operator]
