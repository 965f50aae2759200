"""Parts of scores are an attribution: they sum for any responsibilities, and gather where the true ones are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from distaff.factors.intents.attribution import SHUFFLES, _exchanges, attribution, concentration
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.planted.interactions import planted_interactions
from distaff_graph.controls.nmf import NMF
from distaff_graph.plait.mixture import mix
from distaff_graph.plait.model import Plait

COMPONENTS = ("ease:penalty=250", "als:embedding_dim=16")


@pytest.fixture(scope="module")
def data() -> Interactions:
    planted = planted_interactions(n_users=150, n_items=120, n_events=6000, n_intents=4, seed=0)
    table = planted.table()
    users = planted.user_ids.take(table["user"].combine_chunks())
    items = planted.item_ids.take(table["item"].combine_chunks())
    splits = np.where(np.random.default_rng(0).random(len(users)) < 0.8, "train", "test")
    first = pl.DataFrame({"user": users, "item": items, "split": splits}).unique(["user", "item"], maintain_order=True)
    return Interactions.from_arrays(*(first[name].to_arrow() for name in ("user", "item", "split")))


@pytest.fixture
def plait(data: Interactions) -> Plait:
    model = Plait(n_intents=4, components=COMPONENTS, weights=(0.5, 0.4), intent_share=0.1)
    model.fit(data, seed=0)
    return model


def test_parts_sum_to_the_score_whatever_the_responsibilities(data: Interactions) -> None:
    # Without the mixture's own part, all of the score is attributed.
    plait = Plait(n_intents=4, components=COMPONENTS, weights=(0.5, 0.5), intent_share=0.0)
    plait.fit(data, seed=0)
    user, items = torch.tensor([3]), torch.tensor([0, 5, 17, 40])
    orders = torch.stack([torch.arange(120), *(torch.randperm(120) for _ in range(6))])
    dealt, own = plait.reassigned_intent_scores(user, items, orders), plait.all_intent_scores(user)[:, :, items]
    assert dealt is not None
    assert dealt.shape == (7, 4, 4)
    torch.testing.assert_close(dealt.sum(1), plait.predict(user)[:, items].expand(7, -1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(dealt[:1], own, atol=1e-5, rtol=1e-4)
    assert all(float((part - own[0]).abs().max()) > 1e-3 for part in dealt[1:])


def test_exchanged_parts_are_those_of_one_exchange_at_a_time(plait: Plait) -> None:
    """Written out: the mix of somebody who had taken the others, their responsibilities, and each component by itself."""
    user, items = torch.tensor([3]), torch.tensor([0, 5, 17, 40])
    orders = torch.stack([torch.randperm(120, generator=torch.Generator().manual_seed(s)) for s in range(3)])
    history = plait.data.train.take(user)
    taken = history.indices.long()
    exchanged = plait.reassigned_intent_scores(user, items, orders)
    assert exchanged is not None
    for order, dealt in zip(orders, exchanged, strict=True):
        others = order[taken]
        one = Csr(history.indptr, others.sort().values.int(), history.n_cols)
        parts = plait.state()["parts"]
        rates = mix(one, parts)[0] * parts[others]
        shares = rates / rates.sum(1, keepdim=True)
        expected = torch.zeros(4, 4)
        for weight, model in zip(plait._weights(), plait._models, strict=True):
            scores = torch.cat([model.weigh(history, shares[:, k].contiguous()) for k in range(4)])
            expected += weight * scores[:, items] / model.weigh(history).norm()
        torch.testing.assert_close(dealt, expected, atol=1e-5, rtol=1e-3)


def test_items_exchange_with_those_as_popular() -> None:
    popularity = torch.arange(100).flip(0)
    orders = _exchanges(popularity, 5, np.random.default_rng(0))
    assert torch.equal(orders[0], torch.arange(100))
    assert all(sorted(order.tolist()) == list(range(100)) for order in orders)
    assert all(int((order - torch.arange(100)).abs().max()) < 25 for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 6


def test_planted_intents_gather_the_parts_more_than_shuffled_ones(plait: Plait) -> None:
    found = attribution(plait)
    assert found is not None
    assert found.p_value == pytest.approx(1 / (1 + SHUFFLES))
    assert found.concentration > found.high + 0.02
    assert found.low < found.shuffled < found.high


def test_intents_of_shuffled_items_gather_nothing(plait: Plait) -> None:
    tensors, gathered = plait.state(), 0
    parts = tensors["parts"]
    for seed in range(3):
        order = torch.randperm(len(parts), generator=torch.Generator().manual_seed(seed))
        plait.load_state(tensors | {"parts": parts[order]})
        found = attribution(plait, seed=seed)
        assert found is not None
        gathered += found.p_value <= 0.01
    assert gathered == 0


def test_scores_made_of_intents_are_no_attribution(data: Interactions) -> None:
    assert attribution(NMF(n_intents=4).fit(data)) is None
    assert attribution(Plait(components="ease", weights="1", intent_share=1.0, n_intents=4).fit(data)) is None


def test_concentration_is_the_largest_share() -> None:
    parts = torch.tensor([[3.0, 1.0], [-1.0, 1.0]])
    assert float(concentration(parts)) == pytest.approx((0.75 + 0.5) / 2)
