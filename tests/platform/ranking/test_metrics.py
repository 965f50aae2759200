from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distaff.ranking import products, screening, selection
from distaff.ranking.metrics import (
    Evaluation,
    Products,
    blocks,
    catalogue_metrics,
    chance,
    evaluate,
    exclusion,
    find_hits,
    gini,
    ranking_metrics,
    top_k,
)
from distaff.testing.data import checkerboard, random_csr
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError

KS = (1, 3, 5, 50)  # 50 is more than there are items


def random_splits(n_users: int = 25, n_items: int = 40, seed: int = 0) -> Interactions:
    """Three disjoint random splits; some users have no test items, some no training items."""
    parts = [random_csr(n_users, n_items, share, seed + i) for i, share in enumerate((0.2, 0.1, 0.08))]
    taken = torch.zeros(n_users, n_items, dtype=torch.bool)
    users, items, splits = [], [], []
    for name, part in zip(("train", "valid", "test"), parts, strict=True):
        own = part.dense().bool() & ~taken
        taken |= own
        rows, cols = own.nonzero().T
        users += rows.tolist()
        items += cols.tolist()
        splits += [name] * len(rows)
    return Interactions.from_arrays(users, items, splits)


def slow_metrics(
    scores: Tensor, data: Interactions, split: str, exclude: Sequence[str], k: int
) -> dict[str, list[float]]:
    """Each evaluated user's metrics, one user and one rank at a time, straight from the definitions."""
    out: dict[str, list[float]] = {m: [] for m in ("recall", "ndcg", "precision", "hit_rate", "mrr", "map")}
    relevant_all = data.split(split).dense().bool()
    hidden_all = torch.stack([data.split(name).dense().bool() for name in exclude]).any(0)
    for user in range(data.n_users):
        relevant = set(relevant_all[user].nonzero().flatten().tolist())
        if not relevant:
            continue
        candidates = [i for i in range(data.n_items) if not hidden_all[user, i]]
        ranked = sorted(candidates, key=lambda i: -float(scores[user, i]))[:k]
        hits = [rank for rank, item in enumerate(ranked, start=1) if item in relevant]
        ideal = min(k, data.n_items, len(relevant))
        out["recall"].append(len(hits) / len(relevant))
        out["precision"].append(len(hits) / k)
        out["hit_rate"].append(1.0 if hits else 0.0)
        out["mrr"].append(1.0 / hits[0] if hits else 0.0)
        gain = sum(1 / math.log2(rank + 1) for rank in hits)
        out["ndcg"].append(gain / sum(1 / math.log2(rank + 1) for rank in range(1, ideal + 1)))
        out["map"].append(sum((n + 1) / rank for n, rank in enumerate(hits)) / ideal)
    return out


@pytest.mark.parametrize("exclude", [("train",), ("train", "valid")])
@pytest.mark.parametrize("cells", [1, 200, 1 << 21], ids=["one user a block", "few", "all"])
def test_evaluate_equals_the_definitions_user_by_user(
    monkeypatch: pytest.MonkeyPatch, exclude: tuple[str, ...], cells: int
) -> None:
    monkeypatch.setattr(selection, "_BLOCK_CELLS", cells)
    data = random_splits()
    scores = torch.randn(data.n_users, data.n_items, generator=torch.Generator().manual_seed(1))
    found = evaluate(lambda users: scores[users], data, "test", ks=KS, exclude=exclude)
    assert 0 < len(found.users) < data.n_users
    for k in KS:
        for metric, values in slow_metrics(scores, data, "test", exclude, k).items():
            name = f"{metric}@{k}"
            torch.testing.assert_close(found.per_user[name], torch.tensor(values), rtol=1e-5, atol=1e-6, msg=name)
            assert found.metrics[name] == pytest.approx(sum(values) / len(values), rel=1e-5, abs=1e-7)


def test_metrics_equal_torch_geometrics() -> None:
    from torch_geometric import metrics as peer

    data = random_splits(60, 50)
    scores = torch.randn(60, 50, generator=torch.Generator().manual_seed(1))
    found = evaluate(lambda users: scores[users], data, "test", ks=(5, 10))
    seen, test = data.train.take(found.users), data.test.take(found.users)
    items, _ = top_k(scores[found.users], seen, 10)
    edges = torch.stack([test.row_index(), test.indices.long()])
    for k in (5, 10):
        theirs = {
            "recall": peer.LinkPredRecall(k),
            "precision": peer.LinkPredPrecision(k),
            "ndcg": peer.LinkPredNDCG(k),
            "map": peer.LinkPredMAP(k),
            "mrr": peer.LinkPredMRR(k),
            "hit_rate": peer.LinkPredHitRatio(k),
        }
        for name, metric in theirs.items():
            metric.update(items, edges)
            assert found.metrics[f"{name}@{k}"] == pytest.approx(float(metric.compute()), rel=1e-5), name


