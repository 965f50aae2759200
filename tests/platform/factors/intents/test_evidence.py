from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from distaff.factors.activity import effective_numbers, output_states, posterior_states
from distaff.factors.examples import bands, histograms
from distaff.factors.independence import dependences
from distaff.factors.intents.evidence import contamination_warnings
from distaff.factors.stability import match
from distaff.recommenders.relevance import associate, incidence_of, item_distributions, relevance
from distaff_data.planted.interactions import planted_interactions


def test_membership_sums_to_one_and_lift_compares_with_popularity() -> None:
    shares = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    found = item_distributions(shares, torch.tensor([2.0, 2.0, 4.0]))
    assert found.probability.tolist() == [[2 / 3, 1 / 3, 0.0], [0.0, 0.2, 0.8]]
    assert found.lift[0].tolist() == pytest.approx([(2 / 3) / 0.25, (1 / 3) / 0.25, 0.0])


def test_relevance_at_its_ends_is_probability_and_lift() -> None:
    p, lift = torch.tensor([0.5, 0.25]).double(), torch.tensor([1.0, 3.0]).double()
    assert torch.equal(relevance(p, lift, 1.0), p.log())
    assert torch.equal(relevance(p, lift, 0.0), lift.log())


def test_relevance_prefers_specific_items_over_popular_ones() -> None:
    shares = torch.tensor([[0.5, 0.5], [0.95, 0.05], [0.05, 0.95]])
    found = item_distributions(shares, torch.tensor([100.0, 50.0, 50.0]))
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
    found = associate(item_distributions(shares, torch.ones(400)), incidence_of(attributes, ids), torch.ones(400))
    first = {a.intent: a.value for a in reversed(found)}
    assert first == {k: f"g{k}" for k in range(8)}
    assert all(a.lift > 4 for a in found)


def test_shuffled_labels_name_almost_nothing() -> None:
    named = 0
    for seed in range(100):
        shares, attributes, ids, _ = _catalogue(seed, shuffled=True)
        named += len(
            {
                a.intent
                for a in associate(
                    item_distributions(shares, torch.ones(400)), incidence_of(attributes, ids), torch.ones(400)
                )
            }
        )
    assert named / (100 * 8) <= 0.05


def test_no_attributes_give_no_names() -> None:
    shares, _, ids, _ = _catalogue(0, shuffled=False)
    empty = pa.table(
        {"id": pa.array([], pa.string()), "name": pa.array([], pa.string()), "value": pa.array([], pa.string())}
    )
    assert associate(item_distributions(shares, torch.ones(400)), incidence_of(empty, ids), torch.ones(400)) == []


def test_planted_categories_are_recovered_by_the_names_of_planted_intents() -> None:
    planted = planted_interactions(n_users=200, n_items=400, n_events=8000, n_intents=6, category_flip=0.05, seed=0)
    labels = [f"c{c}" for c in planted.category]
    attributes = pa.table({"id": planted.item_ids, "name": ["category"] * 400, "value": labels})
    popularity = torch.from_numpy(np.bincount(planted.table()["item"].to_numpy(), minlength=400))
    found = associate(
        item_distributions(torch.from_numpy(planted.phi).float(), popularity),
        incidence_of(attributes, planted.item_ids),
        popularity,
    )
    right = [a.value == f"c{a.intent}" for a in found]
    assert len({a.intent for a in found}) == 6
    assert sum(right) / len(right) >= 0.9


def test_states_tell_active_mixed_and_passive_factors() -> None:
    shares = np.full((100, 3), 1 / 3)
    shares[:, 2] = 0.001
    shares[:50, 1] = 0.001
    states, passive = output_states(shares)
    assert states == ("active", "mixed", "passive")
    assert passive.tolist() == [0.0, 0.5, 1.0]


def test_posterior_states_ignore_what_is_the_prior() -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(200, 4, 2, generator=generator)
    variances = torch.full((200, 4, 2), 0.1)
    means[:, 1], variances[:, 1] = 0.0, 1.0
    variances[:100, 2] = 1.0
    states, passive = posterior_states(means, variances)
    assert states == ("active", "passive", "mixed", "active")
    assert passive.tolist() == [0.0, 1.0, 0.5, 0.0]


