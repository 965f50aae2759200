from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dgvae_reference as reference
import pytest
import torch
from torch import Tensor, nn

from distaff.testing.data import random_csr, worded_checkerboard
from distaff_data.datasets.content import Weighted
from distaff_data.datasets.interactions import Interactions
from distaff_graph.dgvae.branch import ItemGraph
from distaff_graph.dgvae.coupling import mutual_information_bound
from distaff_graph.dgvae.decoder import mixture_loss
from distaff_graph.dgvae.models import DGVAE

WEIGHTS = {"kl_weight": 0.13, "text_weight": 0.2, "mi_weight": 0.4}


@pytest.fixture
def data() -> Interactions:
    return worded_checkerboard()


def built(data: Interactions, **settings: Any) -> DGVAE:
    """A model with start values large enough that no part of the objective is trivial."""
    model = DGVAE(n_intents=4, embedding_dim=6, dropout=0.0, min_df=2, max_df=0.9, n_neighbours=3, **settings)
    model.network = model.build(data, torch.Generator().manual_seed(5), torch.device("cpu"))
    model.bind(data)
    with torch.no_grad():
        for value in model.network.parameters():
            value.mul_(3)
    return model


def parameters(branch: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone().requires_grad_() for name, value in branch.named_parameters()}


def noises(model: DGVAE, batch: int) -> list[tuple[Tensor, Tensor]]:
    """What the model draws, in its order: an exponential for each membership, a normal for each code."""
    out = []
    for branch in (model.network.item_branch, model.network.word_branch):
        assert branch is not None
        assert branch.prototypes is not None
        kinds = torch.empty(len(branch.vectors), 4).exponential_()
        out.append((kinds, torch.randn(batch, 4, 6)))
    return out


