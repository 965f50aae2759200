"""Blind spots and calibration where the truth is planted: a niche intent under a model that follows popularity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from distaff.factors.intents.blind_spots import (
    EVERYONE,
    IntentPosterior,
    audit_blind_spots,
    by_chance,
    divergence,
    over_cohorts,
)
from distaff.factors.intents.calibration import calibrated, calibrations
from distaff.model.base import Session
from distaff.recommenders.base import Recommender
from distaff.recommenders.intents import Intents
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError

N_USERS, N_ITEMS, NICHE = 400, 120, 0.02
NO_ATTRIBUTES = pa.table({name: pa.array([], pa.string()) for name in ("id", "name", "value")})


class Crowd(Recommender):
    """Popularity, and a little of what the user's mix of the planted intents says."""

    name = "crowd"

    def plant(self, intents: Intents) -> Crowd:
        self._intents = intents
        return self

    def _fit(self, data: Interactions, session: Session) -> None:
        self._popularity = torch.bincount(data.train.indices, minlength=data.n_items).float()

    def predict(self, users: Tensor) -> Tensor:
        return self._popularity + self._intents.users[users] @ self._intents.items.T

    def state(self) -> dict[str, Tensor]:
        return {"popularity": self._popularity}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        self._popularity = tensors["popularity"]


@pytest.fixture(scope="module")
def niche() -> Crowd:
    """Three intents of disjoint items; the last has 2 % of the events and is held by few users."""
    rng = np.random.default_rng(0)
    item_intent = np.repeat([0, 1, 2], [50, 50, 20])
    mixes = np.tile([0.55, 0.45, 0.0], (N_USERS, 1))
    holders = np.arange(N_USERS) % 20 == 0
    mixes[holders] = [0.33, 0.27, 0.40]
    assert mixes[:, 2].mean() == pytest.approx(NICHE)
    members = [np.flatnonzero(item_intent == k) for k in range(3)]
    everyone = np.repeat(np.arange(N_USERS), 30).tolist()
    pairs = {(u, int(rng.choice(members[rng.choice(3, p=mixes[u])]))) for u in everyone}
    users, items = np.array(sorted(pairs)).T
    splits = np.where(rng.random(len(users)) < 0.3, "test", "train")
    data = Interactions.from_arrays(users, items, splits)
    order = [int(i) for i in data.item_ids.to_pylist()]
    shares = torch.eye(3)[torch.from_numpy(item_intent[order])] * 0.94 + 0.02
    intents = Intents(torch.from_numpy(mixes[[int(u) for u in data.user_ids.to_pylist()]]).float(), shares)
    model = Crowd().plant(intents)
    model.fit(data)
    return model


def test_the_audit_flags_the_niche_intent_of_a_model_that_follows_popularity(niche: Crowd) -> None:
    found = audit_blind_spots(niche, niche._intents, NO_ATTRIBUTES)
    everyone = {spot.factor: spot for spot in found.spots if spot.cohort == EVERYONE}
    assert everyone[2].finding == "suppressed"
    assert everyone[2].high < 1
    assert everyone[2].data_share == pytest.approx(NICHE, abs=0.01)
    assert {c.cohort for c in found.cohorts} == {EVERYONE, "activity: low", "activity: middle", "activity: high"}
    holders = {e.user for e in found.examples if e.factor == 2}
    assert holders
    assert all(int(user) % 20 == 0 for user in holders)


def test_an_audit_is_a_frame(niche: Crowd) -> None:
    found = audit_blind_spots(niche, niche._intents, NO_ATTRIBUTES)
    frame = found.frame()
    assert frame.height == len(found.spots)
    assert frame.row(1) == tuple(vars(found.spots[1]).values())


def test_calibration_brings_the_lists_nearer_at_a_printed_price(niche: Crowd) -> None:
    before, after = calibrations(niche, niche._intents, [0.7])
    print(f"Recall@20 {before.recall:.4f} -> {after.recall:.4f}, KL {before.kl:.4f} -> {after.kl:.4f}")
    assert after.kl < before.kl
    assert after.list_shares[2] > before.list_shares[2]
    assert 0 < after.churn < 1
    assert before.weight == before.churn == 0.0
    assert after.users == before.users > 300


def test_a_weight_out_of_range_is_refused(niche: Crowd) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        calibrations(niche, niche._intents, [1.5])


def test_cohorts_are_the_values_of_user_attributes(niche: Crowd) -> None:
    ids = niche.data.user_ids
    values = ["north" if int(u) % 2 else "south" for u in ids.to_pylist()]
    found = audit_blind_spots(
        niche, niche._intents, pa.table({"id": ids, "name": ["region"] * len(ids), "value": values})
    )
    assert [(c.cohort, c.users > 150) for c in found.cohorts[1:]] == [("region: north", True), ("region: south", True)]