def test_dependence_finds_the_pair_that_moves_together() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((300, 4))
    x[:, 3] = np.abs(x[:, 0] - 0.5)  # uncorrelated with its cause, and wholly determined by it
    found = dependences(torch.from_numpy(x))
    assert found[3][0].other == 0
    assert found[0][0].other == 3
    assert found[0][0].dependence > 0.15
    assert abs(found[0][0].correlation) < 0.2
    assert max(d.dependence for d in found[1]) < 0.05


def test_examples_cover_every_band_and_histograms_count_everyone() -> None:
    shares = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    known = torch.arange(500) >= 100
    ids = pa.array([f"u{i}" for i in range(500)])
    table = bands(shares, known, ids)
    one = table.filter(factor=1).to_dicts()
    assert sorted({row["band"] for row in one}) == list(range(11))
    top = [row for row in one if row["band"] == 0]
    best = shares[100:, 1].sort(descending=True).values[:20]
    assert [row["share"] for row in top] == pytest.approx(best.tolist())
    assert all(row["band_low"] <= row["share"] <= row["band_high"] for row in one)
    assert all(shares[int(row["id"][1:]), 1] == pytest.approx(row["share"]) for row in one)
    assert all(int(row["id"][1:]) >= 100 for row in one)
    counts = histograms(shares, known)
    assert counts.group_by("factor").sum()["count"].to_list() == [400] * 3
    assert counts.height == 150
    nobody = torch.zeros(500, dtype=torch.bool)
    assert bands(shares, nobody, ids).columns == table.columns
    assert bands(shares, nobody, ids).is_empty()


def _genres(rng: np.random.Generator) -> tuple[torch.Tensor, pa.Table, pa.StringArray]:
    """1,000 items of steep popularity; three of eight attribute values belong to popular items."""
    popularity = np.round(2000 * np.arange(1, 1001) ** -0.7)
    chances = np.full((1000, 8), 0.12)
    chances[:, :3] = np.clip(0.05 + 0.6 * (popularity / popularity.max())[:, None] ** 0.4, 0, 1)
    items, values = np.nonzero(rng.random((1000, 8)) < chances)
    ids = pa.array([f"i{i}" for i in range(1000)])
    table = pa.table(
        {"id": [f"i{i}" for i in items], "name": ["genre"] * len(items), "value": [f"g{v}" for v in values]}
    )
    return torch.from_numpy(popularity), table, ids


def test_factors_that_mean_nothing_get_no_name_from_popularity() -> None:
    named = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        popularity, attributes, ids = _genres(rng)
        shares = torch.from_numpy(rng.dirichlet(np.full(8, 0.5), 1000))
        incidence = incidence_of(attributes, ids)
        named += bool(associate(item_distributions(shares, popularity), incidence, popularity))
    assert (
        named <= 4
    )  # of 40 fits; 2 are expected at most, and a test blind to popularity names something in nearly all


def _shelves(n_items: int, n_shelves: int) -> tuple[pa.Table, pa.StringArray]:
    """Ids in order, of which each shelf has a run: what no factor knows of."""
    ids = [f"i{i:04}" for i in range(n_items)]
    shelf = [f"s{i * n_shelves // n_items}" for i in range(n_items)]
    return pa.table({"id": ids, "name": ["shelf"] * n_items, "value": shelf}), pa.array(ids)


@pytest.mark.parametrize("n_of_a_factor", [3, 10, 40])
def test_a_factor_of_few_items_gets_no_name_from_the_order_of_the_others(n_of_a_factor: int) -> None:
    attributes, ids = _shelves(400, 10)
    incidence = incidence_of(attributes, ids)
    named = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shares = torch.zeros(400, 16)
        for k in range(16):
            items = rng.choice(400, n_of_a_factor, replace=False)
            shares[items, k] = torch.from_numpy(rng.random(n_of_a_factor)).float()
        popularity = torch.from_numpy(rng.permutation(np.ceil(2000 / np.arange(1, 401))))
        named += bool(associate(item_distributions(shares, popularity), incidence, popularity))
    assert named <= 3  # of 20 fits, 1 expected at most; places filled in the order of ids name nearly all


