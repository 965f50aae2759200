"""Explanations by edges: exact where they can be, blind to what cannot matter, and right on planted intents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_edges import PlantedEdges, auc, edge_aucs, planted_edges
from torch_geometric.explain import GNNExplainer

from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError, UnsupportedError
from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.edges import IntegratedEdges, edge_explanation, edges_behind
from distaff_graph.collaborative.lightgcn import LightGCN

FAST: dict[str, Any] = {"embedding_dim": 8, "batch_size": 128, "lr": 0.02, "max_epochs": 4}


@pytest.fixture(scope="module")
def lightgcn() -> LightGCN:
    return LightGCN(**FAST, n_layers=2).fit(checkerboard(20, 16), device="cpu")


@pytest.fixture(scope="module")
def dccf() -> DCCF:
    return DCCF(**FAST, n_intents=4, samples_per_epoch=400).fit(checkerboard(20, 16), device="cpu")


def test_weights_of_lightgcn_sum_to_what_the_edges_add_to_the_score(lightgcn: LightGCN) -> None:
    score = float(lightgcn.predict(torch.tensor([4]))[0, 6])
    network, inputs = lightgcn.message_passing()
    alone = inputs["x"] * network.layer_weight  # the read-out without any edge
    without = float(alone[4] @ alone[20 + 6])
    user, item = lightgcn.data.user_ids[4].as_py(), lightgcn.data.item_ids[6].as_py()
    for n_points in (2, 8):  # the gradient is of degree 3 in the edges: two points are enough
        weights = edge_explanation(lightgcn, user, item, IntegratedEdges(n_points)).edge_mask
        assert float(weights.sum()) == pytest.approx(score - without, rel=1e-4, abs=1e-6)
    assert float(edges_behind(lightgcn, user, item)["weight"].sum()) == pytest.approx(score - without, rel=1e-4)


def test_scores_without_any_layer_are_carried_by_no_edge() -> None:
    model = LightGCN(**FAST, n_layers=0).fit(checkerboard(20, 16), device="cpu")
    weights = edges_behind(model, "4", "6")["weight"]
    assert weights.to_list() == [0.0] * model.data.train.nnz


def test_edges_of_another_block_carry_nothing() -> None:
    model = LightGCN(**FAST, n_layers=2).fit(checkerboard(20, 16), device="cpu")
    weights = edges_behind(model, "4", "6")
    of_block = weights["user_id"].cast(int) % 2 == 0
    assert weights.filter(~of_block)["weight"].abs().max() == 0  # no path leads there
    assert weights.filter(of_block)["weight"].abs().max() > 0  # type: ignore[operator]


def test_every_interaction_has_a_weight_and_the_largest_comes_first(dccf: DCCF) -> None:
    weights = edges_behind(dccf, "4", "6")
    assert len(weights) == dccf.data.train.nnz
    assert weights["weight"].is_sorted(descending=True)
    assert weights["weight"].is_finite().all()
    assert weights.select("user_id", "item_id").is_unique().all()


def test_dccf_without_an_edge_falls_by_about_what_the_gradient_says(dccf: DCCF) -> None:
    network, inputs = dccf.message_passing()
    explanation = edge_explanation(dccf, "4", "6", IntegratedEdges(24))
    whole = float(dccf.predict(dccf.data.user_positions(["4"]))[0, int(dccf.data.item_positions(["6"]))])
    few = float(_score(dccf, network, inputs, 1e-4))
    # The means of neighbours do not change when all edges fade alike, so the way begins just above nothing.
    assert float(explanation.edge_mask.sum()) == pytest.approx(whole - few, rel=0.05)


def _score(model: DCCF, network: Any, inputs: Any, mask: float) -> torch.Tensor:
    from torch_geometric.explain.algorithm.utils import clear_masks, set_masks

    edge_index = inputs["edge_index"]
    set_masks(network, torch.full((edge_index.shape[1],), mask), edge_index, apply_sigmoid=False)
    vectors = network(**inputs).detach()
    clear_masks(network)
    user, item = int(model.data.user_positions(["4"])), int(model.data.item_positions(["6"]))
    score: torch.Tensor = vectors[user] @ vectors[model.data.n_users + item]
    return score


def test_explaining_changes_nothing_of_the_model(lightgcn: LightGCN) -> None:
    before = {name: value.clone() for name, value in lightgcn.network.state_dict().items()}
    edges_behind(lightgcn, "4", "6")
    assert lightgcn.network.layer_sum.fused
    assert all(parameter.requires_grad for parameter in lightgcn.network.parameters())
    for name, value in lightgcn.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_an_algorithm_of_the_library_can_be_given(lightgcn: LightGCN) -> None:
    torch.manual_seed(0)
    explanation = edge_explanation(lightgcn, "4", "6", GNNExplainer(epochs=3))
    assert explanation.edge_mask.shape == (2 * lightgcn.data.train.nnz,)
    explanation.validate()


def test_unknown_ids_and_loaded_models_are_refused(lightgcn: LightGCN, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no user"):
        edges_behind(lightgcn, "nobody", "6")
    with pytest.raises(InputError, match="no item"):
        edges_behind(lightgcn, "4", "nothing")
    lightgcn.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    assert isinstance(loaded, LightGCN)
    with pytest.raises(UnsupportedError, match="was loaded"):
        edges_behind(loaded, "4", "6")


@pytest.fixture(scope="module")
def learned() -> tuple[PlantedEdges, LightGCN]:
    planted = planted_edges(400, 80, 8_000)
    model = LightGCN(embedding_dim=16, n_layers=2, batch_size=512, lr=0.02, max_epochs=40, reg=1e-2)
    return planted, model.fit(planted.data, device="cpu")


def test_the_planted_intents_edges_come_first(learned: tuple[PlantedEdges, LightGCN]) -> None:
    aucs = edge_aucs(*learned, 25)
    means = {name: float(values.mean()) for name, values in aucs.items()}
    assert len(aucs["edges"]) == 25
    assert means["edges"] > 0.65, means  # it was 0.72
    assert means["edges"] > max(means["random"], means["degree"]) + 0.1, means


def test_edges_of_intents_handed_out_by_chance_do_not_come_first(learned: tuple[PlantedEdges, LightGCN]) -> None:
    planted, model = learned
    shuffled = planted.events.with_columns(planted.events["intent"].shuffle(seed=3))
    aucs = edge_aucs(PlantedEdges(planted.data, shuffled, planted.asked), model, 25)
    assert abs(float(aucs["edges"].mean()) - 0.5) < 0.1


def test_the_measure_counts_pairs_in_order() -> None:
    assert auc(np.array([3.0, 2.0, 1.0]), np.array([True, False, False])) == 1.0
    assert auc(np.array([1.0, 1.0, 2.0]), np.array([True, False, False])) == 0.25