def test_closed_form_values_of_one_list() -> None:
    # Ranks 2 and 4 hit, of 3 relevant items.
    found = ranking_metrics(torch.tensor([[False, True, False, True]]), torch.tensor([3]), [4])
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    expected = {
        "recall@4": 2 / 3,
        "precision@4": 2 / 4,
        "hit_rate@4": 1.0,
        "mrr@4": 1 / 2,
        "ndcg@4": (1 / math.log2(3) + 1 / math.log2(5)) / ideal,
        "map@4": (1 / 2 + 2 / 4) / 3,
    }
    assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(expected)


def test_a_perfect_ranking_scores_one_and_the_reverse_nothing() -> None:
    data = checkerboard(12, 40)
    best = data.test.dense()
    perfect = evaluate(lambda users: best[users], data, "test", ks=(2,)).metrics
    worst = evaluate(lambda users: -best[users], data, "test", ks=(2,)).metrics
    for metric in ("recall", "precision", "ndcg", "map", "mrr", "hit_rate"):
        assert perfect[f"{metric}@2"] == pytest.approx(1.0)
        assert worst[f"{metric}@2"] == 0.0


def test_an_item_that_is_both_relevant_and_excluded_is_a_miss() -> None:
    data = Interactions.from_arrays(["u", "u", "v"], ["a", "a", "b"], ["train", "test", "train"])
    found = evaluate(lambda users: torch.ones(len(users), 2), data, "test", ks=(1,))
    assert found.metrics["recall@1"] == 0.0


def test_cold_users_and_items_are_counted_and_cold_items_are_misses_unless_scored() -> None:
    data = Interactions.from_arrays(
        ["old", "old", "new", "old"], ["a", "b", "a", "cold"], ["train", "train", "test", "test"]
    )
    popularity = torch.bincount(data.train.indices, minlength=data.n_items).float()
    found = evaluate(lambda users: popularity.repeat(len(users), 1), data, "test", ks=(2,))
    assert (found.cold_users, found.cold_items) == (1, 1)
    assert data.user_ids.take(found.users.tolist()).to_pylist() == ["new", "old"]
    assert found.per_user["recall@2"].tolist() == [1.0, 1.0]  # only the cold item is left to list for "old"


def test_an_empty_split_is_refused() -> None:
    data = Interactions.from_arrays(["u"], ["a"], name="tiny")
    with pytest.raises(InputError, match="dataset 'tiny' has no valid interactions"):
        evaluate(lambda users: torch.zeros(len(users), 1), data, "valid")
    with pytest.raises(InputError, match="unknown split"):
        evaluate(lambda users: torch.zeros(len(users), 1), data, "holdout")


def test_scores_that_are_not_numbers_are_refused() -> None:
    scores = torch.zeros(2, 300)
    scores[1, 7] = torch.nan
    with pytest.raises(ValueError, match="not numbers"):
        top_k(scores, random_csr(2, 300, 0.0), 3)


@pytest.mark.parametrize("n_items", [5, 37, 64, 300, 1000])
@pytest.mark.parametrize("k", [1, 4, 5])
def test_top_k_equals_sorting_whole_rows(n_items: int, k: int) -> None:
    scores = torch.randn(9, n_items, generator=torch.Generator().manual_seed(n_items))
    seen = random_csr(9, n_items, 0.3, seed=k)
    masked = scores.masked_fill(seen.dense().bool(), -torch.inf)
    items, best = top_k(scores.clone(), seen, k)
    values, order = masked.sort(1, descending=True)
    assert torch.equal(best, values[:, :k])
    assert torch.equal(items, torch.where(values == -torch.inf, -1, order)[:, :k])


