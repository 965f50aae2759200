from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from distaff.factors.evidence import effective_numbers, match
from distaff.factors.relevance import associate, membership, relevance


def test_membership_sums_to_one_and_lift_compares_with_popularity() -> None:
    shares = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    found = membership(shares, torch.tensor([2.0, 2.0, 4.0]))
    assert found.probability.tolist() == [[2 / 3, 1 / 3, 0.0], [0.0, 0.2, 0.8]]
    assert found.lift[0].tolist() == pytest.approx([(2 / 3) / 0.25, (1 / 3) / 0.25, 0.0])


def test_relevance_at_its_ends_is_probability_and_lift() -> None:
    p, lift = torch.tensor([0.5, 0.25]).double(), torch.tensor([1.0, 3.0]).double()
    assert torch.equal(relevance(p, lift, 1.0), p.log())
    assert torch.equal(relevance(p, lift, 0.0), lift.log())


def test_relevance_prefers_specific_items_over_popular_ones() -> None:
    shares = torch.tensor([[0.5, 0.5], [0.95, 0.05], [0.05, 0.95]])
    found = membership(shares, torch.tensor([100.0, 50.0, 50.0]))
    assert int(found.probability[0].argmax()) == 0
    assert int(relevance(found.probability[0], found.lift[0]).argmax()) == 1


def test_effective_numbers_count_what_is_used() -> None:
    one_each = torch.eye(4)
    assert effective_numbers(one_each) == pytest.approx((1.0, 4.0))
    assert effective_numbers(torch.full((3, 4), 0.25)) == pytest.approx((4.0, 4.0))


def test_match_finds_permuted_intents() -> None:
    shares = torch.rand(200, 5, generator=torch.Generator().manual_seed(0))
    assert match(shares, shares[:, [3, 1, 4, 0, 2]]).tolist() == pytest.approx([1.0] * 5)


def test_match_of_unrelated_intents_is_near_zero_and_extra_ones_have_no_partner() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = torch.rand(5000, 4, generator=generator), torch.rand(5000, 2, generator=generator)
    found = match(ours, theirs)
    assert found.abs().max() < 0.06
    assert int((found == 0).sum()) == 2


def _catalogue(seed: int, shuffled: bool) -> tuple[torch.Tensor, pa.Table, pa.StringArray, np.ndarray]:
    """400 items of 8 categories; intent k holds category k."""
    rng = np.random.default_rng(seed)
    category = rng.integers(0, 8, 400)
    shares = torch.full((400, 8), 0.02)
    shares[torch.arange(400), torch.from_numpy(category)] = 0.86
    shares += torch.from_numpy(rng.random((400, 8)).astype(np.float32)) * 0.01
    label = rng.permutation(category) if shuffled else category
    ids = pa.array([f"i{i}" for i in range(400)])
    attributes = pa.table({"id": ids, "name": ["genre"] * 400, "value": [f"g{c}" for c in label]})
    return shares / shares.sum(1, keepdim=True), attributes, ids, category


def test_association_names_each_intent_by_its_planted_category() -> None:
    shares, attributes, ids, _ = _catalogue(0, shuffled=False)
    found = associate(membership(shares, torch.ones(400)), attributes, ids)
    first = {a.intent: a.value for a in reversed(found)}
    assert first == {k: f"g{k}" for k in range(8)}
    assert all(a.lift > 4 for a in found)


def test_shuffled_labels_name_almost_nothing() -> None:
    named = 0
    for seed in range(20):
        shares, attributes, ids, _ = _catalogue(seed, shuffled=True)
        named += len({a.intent for a in associate(membership(shares, torch.ones(400)), attributes, ids)})
    assert named / (20 * 8) <= 0.05


def test_no_attributes_give_no_names() -> None:
    shares, _, ids, _ = _catalogue(0, shuffled=False)
    empty = pa.table(
        {"id": pa.array([], pa.string()), "name": pa.array([], pa.string()), "value": pa.array([], pa.string())}
    )
    assert associate(membership(shares, torch.ones(400)), empty, ids) == []
