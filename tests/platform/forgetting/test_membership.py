"""The attack: what it must find, and what it must not."""

from __future__ import annotations

import pytest
import torch

from distaff.forgetting.attack import NOTHING, _auc, by_folding, by_own_scores
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.collaborative.lightgcn import LightGCN
from distaff_graph.controls.ease import EASE
from distaff_graph.controls.popularity import Popularity
from distaff_graph.controls.posthoc import PostHoc

N_USERS, N_ITEMS = 400, 60


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Items taken at random and split at random: whoever tells training from held-out items remembers them."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(N_USERS, N_ITEMS, generator=generator)
    splits = torch.where(drawn < 0.12, 0, torch.where(drawn < 0.18, 1, 2))
    users, items = (drawn < 0.24).nonzero().T
    names = [("train", "valid", "test")[code] for code in splits[users, items].tolist()]
    return Interactions.from_arrays(users.numpy(), items.numpy(), names)


def attacked(data: Interactions, users: torch.Tensor) -> tuple[Csr, Csr]:
    return data.train.take(users), data.valid.union(data.test).take(users)


def test_attack_finds_members_and_not_those_who_were_forgotten(data: Interactions) -> None:
    model = EASE(penalty=1.0).fit(data, device="cpu")
    users = torch.arange(0, N_USERS, 4)
    train, held = attacked(data, users)
    before = by_folding(model, train, held)
    assert model.unlearn(users, 0) == "downdate"
    after = by_folding(model, train, held)
    assert before.auc is not None
    assert after.auc is not None
    assert before.auc > 0.6
    assert after.auc == pytest.approx(0.5, abs=0.06)
    assert after.low is not None
    assert after.high is not None
    assert after.low <= 0.5 <= after.high + 0.03


def test_own_scores_give_members_away_where_a_model_remembers(data: Interactions) -> None:
    users = torch.arange(50)
    auc = by_own_scores(EASE(penalty=1.0).fit(data, device="cpu"), users).auc
    assert auc is not None
    assert auc > 0.6
    floor = by_own_scores(Popularity().fit(data, device="cpu"), users).auc
    assert floor == pytest.approx(0.5, abs=0.08)


def test_model_that_takes_no_history_is_attacked_by_its_items(data: Interactions) -> None:
    model = PostHoc(base="als", n_intents=2).fit(data, device="cpu")
    train, held = attacked(data, torch.arange(20))
    found = by_folding(model, train, held)
    assert found.auc is not None
    assert found.pairs > 100


def test_nobody_with_items_of_both_kinds_is_no_attack(data: Interactions) -> None:
    model = Popularity().fit(data, device="cpu")
    train, held = attacked(data, torch.arange(3))
    nothing = Csr(torch.zeros(4, dtype=torch.long), torch.empty(0, dtype=torch.int32), N_ITEMS)
    assert by_folding(model, train, nothing) == NOTHING
    assert by_folding(model, nothing, held) == NOTHING


def test_vectors_of_the_forgotten_are_dropped_and_everybody_else_keeps_theirs(data: Interactions) -> None:
    model = LightGCN(embedding_dim=4, max_epochs=1).fit(data, device="cpu")
    users = torch.tensor([3, 0, 17])
    kept = torch.tensor([u for u in range(N_USERS) if u not in users.tolist()])
    before, ids = model.predict(kept), data.user_ids.to_pylist()
    assert model.unlearn(users, 0) == "rows"
    assert torch.equal(model.predict(torch.arange(N_USERS - 3)), before)
    assert model.data.user_ids.to_pylist() == [ids[u] for u in kept.tolist()]
    assert {name: len(model.state()[name]) for name in model.user_tensors} == {"users": N_USERS - 3}


def test_power_is_what_is_found_in_four_of_five_cases() -> None:
    """Places of training and held-out items one person's attack might give, at the AUC that is said to be found."""
    generator = torch.Generator().manual_seed(0)
    n, m, trials = 40, 40, 400
    detectable = _auc([torch.rand(n + m, generator=generator)], [n]).detectable
    assert detectable is not None
    shift = 2**0.5 * torch.special.ndtri(torch.tensor(detectable)).item()  # of one normal against another, for that AUC
    found, false = 0, 0
    for _ in range(trials):
        held = torch.randn(m, generator=generator)
        found += _above(torch.randn(n, generator=generator) + shift, held)
        false += _above(torch.randn(n, generator=generator), held)
    assert 0.72 <= found / trials <= 0.92
    assert false / trials <= 0.05


def _above(members: torch.Tensor, held: torch.Tensor) -> bool:
    low = _auc([torch.cat([members, held])], [len(members)]).low
    assert low is not None
    return low > 0.5
