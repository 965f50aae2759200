from __future__ import annotations

from pathlib import Path
from typing import Any

import edge_reference as reference
import pytest
import torch
from gradient_checks import assert_learns_blocks, assert_resumes_exactly, assert_same_after_save
from torch import Tensor

from distaff.model.config import Choices, Span
from distaff.testing.data import checkerboard, own_block_share, random_interactions
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_graph.collaborative.dccf import DCCF, RLMREC

N_USERS, N_ITEMS = 12, 9
TINY = {"embedding_dim": 6, "n_intents": 5, "batch_size": 64, "samples_per_epoch": 128}
FAST = {**TINY, "embedding_dim": 8, "lr": 0.02, "max_epochs": 15, "samples_per_epoch": 256}


def built(data: Interactions, **settings: Any) -> DCCF:
    model = DCCF(**{**TINY, **settings})
    model.network = model.build(data, torch.Generator().manual_seed(0), torch.device("cpu"))  # type: ignore[assignment]
    return model


def reference_layers(model: DCCF, data: Interactions, tables: list[Tensor]) -> Any:
    graph = reference.Graph.of(data.train.row_index(), data.train.indices, data.n_users, data.n_items)
    nodes, user_intents, item_intents = tables
    return reference.dccf_layers(graph, nodes, user_intents, item_intents, model.config.n_layers)


@pytest.mark.parametrize(
    "settings",
    [{}, {**RLMREC, "batch_size": 64}, {"n_layers": 3, "temperature": 0.3}, {"n_layers": 1, "item_divisor": "users"}],
    ids=["paper", "rlmrec", "three layers", "one layer"],
)
def test_every_loss_and_gradient_equals_the_edge_level_reference(settings: dict[str, Any]) -> None:
    data = random_interactions(N_USERS, N_ITEMS, 0.4)
    model = built(data, **settings)
    c = model.config
    step = next(iter(model.batches(data, torch.Generator().manual_seed(1))))
    losses, batch = model.losses(step), step.batch
    parameters = list(model.network.parameters())

    tables = [parameter.detach().clone().requires_grad_() for parameter in parameters]
    nodes, user_intents, item_intents = tables
    xs, views = reference_layers(model, data, tables)
    triples = batch.users, batch.positives + N_USERS, batch.negatives + N_USERS
    users, items = torch.unique(batch.users), torch.unique(batch.positives) + N_USERS
    divisor = len(users) if c.item_divisor == "users" else len(items)
    looked_up = torch.stack([nodes[rows].square().sum() for rows in triples]).sum()
    plain = {
        "bpr": reference.bpr(torch.stack(xs).sum(0), *triples),
        "ssl": c.ssl_reg * reference.contrastive(views, users, items, c.temperature, divisor),
        "emb": c.emb_reg * (nodes.square().sum() if c.reg_on == "all" else looked_up),
        "cen": c.cen_reg * (user_intents.square().sum() + item_intents.square().sum()),
    }
    assert list(losses) == list(plain)
    for name, loss in losses.items():
        torch.testing.assert_close(loss, plain[name], rtol=1e-5, atol=1e-6)
        got = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        expected = torch.autograd.grad(plain[name], tables, retain_graph=True, allow_unused=True)
        for one, other, parameter in zip(got, expected, parameters, strict=True):
            one, other = (torch.zeros_like(parameter) if g is None else g for g in (one, other))
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_scores_are_inner_products_of_the_summed_layers() -> None:
    data = random_interactions(N_USERS, N_ITEMS, 0.4)
    model = built(data)
    with torch.no_grad():
        model.finalize()
        xs, _ = reference_layers(model, data, list(model.network.parameters()))
    vectors = torch.stack(xs).sum(0)
    torch.testing.assert_close(model.predict(torch.tensor([3, 0])), vectors[[3, 0]] @ vectors[N_USERS:].T)


@pytest.mark.parametrize("settings", [FAST, {**RLMREC, **FAST}], ids=["paper", "rlmrec"])
def test_it_ranks_items_of_the_users_own_block_first(settings: dict[str, Any]) -> None:
    assert_learns_blocks(DCCF(**settings))


def test_saving_and_loading_changes_no_score(tmp_path: Path) -> None:
    assert_same_after_save(DCCF(**{**FAST, "max_epochs": 1}), tmp_path)


