from __future__ import annotations

from pathlib import Path
from typing import Any

import edge_reference as reference
import pytest
import torch
from gradient_checks import assert_learns_blocks, assert_resumes_exactly, assert_same_after_save

from distaff.testing.data import checkerboard, own_block_share, random_interactions
from distaff_data.datasets.interactions import Interactions
from distaff_graph.collaborative.lightgcn import RLMREC, LightGCN

FAST = {"embedding_dim": 8, "batch_size": 64, "lr": 0.02, "max_epochs": 15}


def built(data: Interactions, **settings: Any) -> LightGCN:
    model = LightGCN(**{"embedding_dim": 6, "batch_size": 50, **settings})
    model.network = model.build(data, torch.Generator().manual_seed(0), torch.device("cpu"))  # type: ignore[assignment]
    return model


def graph_of(data: Interactions) -> reference.Graph:
    return reference.Graph.of(data.train.row_index(), data.train.indices, data.n_users, data.n_items)


@pytest.mark.parametrize("n_layers", [0, 1, 3])
@pytest.mark.parametrize(("readout", "reg_on"), [("mean", "batch"), ("sum", "all")])
def test_losses_and_gradients_equal_the_edge_level_reference(n_layers: int, readout: str, reg_on: str) -> None:
    data = random_interactions(12, 9, 0.4)
    model = built(data, n_layers=n_layers, readout=readout, reg_on=reg_on, reg=0.3)
    step = next(model.batches(data, torch.Generator().manual_seed(1)))
    losses = model.losses(step)
    (grad,) = torch.autograd.grad(sum(losses.values()), [model.network.nodes])  # type: ignore[arg-type]

    x = model.network.nodes.detach().clone().requires_grad_()
    users, positives, negatives = step.batch.users, step.batch.positives + 12, step.batch.negatives + 12
    vectors = reference.lightgcn(graph_of(data), x, n_layers) / (n_layers + 1 if readout == "mean" else 1)
    plain = reference.bpr(vectors, users, positives, negatives)
    looked_up = torch.stack([x[nodes].square().sum() for nodes in (users, positives, negatives)]).sum()
    norm = x.square().sum() if reg_on == "all" else looked_up / 2 / len(users)
    torch.testing.assert_close(losses["bpr"], plain, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(losses["reg"], 0.3 * norm, rtol=1e-5, atol=1e-6)
    (expected,) = torch.autograd.grad(plain + 0.3 * norm, [x])
    torch.testing.assert_close(grad, expected, rtol=1e-5, atol=1e-6)


def test_dropped_edges_are_drawn_for_each_direction_and_not_scaled_up() -> None:
    data = random_interactions(12, 9, 0.4)
    model = built(data, **{**RLMREC, "embedding_dim": 6})
    step = next(model.batches(data, torch.Generator().manual_seed(1)))
    torch.manual_seed(7)
    loss = model.losses(step)["bpr"]
    (grad,) = torch.autograd.grad(loss, [model.network.nodes])

    torch.manual_seed(7)
    n = data.train.nnz
    to_user, to_item = torch.rand(n) < 0.8, torch.rand(n) < 0.8
    assert not torch.equal(to_user, to_item)
    graph = graph_of(data)
    weights = graph.symmetric_weights() * torch.cat([to_user, to_item])
    x = model.network.nodes.detach().clone().requires_grad_()
    vectors = reference.lightgcn(graph, x, 3, weights)
    plain = reference.bpr(vectors, step.batch.users, step.batch.positives + 12, step.batch.negatives + 12)
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(grad, torch.autograd.grad(plain, [x])[0], rtol=1e-5, atol=1e-6)


def test_scores_are_inner_products_of_the_readout() -> None:
    data = random_interactions(12, 9, 0.4)
    model = built(data)
    model.finalize()
    vectors = reference.lightgcn(graph_of(data), model.network.nodes.detach(), 3) / 4
    torch.testing.assert_close(model.predict(torch.tensor([3, 0])), vectors[[3, 0]] @ vectors[12:].T)


@pytest.mark.parametrize("settings", [FAST, {**RLMREC, **FAST}], ids=["paper", "rlmrec"])
def test_it_ranks_items_of_the_users_own_block_first(settings: dict[str, Any]) -> None:
    assert_learns_blocks(LightGCN(**settings))


def test_saving_and_loading_changes_no_score(tmp_path: Path) -> None:
    assert_same_after_save(LightGCN(**{**FAST, "max_epochs": 1}), tmp_path)


@pytest.mark.parametrize("settings", [FAST, {**RLMREC, **FAST}], ids=["paper", "rlmrec"])
def test_resuming_an_interrupted_fit_gives_the_same_bits(settings: dict[str, Any], tmp_path: Path) -> None:
    assert_resumes_exactly(lambda: LightGCN(**{**settings, "max_epochs": 6, "eval_every": 2}), tmp_path)


def test_new_users_get_items_of_the_block_of_their_history() -> None:
    data = checkerboard()
    model = LightGCN(**FAST).fit(data)
    assert own_block_share(model.fold_in(data.train), data) > 0.95
    model.fold_in(data.train).zero_()


def test_new_users_vector_is_the_readout_without_layer_0() -> None:
    data = random_interactions(12, 9, 0.4)
    model = built(data)
    model.finalize()
    x = model.network.nodes.detach()
    without = (reference.lightgcn(graph_of(data), x, 3) - x)[:12] / 4
    items = reference.lightgcn(graph_of(data), x, 3)[12:] / 4
    torch.testing.assert_close(model.fold_in(data.train), without @ items.T)


def test_the_rlmrec_preset_is_accepted() -> None:
    assert LightGCN(**RLMREC).config.edge_keep == 0.8