@pytest.fixture
def double() -> Iterator[None]:
    """Double precision, in which two orders of summing differ by less than what is compared."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("graph", [True, False])
def test_every_part_of_the_objective_and_its_gradients_equal_the_plain_dense_computation(
    data: Interactions, graph: bool
) -> None:
    model = built(data, item_graph=graph)
    users = torch.tensor([3, 17, 0, 39, 8])
    items, words = (replace(m, values=m.values.double()) for m in model.rows.take(users) if m is not None)
    if (spread := model.network.graph) is not None:
        model.network.graph = ItemGraph(spread.matrix.double(), spread.transposed.double())
    model.network.train()
    torch.manual_seed(11)
    ours = model.network.losses(items, words, torch.tensor(0.13), 0.2, 0.4)
    torch.stack(list(ours.values())).sum().backward()

    torch.manual_seed(11)
    noise = noises(model, len(users))
    rated, written = parameters(model.network.item_branch), parameters(model.network.word_branch)  # type: ignore[arg-type]
    assert model._neighbours is not None
    assert data.read_content is not None
    # The frozen graph is kept in single precision; both sides read the same numbers.
    dense_graph = reference.knn_graph(data.read_content().features["text"], 3).float().double() if graph else None
    x, t = (torch.from_numpy(m.scipy().toarray()) for m in (items, words))
    identity = torch.eye(t.shape[1])
    theirs, _ = reference.losses(rated, written, x, t, dense_graph, identity, noise, tau=0.1, std=0.075, **WEIGHTS)
    torch.stack(list(theirs.values())).sum().backward()

    assert set(ours) == set(theirs)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-9, msg=name)
    for branch, expected in ((model.network.item_branch, rated), (model.network.word_branch, written)):
        assert branch is not None
        for name, value in branch.named_parameters():
            torch.testing.assert_close(value.grad, expected[name].grad, rtol=1e-5, atol=1e-9)


def test_scores_in_evaluation_are_those_of_the_plain_computation(data: Interactions) -> None:
    model = built(data)
    model.finalize()
    users = torch.arange(10)
    rated, written = parameters(model.network.item_branch), parameters(model.network.word_branch)  # type: ignore[arg-type]
    x = torch.from_numpy(model.rows.items.take(users).scipy().toarray())
    t = torch.from_numpy(model.rows.documents.take(users).scipy().toarray())  # type: ignore[union-attr]
    assert data.read_content is not None
    graph = reference.knn_graph(data.read_content().features["text"], 3)
    _, log_p = reference.losses(rated, written, x, t, graph, None, None, tau=0.1, std=0.075, **WEIGHTS)
    torch.testing.assert_close(model.predict(users).log(), log_p.log_softmax(1).detach(), rtol=1e-5, atol=2e-5)


def test_the_parts_of_the_factors_sum_to_the_score(data: Interactions) -> None:
    model = built(data)
    model.finalize()
    users = torch.arange(7)
    parts = torch.stack([model.intent_scores(users, k) for k in range(4)])
    torch.testing.assert_close(parts.sum(0), model.predict(users))
    torch.testing.assert_close(model.predict(users).sum(1), torch.ones(7))


def test_scores_that_overflow_as_a_plain_sum_have_a_loss_and_gradients() -> None:
    z = (60 * torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(1))).requires_grad_()
    things = torch.eye(4)[torch.arange(9) % 4].requires_grad_()
    weights = torch.zeros(9, 2).log_softmax(1).requires_grad_()
    targets = Weighted.ones(random_csr(3, 9, 0.5))
    plain = reference.decode(list(z.unbind(1)), weights.exp(), things, 1.0)
    assert not bool(plain.isfinite().all())
    loss = mixture_loss(z, things, weights, targets)
    loss.backward()
    log_p = ((z @ things.T) + weights.T).double().logsumexp(1)
    x = torch.from_numpy(targets.scipy().toarray()).double()
    torch.testing.assert_close(loss.double(), reference.cross_entropy(x, log_p), rtol=1e-5, atol=1e-5)
    assert all(bool(value.grad.isfinite().all()) for value in (z, things, weights) if value.grad is not None)


def test_the_decoders_loss_is_the_same_over_many_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    z, things, weights = (torch.randn(*shape, generator=generator) for shape in ((4, 3, 5), (200, 5), (200, 3)))
    targets = Weighted.ones(random_csr(4, 200, 0.1))
    found = []
    for cells in (1 << 20, 1):
        monkeypatch.setattr("distaff_graph.dgvae.decoder._CELLS", cells)
        leaves = [value.clone().requires_grad_() for value in (z, things, weights)]
        loss = mixture_loss(leaves[0], leaves[1], leaves[2], targets)
        loss.backward()
        found.append([loss.detach(), *(leaf.grad for leaf in leaves)])
    for one, many in zip(*found, strict=True):
        torch.testing.assert_close(one, many, rtol=1e-5, atol=1e-6)


def test_one_factor_has_no_mutual_information() -> None:
    assert mutual_information_bound(torch.ones(2, 1, 3), torch.ones(2, 1, 3)) == 0


def test_dropout_leaves_out_entries_and_scales_the_rest(data: Interactions) -> None:
    model = DGVAE(embedding_dim=4, dropout=0.5, min_df=2, max_df=0.9)
    model.network = model.build(data, torch.Generator().manual_seed(0), torch.device("cpu"))
    branch = model.network.word_branch
    assert branch is not None
    assert model.rows.documents is not None
    with torch.no_grad():
        branch.weight.fill_(1.0)
        branch.bias.zero_()
    texts = model.rows.documents
    values = torch.ones(3, texts.pattern.nnz)
    torch.manual_seed(0)
    branch.train()
    kept = branch.first_layer(texts, values, None, 3)[..., 0]
    branch.eval()
    whole = branch.first_layer(texts, values, None, 3)[..., 0]
    assert bool((kept % 2 == 0).all())
    assert float(kept.detach().sum()) == pytest.approx(float(whole.detach().sum()), rel=0.1)