def test_greedy_calibration_is_the_slow_obvious_one() -> None:
    rng = np.random.default_rng(0)
    intents = Intents(
        torch.from_numpy(rng.dirichlet(np.ones(4), 5)).float(), torch.from_numpy(rng.dirichlet(np.ones(4), 30)).float()
    )
    posterior = IntentPosterior(intents, torch.ones(30))
    items = torch.from_numpy(np.stack([rng.permutation(30)[:12] for _ in range(5)]))
    scores = torch.from_numpy(rng.random((5, 12))).sort(1, descending=True).values
    items[2, 9:], scores[2, 9:] = -1, -torch.inf
    lists = calibrated(posterior, torch.arange(5), scores, items, 0.6, 10)
    for u in range(5):
        n = int((items[u] >= 0).sum())
        quality = (scores[u, :n] - scores[u, :n].min()) / (scores[u, :n].max() - scores[u, :n].min())
        shares = posterior.shares(torch.full((n,), u), items[u, :n])
        target = posterior.users[u]
        chosen: list[int] = []
        for _ in range(min(10, n)):
            gains = {}
            for c in set(range(n)) - set(chosen):
                q = 0.99 * shares[[*chosen, c]].mean(0) + 0.01 * target
                mean = quality[[*chosen, c]].sum() / (len(chosen) + 1)
                gains[c] = 0.4 * mean - 0.6 * float((target * (target / q).log()).sum())
            chosen.append(max(gains, key=lambda c: float(gains[c])))
        assert lists[u, : len(chosen)].tolist() == items[u, chosen].tolist()
        assert (lists[u, len(chosen) :] == -1).all()


def test_divergence_of_equal_shares_is_zero() -> None:
    p = np.array([0.2, 0.3, 0.5])
    assert divergence(p, p) == pytest.approx(0.0)
    assert divergence(p, p[::-1]) > 0


def test_posterior_is_bayes_rule() -> None:
    intents = Intents(torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    overall = torch.tensor([0.75, 0.25])  # both items as popular
    joint = torch.tensor([0.9, 0.1]) * torch.tensor([0.5, 0.5]) / overall
    found = IntentPosterior(intents, torch.tensor([1, 1])).shares(torch.tensor([0]), torch.tensor([0]))
    assert found[0].tolist() == pytest.approx((joint / joint.sum()).tolist())


def _drawn(seed: int, each: int, held_down: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What 300 users took and are shown of 16 factors, drawn alike but for factor 0, and the variance of what they took."""
    rng = np.random.default_rng(seed)
    mixes = rng.dirichlet(np.full(16, 0.3), 300)
    listed = mixes * np.where(np.arange(16) == 0, held_down, 1.0)
    listed /= listed.sum(1, keepdims=True)
    took, lists = (np.array([rng.multinomial(n, p) for p in m]) for n, m in ((each, mixes), (20, listed)))
    mean = (took + lists) / (each + 20)
    return took.astype(float), lists * each / 20, each * mean * (1 - mean)


def _adjusted(seed: int, each: int, held_down: float) -> np.ndarray:
    took, shown, variance = _drawn(seed, each, held_down)
    cohorts = [slice(None), *(slice(start, start + 20) for start in range(0, 300, 20))]
    return over_cohorts(np.stack([by_chance(took[c], shown[c], variance[c]) for c in cohorts]))


@pytest.mark.parametrize("each", [1, 8])
def test_lists_that_are_what_people_take_have_no_blind_spot(each: int) -> None:
    assert sum(bool((_adjusted(seed, each, 1.0) <= 0.05).any()) for seed in range(60)) <= 3  # of 60 audits


def test_a_factor_that_is_held_down_is_found_among_many() -> None:
    found = [_adjusted(seed, 8, 0.4)[0, 0] <= 0.05 for seed in range(10)]
    assert sum(found) >= 9


def test_everyone_and_cohorts_share_the_level() -> None:
    chances = np.array([[0.01, 0.5], [0.001, 0.9], [0.5, 0.6]])
    np.testing.assert_allclose(over_cohorts(chances), [[0.04, 1.0], [0.008, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(over_cohorts(chances[:1]), [[0.02, 0.5]])


def test_the_price_of_calibration_is_measured_on_validation_where_there_is_one(niche: Crowd) -> None:
    assert {step.split for step in calibrations(niche, niche._intents, [0.7])} == {"test"}
    table = pa.table({"user": [0, 0, 0, 1, 1, 1], "item": [0, 1, 2, 0, 1, 2]})
    data = Interactions.from_arrays(table["user"], table["item"], np.array(["train", "valid", "test"] * 2))
    intents = Intents(torch.full((2, 2), 0.5), torch.full((3, 2), 0.5))
    model = Crowd().plant(intents)
    model.fit(data)
    assert {step.split for step in calibrations(model, intents, [0.5])} == {"valid"}
    assert audit_blind_spots(model, intents, NO_ATTRIBUTES).split == "test"
