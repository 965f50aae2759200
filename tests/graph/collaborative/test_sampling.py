from __future__ import annotations

import pytest
import torch

from distaff.testing.data import random_csr
from distaff_data.datasets.csr import Csr
from distaff_data.errors import InputError
from distaff_graph.collaborative.sampling import Sampler, Triples


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(train: Csr, kind: str, n: int = 4000, seed: int = 0) -> Triples:
    sampler = Sampler(train)
    return sampler.over_users(n, seeded(seed)) if kind == "users" else sampler.over_interactions(seeded(seed))


@pytest.mark.parametrize("kind", ["users", "interactions"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_positives_are_training_interactions_and_negatives_never_are(kind: str, share: float) -> None:
    train = random_csr(30, 40, share)
    triples = draw(train, kind)
    taken = train.dense().bool()
    assert taken[triples.users, triples.positives].all()
    assert not taken[triples.users, triples.negatives].any()


def test_over_interactions_visits_each_interaction_once_in_another_order_each_epoch() -> None:
    train = random_csr(30, 40, 0.2)
    first, second = (draw(train, "interactions", seed=seed) for seed in (0, 1))
    assert torch.equal(torch.sort(first.users * 40 + first.positives).values, train.row_index() * 40 + train.indices)
    assert not torch.equal(first.users, second.users)


@pytest.mark.parametrize("kind", ["users", "interactions"])
def test_the_same_seed_draws_the_same_triples(kind: str) -> None:
    train = random_csr(30, 40, 0.2)
    a, b, other = (draw(train, kind, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(a.negatives, b.negatives)
    assert torch.equal(a.positives, b.positives)
    assert not torch.equal(a.negatives, other.negatives)


def test_negatives_are_uniform_over_what_the_user_did_not_take() -> None:
    # One user who took 4 of 10 items: each of the other 6 has probability 1/6.
    train = Csr.from_pairs(torch.zeros(4), torch.tensor([0, 3, 4, 9]), 1, 10)
    n = 60_000
    counts = torch.bincount(draw(train, "users", n).negatives, minlength=10)
    assert counts[[0, 3, 4, 9]].sum() == 0
    rest = counts[[1, 2, 5, 6, 7, 8]].double()
    # Chi-squared with 5 degrees of freedom: 20.5 is exceeded once in a thousand seeds, and the seed is fixed.
    assert float(((rest - n / 6) ** 2 / (n / 6)).sum()) < 20.5


def test_over_users_draws_users_evenly_however_active_and_their_items_evenly() -> None:
    # User 0 took 1 item, user 1 took 8, user 2 none, user 3 all: only 0 and 1 can be drawn, evenly.
    rows = torch.cat([torch.zeros(1), torch.ones(8), torch.full((10,), 3)])
    cols = torch.cat([torch.tensor([5]), torch.arange(8), torch.arange(10)])
    triples = draw(Csr.from_pairs(rows, cols, 4, 10), "users", 40_000)
    users = torch.bincount(triples.users, minlength=4).double()
    assert users[2] == users[3] == 0
    assert float((users[:2] / 20_000 - 1).abs().max()) < 0.03
    items = torch.bincount(triples.positives[triples.users == 1], minlength=8).double()
    assert float((items / users[1] * 8 - 1).abs().max()) < 0.08


def test_a_user_who_took_everything_is_left_out_of_interactions_too() -> None:
    train = Csr.from_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2, 2)
    assert draw(train, "interactions").users.tolist() == [1]


def test_a_matrix_without_any_negative_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to learn from"):
        Sampler(Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([0, 1]), 1, 2))


def test_batches_cover_the_triples_in_order_with_their_distinct_users_and_items() -> None:
    triples = draw(random_csr(30, 40, 0.2), "users", 250)
    batches = list(triples.batches(100))
    assert [len(batch.users) for batch in batches] == [100, 100, 50]
    assert torch.equal(torch.cat([batch.negatives for batch in batches]), triples.negatives)
    for batch in batches:
        assert torch.equal(batch.unique_users, torch.unique(batch.users))
        assert torch.equal(batch.unique_positives, torch.unique(batch.positives))