@pytest.mark.parametrize("settings", [FAST, {**RLMREC, **FAST}], ids=["paper", "rlmrec"])
def test_resuming_an_interrupted_fit_gives_the_same_bits(settings: dict[str, Any], tmp_path: Path) -> None:
    assert_resumes_exactly(lambda: DCCF(**{**settings, "max_epochs": 6, "eval_every": 2}), tmp_path)


def test_users_and_items_without_training_interactions_do_no_harm() -> None:
    ids = [str(i) for i in range(6)]
    data = Interactions.from_arrays(
        ["0", "0", "1", "1", "2", "3", "4"], ["0", "1", "1", "2", "2", "4", "5"], ["train"] * 5 + ["test"] * 2
    )
    assert data.user_ids.to_pylist() == ids[:5]
    model = DCCF(**{**FAST, "max_epochs": 2}).fit(data, device="cpu")
    assert torch.isfinite(model.predict(torch.arange(5))).all()
    torch.testing.assert_close(model.factors().users[4], torch.full((5,), 0.2))


def test_intents_are_shares_and_a_users_mix_is_the_mean_of_their_items() -> None:
    data = checkerboard()
    model = DCCF(**{**FAST, "max_epochs": 2}).fit(data, device="cpu")
    intents = model.factors()
    assert intents.users.shape == (40, 5)
    assert intents.items.shape == (30, 5)
    torch.testing.assert_close(intents.items.sum(1), torch.ones(30))
    mix = data.train.dense() @ intents.items / data.train.counts().unsqueeze(1)
    torch.testing.assert_close(intents.users, mix)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_intent_scores_sum_to_what_the_item_prototypes_add_to_the_readout(n_layers: int) -> None:
    data = random_interactions(N_USERS, N_ITEMS, 0.4)
    model = built(data, n_layers=n_layers)
    with torch.no_grad():
        model.finalize()
        xs, views = reference_layers(model, data, list(model.network.parameters()))
    # By (13) the items' r of layer l is a summand of X_{l+1}, ..., X_L.
    added = torch.stack([(n_layers - layer) * r[N_USERS:] for layer, (_, r, _, _) in enumerate(views)]).sum(0)
    users = torch.tensor([2, 7])
    parts = torch.stack([model.intent_scores(users, k) for k in range(5)])
    torch.testing.assert_close(parts.sum(0), torch.stack(xs).sum(0)[users] @ added.T, rtol=1e-4, atol=1e-6)


def test_new_users_get_items_of_the_block_of_their_history() -> None:
    data = checkerboard()
    model = DCCF(**FAST).fit(data, device="cpu")
    assert own_block_share(model.fold_in(data.train), data) > 0.95


def test_folding_in_applies_the_equations_to_a_node_with_the_given_edges() -> None:
    # A trained user whose X_0 is what folding in starts from is scored the same by both.
    data = random_interactions(N_USERS, N_ITEMS, 0.4)
    model = built(data)
    with torch.no_grad():
        degrees = torch.bincount(data.train.indices, minlength=N_ITEMS)
        items = model.network.nodes[N_USERS:] / degrees.sqrt().unsqueeze(1)
        start = data.train.dense() @ items / data.train.counts().sqrt().unsqueeze(1)
        model.network.nodes[:N_USERS] = start
        model.finalize()
    users = torch.arange(N_USERS)
    torch.testing.assert_close(model.fold_in(data.train), model.predict(users), rtol=1e-5, atol=1e-6)


def test_an_empty_history_is_scored_without_failing() -> None:
    model = DCCF(**{**FAST, "max_epochs": 1}).fit(checkerboard(), device="cpu")
    nothing = Csr.from_pairs(torch.zeros(0), torch.zeros(0), 1, 30)
    assert torch.isfinite(model.fold_in(nothing)).all()


def test_defaults_are_the_papers_and_a_sweep_may_change_the_weights() -> None:
    c = DCCF().config
    assert (c.embedding_dim, c.n_layers, c.n_intents, c.temperature) == (32, 2, 128, 1.0)
    assert (c.lr, c.ssl_reg, c.emb_reg, c.cen_reg) == (1e-3, 0.1, 2.5e-5, 5e-3)
    assert (c.batch_size, c.samples_per_epoch, c.max_epochs) == (10_240, 409_600, 150)
    space = DCCF.Config.search_space()
    assert isinstance(space["temperature"], Span)
    assert isinstance(space["n_intents"], Choices)


def test_a_temperature_that_float32_cannot_hold_is_refused() -> None:
    with pytest.raises(InputError, match=r"temperature=0\.01"):
        DCCF(temperature=0.01)