@given(
    n_items=st.integers(1, 400),
    k=st.integers(1, 6),
    levels=st.integers(1, 40),
    share=st.sampled_from([0.0, 0.5, 0.97]),
    seed=st.integers(0, 1000),
)
def test_top_k_is_exact_with_ties_and_short_rows(n_items: int, k: int, levels: int, share: float, seed: int) -> None:
    k = min(k, n_items)
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(levels, (4, n_items), generator=generator).float()
    seen = random_csr(4, n_items, share, seed)
    masked = scores.masked_fill(seen.dense().bool(), -torch.inf)
    items, best = top_k(scores.clone(), seen, k)
    # Which of equal items are listed is open; the values are not, nor that items are distinct, unseen and as scored.
    assert torch.equal(best, masked.sort(1, descending=True).values[:, :k])
    for row in range(4):
        listed = items[row][items[row] >= 0]
        assert len(set(listed.tolist())) == len(listed) == min(k, n_items - int(seen.counts()[row]))
        assert torch.equal(masked[row, listed], best[row, : len(listed)])


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("n_items", [1, 40, 257, 1030, 2500])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("skew", [0, 3])
def test_products_list_the_same_items_as_their_scores(
    monkeypatch: pytest.MonkeyPatch, threads: int, n_items: int, k: int, dtype: torch.dtype, skew: int
) -> None:
    monkeypatch.setattr(products, "_USERS", 7)
    monkeypatch.setattr(screening, "_TILE", 4 * screening._GROUP)
    monkeypatch.setattr(screening, "_PAIRS", 5)
    monkeypatch.setattr(screening, "_WAITING", 2)
    k = min(k, n_items)
    generator = torch.Generator().manual_seed(n_items)
    users, items = (torch.randn(n, 6, generator=generator, dtype=dtype) for n in (30, n_items))
    items *= torch.rand(n_items, 1, generator=generator, dtype=dtype) ** skew
    positions = torch.randperm(30, generator=generator)[:23]
    seen = random_csr(23, n_items, 0.4, seed=k)
    table = Products(users, items)
    expected, expected_scores = top_k(table(positions), seen, k)
    found, scores = table.top_k(positions, seen, k)
    assert torch.equal(found, expected)
    assert torch.allclose(scores, expected_scores, rtol=1e-5, atol=1e-6)
    assert table.top_k(positions[:0], seen.take(torch.arange(0)), k)[0].shape == (0, k)
    assert torch.get_num_threads() == threads


@given(
    seed=st.integers(0, 10_000),
    dim=st.integers(1, 40),
    scales=st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)),
    coarse=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_screening_passes_every_item_that_exceeds_the_bar(
    seed: int, dim: int, scales: tuple[float, float], coarse: bool
) -> None:
    if coarse and not screening.has_coarse_products():
        return
    generator = torch.Generator().manual_seed(seed)
    users, items = (
        torch.randn(n, dim, generator=generator) ** 3 * scale for n, scale in zip((9, 50), scales, strict=True)
    )
    scores = users.double() @ items.double().T
    bar = scores.quantile(0.9, 1).float()
    tile = screening._tile(0, items, float(items.norm(dim=1).max()), coarse)
    at, ranks = screening._Asking.all(users, coarse).screen(tile, bar)
    passed = torch.zeros(9, 56, dtype=torch.bool)
    passed[at, ranks] = True
    assert bool(passed[:, :50][scores > bar.unsqueeze(1)].all())
    assert len(at) == int(passed.sum())  # each pair once


def test_short_items_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    # One long item in the right direction ends the search for everyone.
    items = torch.full((5000, 2), 1e-3)
    items[:40] = torch.tensor([1.0, 1.0])
    asked: list[int] = []
    monkeypatch.setattr(screening._Asking, "screen", lambda self, tile, bar: asked.append(len(bar)))
    found, _ = Products(torch.ones(3, 2), items).top_k(torch.arange(3), random_csr(3, 5000, 0.0), 20)
    assert not asked
    assert bool((found < 40).all())


def test_products_leave_lists_short_where_too_few_items_are_left() -> None:
    # Everything is seen but two items, one of them in the last group, which is not full.
    n_items = 3 * screening._TILE + 3
    users, items = torch.ones(2, 1), torch.arange(1.0, n_items + 1).unsqueeze(1)
    left = {5, n_items - 1}
    cols = torch.tensor([i for i in range(n_items) if i not in left])
    seen = Csr.from_pairs(torch.arange(2).repeat_interleave(len(cols)), cols.repeat(2), 2, n_items)
    assert Products(users, items).top_k(torch.arange(2), seen, 3)[0].tolist() == [[n_items - 1, 5, -1]] * 2


def test_products_that_are_not_numbers_are_refused(threads: int) -> None:
    items = torch.randn(3000, 3)
    items[1999, 0] = torch.nan
    with pytest.raises(ValueError, match="not numbers"):
        Products(torch.randn(9, 3), items).top_k(torch.arange(9), random_csr(9, 3000, 0.0), 2)


def test_evaluating_products_equals_evaluating_their_scores() -> None:
    data = random_splits(40, 2600)
    generator = torch.Generator().manual_seed(0)
    table = Products(*(torch.randn(n, 5, generator=generator) for n in (data.n_users, data.n_items)))
    found = evaluate(table, data, "test", ks=(1, 2))
    assert found.metrics == evaluate(lambda users: table(users), data, "test", ks=(1, 2)).metrics