@pytest.mark.parametrize(("n_items", "n_factors"), [(30, 2), (45, 2), (45, 8)])
def test_a_small_catalogue_has_strata_too(n_items: int, n_factors: int) -> None:
    named = 0
    popularity = np.ceil(2000 / np.arange(1, n_items + 1))
    for seed in range(40):
        rng = np.random.default_rng(seed)
        top = np.arange(n_items)[:, None] < n_items * rng.uniform(0.05, 0.2, 20)  # labels of the most popular
        items, values = np.nonzero(top & (rng.random((n_items, 20)) < 0.9))
        ids = pa.array([f"i{i}" for i in range(n_items)])
        labels = {"id": [f"i{i}" for i in items], "name": ["label"] * len(items), "value": [f"l{v}" for v in values]}
        shares = torch.from_numpy(rng.dirichlet(np.full(n_factors, 0.3), n_items))
        counts = torch.from_numpy(popularity)
        named += bool(associate(item_distributions(shares, counts), incidence_of(pa.table(labels), ids), counts))
    assert named <= 5  # of 40 fits, 2 expected at most; one stratum of all names a third to a half of them


@pytest.mark.parametrize("kind", ["one-hot", "equal", "drawn"])
def test_names_do_not_hang_on_the_order_of_items(kind: str) -> None:
    attributes, ids = _shelves(120, 6)
    rng = np.random.default_rng(3)
    shares = {
        "one-hot": torch.eye(4)[torch.from_numpy(np.arange(120) * 4 // 120)],
        "equal": torch.full((120, 4), 0.25),
        "drawn": torch.from_numpy(rng.dirichlet(np.full(4, 0.3), 120)).float(),
    }[kind]
    popularity = torch.from_numpy(rng.integers(1, 4, 120))
    found = []
    for order in (np.arange(120), rng.permutation(120)):
        incidence = incidence_of(attributes, ids.take(pa.array(order)))
        places = torch.from_numpy(order)
        names = associate(item_distributions(shares[places], popularity[places]), incidence, popularity[places])
        found.append({(a.intent, a.value, round(a.q_value, 9)) for a in names})
    assert found[0] == found[1]
    assert bool(found[0]) == (kind == "one-hot")  # whose factors are shelves and parts of others


def test_an_attribute_of_popular_items_still_names_the_factor_that_has_it() -> None:
    rng = np.random.default_rng(0)
    popularity, attributes, ids = _genres(rng)
    incidence = incidence_of(attributes, ids)
    carries = torch.from_numpy(incidence.carries.toarray())
    shares = torch.from_numpy(rng.dirichlet(np.full(8, 0.5), 1000)) + 2.0 * carries
    shares /= shares.sum(1, keepdim=True)
    found = {(a.intent, a.value) for a in associate(item_distributions(shares, popularity), incidence, popularity)}
    assert {(k, f"g{k}") for k in range(8)} <= found


def test_a_warning_tells_factors_apart_or_is_said_of_all_once() -> None:
    each, shared = contamination_warnings({"popularity": [0.9, 0.1, -0.9], "user activity": [0.0, 0.0, 0.0]})
    assert shared == []
    assert each == [
        ["follows popularity (correlation +0.90)"],
        [],
        ["avoids popularity (correlation -0.90)"],
    ]
    each, (warning,) = contamination_warnings({"popularity": [-0.7, -0.8], "user activity": [0.9, 0.0]})
    assert each == [["follows user activity (correlation +0.90)"], []]
    assert warning.startswith("every factor avoids popularity (correlations -0.80 to -0.70)")
    assert contamination_warnings({"popularity": [0.9]}) == ([["follows popularity (correlation +0.90)"]], [])