@given(seed=st.integers(0, 1000), shift=st.floats(-5, 5), scale=st.floats(0.5, 4))
def test_metrics_lie_between_0_and_1_grow_with_k_and_ignore_increasing_maps(
    seed: int, shift: float, scale: float
) -> None:
    data = random_splits(20, 12, seed)
    scores = torch.randint(1000, (data.n_users, data.n_items), generator=torch.Generator().manual_seed(seed)).float()
    scores += torch.arange(data.n_items) / data.n_items  # no ties
    found = evaluate(lambda users: scores[users], data, "test", ks=(2, 5))
    again = evaluate(lambda users: scores[users] * scale + shift, data, "test", ks=(2, 5))
    assert found.metrics == pytest.approx(again.metrics)
    for metric in ("recall", "ndcg", "precision", "hit_rate", "mrr", "map", "coverage", "gini"):
        for k in (2, 5):
            assert 0.0 <= found.metrics[f"{metric}@{k}"] <= 1.0 + 1e-6
    for metric in ("recall", "hit_rate", "mrr", "coverage"):
        assert found.metrics[f"{metric}@2"] <= found.metrics[f"{metric}@5"]
    assert bool((found.per_user["hit_rate@5"] >= found.per_user["recall@5"]).all())


def test_find_hits_by_row_and_not_by_item_alone() -> None:
    relevant = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([2, 3]), 2, 4)
    items = torch.tensor([[2, 3], [2, 3]])
    assert find_hits(items, relevant).tolist() == [[True, False], [False, True]]
    # The -1 of a list that is too short must not read as the last item of the row before.
    last = Csr.from_pairs(torch.tensor([0]), torch.tensor([3]), 2, 4)
    assert not bool(find_hits(torch.tensor([[0, 1], [-1, -1]]), last).any())
    assert not bool(find_hits(items, random_csr(2, 4, 0.0)).any())


def test_exclusion_is_the_union_of_splits() -> None:
    data = random_splits()
    both = data.train.dense().bool() | data.valid.dense().bool()
    assert torch.equal(exclusion(data, ("train", "valid")).dense().bool(), both)


def test_blocks_hold_every_user_once_in_order() -> None:
    users = torch.arange(7)
    assert torch.equal(torch.cat(list(blocks(users, 1 << 20))), users)
    assert [len(block) for block in blocks(users, 1 << 20)] == [2, 2, 2, 1]
    assert [len(block) for block in blocks(users, 1 << 40)] == [1] * 7  # a row is never cut


def test_catalogue_metrics_of_known_lists() -> None:
    popularity = torch.tensor([5, 3, 1, 0])
    same = catalogue_metrics(torch.tensor([[0, 1], [0, 1]]), popularity, (1, 2))
    assert same == pytest.approx(
        {
            "coverage@1": 1 / 4,
            "gini@1": 3 / 4,
            "mean_popularity@1": 5,
            "coverage@2": 1 / 2,
            "gini@2": 1 / 2,
            "mean_popularity@2": 4,
        }
    )
    even = catalogue_metrics(torch.tensor([[0, 1], [2, 3]]), popularity, (2,))
    assert even == pytest.approx({"coverage@2": 1.0, "gini@2": 0.0, "mean_popularity@2": 9 / 4})
    nothing = catalogue_metrics(torch.tensor([[-1, -1]]), popularity, (2,))
    assert nothing == {"coverage@2": 0.0, "gini@2": 0.0, "mean_popularity@2": 0.0}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_gini_is_half_the_relative_mean_difference(counts: list[int]) -> None:
    n, total = len(counts), sum(counts)
    expected = sum(abs(a - b) for a in counts for b in counts) / (2 * n * total) if total else 0.0
    assert gini(torch.tensor(counts, dtype=torch.float64)) == pytest.approx(expected)


def test_chance_is_the_mean_over_random_rankings() -> None:
    data = random_splits(40, 30)
    generator = torch.Generator().manual_seed(0)
    ks = (1, 5, 50)

    def once() -> Evaluation:
        return evaluate(lambda users: torch.rand(len(users), 30, generator=generator), data, "test", ks=ks)

    runs = [once().metrics for _ in range(400)]
    for name, expected in chance(data, "test", ks=ks).items():
        values = torch.tensor([run[name] for run in runs], dtype=torch.float64)
        error = float(values.std()) / math.sqrt(len(runs))
        assert abs(float(values.mean()) - expected) < 4 * error + 1e-6, name


def test_chance_of_listing_everything_is_certainty() -> None:
    found = chance(random_splits(), "test", ks=(40,))
    assert found["recall@40"] == pytest.approx(1.0)
    assert found["hit_rate@40"] == pytest.approx(1.0)
