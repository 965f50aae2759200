"""The linear controls against dense references, and the linearity that Plait's parts rest on."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from distaff.recommenders.base import Recommender
from distaff.testing.data import random_interactions
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import UnsupportedError
from distaff_graph.controls import graph_filter as graph_filter_module
from distaff_graph.controls import item_knn as item_knn_module
from distaff_graph.controls import sparse_ease as sparse_ease_module
from distaff_graph.controls.chebycf import ChebyCF
from distaff_graph.controls.ease import EASE
from distaff_graph.controls.edlae import EDLAE
from distaff_graph.controls.graph_filter import GFCF, GraphFilter, LowPass, normalised_vectors
from distaff_graph.controls.item_knn import ItemKNN
from distaff_graph.controls.linear import LinearRecommender
from distaff_graph.controls.rp3beta import RP3Beta
from distaff_graph.controls.sparse_ease import SparseEASE
from distaff_graph.controls.user_knn import UserKNN

LINEAR: dict[str, dict[str, Any]] = {
    "als": {"embedding_dim": 6},
    "chebycf": {"embedding_dim": 5, "order": 4},
    "ease": {"penalty": 3.0},
    "edlae": {"penalty": 3.0},
    "gfcf": {"embedding_dim": 5},
    "graph_filter": {"order": 3, "item_exponent": 0.7},
    "item_knn": {"n_neighbours": 4},
    "low_pass": {"embedding_dim": 5, "item_exponent": 0.3},
    "puresvd": {"n_intents": 5},
    "rp3beta": {"alpha": 0.8},
    "sparse_ease": {"penalty": 3.0, "n_neighbours": 6},
    "user_knn": {"n_neighbours": 5},
}
EVERYONE = torch.arange(30)


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Interactions of 30 users and 20 items, where the last item was never taken."""
    found = random_interactions(30, 20, 0.25, seed=2)
    users, items = found.train.row_index(), found.train.indices
    kept = items != 19
    return Interactions(
        "few", found.user_ids, found.item_ids, Csr.from_pairs(users[kept], items[kept], 30, 20), found.valid, found.test
    )


def _dense(data: Interactions) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    x = data.train.dense().double().numpy()
    return x, x.sum(1), x.sum(0)


def _power(degrees: np.ndarray[Any, Any], exponent: float) -> np.ndarray[Any, Any]:
    return np.where(degrees > 0, np.maximum(degrees, 1) ** exponent, 0.0)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("of_users", "of_items"), [(0.5, 0.5), (0.3, 0.8)])
def test_a_graph_filter_is_a_power_of_the_normalised_items_graph(
    data: Interactions, order: int, of_users: float, of_items: float
) -> None:
    x, users, items = _dense(data)
    r = _power(users, -of_users)[:, None] * x * _power(items, -of_items)
    expected = x @ np.linalg.matrix_power(r.T @ r, order)
    model = GraphFilter(order=order, user_exponent=of_users, item_exponent=of_items).fit(data)
    np.testing.assert_allclose(model.predict(EVERYONE).numpy(), expected, rtol=1e-5, atol=1e-7)


def test_gfcf_adds_the_projection_onto_the_leading_eigenvectors(data: Interactions) -> None:
    x, users, items = _dense(data)
    r = _power(users, -0.5)[:, None] * x * _power(items, -0.5)
    _, _, v = np.linalg.svd(r, full_matrices=False)
    low_pass = _power(items, -0.5)[:, None] * (v[:5].T @ v[:5]) * _power(items, 0.5)
    expected = x @ (r.T @ r) + 0.4 * x @ low_pass
    model = GFCF(embedding_dim=5, low_pass=0.4).fit(data)
    np.testing.assert_allclose(model.predict(EVERYONE).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_low_pass_projects_onto_the_leading_eigenvectors(data: Interactions) -> None:
    x, users, items = _dense(data)
    _, _, v = np.linalg.svd(_power(users, -0.5)[:, None] * x * _power(items, -0.5), full_matrices=False)
    expected = x @ (_power(items, -0.3)[:, None] * (v[:5].T @ v[:5]) * _power(items, 0.3))
    model = LowPass(embedding_dim=5, item_exponent=0.3).fit(data)
    np.testing.assert_allclose(model.predict(EVERYONE).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_leading_vectors_by_iteration_span_what_the_decomposition_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    group = rng.integers(6, size=300), rng.integers(6, size=200)
    taken = rng.random((300, 200)) < np.where(group[0][:, None] == group[1], 0.5, 0.02)
    users, items = taken.nonzero()
    train = Interactions.from_arrays(users, items).train
    exact = normalised_vectors(train, 6, 0)
    monkeypatch.setattr(graph_filter_module, "_DENSE", 0)
    monkeypatch.setattr(graph_filter_module, "_SPARE", 4)
    iterated = normalised_vectors(train, 6, 0)
    assert iterated.shape == exact.shape
    np.testing.assert_allclose((iterated.T @ iterated).numpy(), np.eye(6), atol=1e-4)
    np.testing.assert_allclose((iterated @ iterated.T).numpy(), (exact @ exact.T).numpy(), atol=1e-4)
    leading = (exact.T @ iterated).diagonal().abs()  # the first of the constant direction, the largest eigenvalue
    assert float(leading[0]) > 0.999


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.7, 0.6)])
def test_rp3beta_is_three_steps_of_a_walk_over_popularity(data: Interactions, alpha: float, beta: float) -> None:
    x, users, items = _dense(data)
    to_users = (x.T * _power(items, -1.0)[:, None]) ** alpha
    to_items = (x * _power(users, -1.0)[:, None]) ** alpha
    expected = x @ to_users @ to_items * _power(items, -beta)
    model = RP3Beta(alpha=alpha, beta=beta).fit(data)
    np.testing.assert_allclose(model.predict(EVERYONE).numpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("entries", [8_000_000, 60])
def test_item_knn_sums_the_shrunk_cosines_of_the_nearest(
    monkeypatch: pytest.MonkeyPatch, data: Interactions, entries: int
) -> None:
    monkeypatch.setattr(item_knn_module, "_ENTRIES", entries)
    x, _, items = _dense(data)
    cosine = (x.T @ x) / (np.sqrt(np.outer(items, items)) + 2.5)
    np.fill_diagonal(cosine, -1.0)
    fourth = np.sort(cosine, 0)[-4]
    # Equal similarities at the edge may fall either way, so items that have them are left out of the comparison.
    clear = (cosine >= fourth).sum(0) == 4
    expected = x @ np.where(cosine >= fourth, np.maximum(cosine, 0.0), 0.0)
    found = ItemKNN(n_neighbours=4, shrinkage=2.5).fit(data).predict(EVERYONE).numpy()
    assert clear.sum() >= 8
    np.testing.assert_allclose(found[:, clear], expected[:, clear], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("order", "flatness", "low_pass"), [(1, 1.0, 0.0), (4, 1.5, 0.3), (7, 6.0, 0.1)])
def test_chebycf_is_the_interpolated_plateau_of_the_spectrum(
    data: Interactions, order: int, flatness: float, low_pass: float
) -> None:
    x, users, items = _dense(data)
    r = _power(users, -0.5)[:, None] * x * _power(items, -0.5)
    eigenvalues, vectors = np.linalg.eigh(r.T @ r)
    nodes = np.cos((2 * np.arange(order + 1) + 1) * np.pi / (2 * order + 2))
    values = 0.5 + 0.5 * np.sign(nodes) * np.abs(nodes) ** flatness
    polynomial = np.linalg.solve(np.vander(nodes), values)  # through the values at the nodes
    passed = np.polyval(polynomial, 2 * eigenvalues - 1)
    leading = np.where(np.arange(20) >= 15, low_pass, 0.0)
    expected = x * _power(items, -0.4) @ (vectors * (passed + leading)) @ vectors.T * _power(items, 0.4)
    model = ChebyCF(order=order, flatness=flatness, embedding_dim=5, low_pass=low_pass, item_exponent=0.4).fit(data)
    np.testing.assert_allclose(model.predict(EVERYONE).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("user_exponent", [0.0, 0.7])
def test_sparse_ease_is_a_ridge_regression_on_the_nearest(data: Interactions, user_exponent: float) -> None:
    x, users, items = _dense(data)
    cosine = (x.T @ x) / np.sqrt(np.maximum(np.outer(items, items), 1))
    np.fill_diagonal(cosine, -1.0)
    fourth = np.sort(cosine, 0)[-4]
    clear = (cosine >= fourth).sum(0) == 4
    b = np.zeros_like(cosine)
    root = _power(users, -user_exponent / 2)[:, None]
    for item in np.flatnonzero(clear):
        near = np.flatnonzero(cosine[:, item] >= fourth[item])
        above = np.concatenate([root * x[:, near], np.sqrt(2.5) * np.eye(4)])  # ridge as ordinary least squares
        b[near, item] = np.linalg.lstsq(above, np.concatenate([root[:, 0] * x[:, item], np.zeros(4)]))[0]
    model = SparseEASE(penalty=2.5, n_neighbours=4, user_exponent=user_exponent).fit(data)
    assert clear.sum() >= 8
    np.testing.assert_allclose(model.predict(EVERYONE).numpy()[:, clear], (x @ b)[:, clear], rtol=1e-4, atol=1e-5)
    assert int(np.diff(model.state()["indptr"].numpy()).max()) <= 4


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), penalty=st.floats(0.5, 50), entries=st.sampled_from([1, 500, 4_000_000]))
def test_sparse_ease_with_every_item_as_neighbour_is_ease(seed: int, penalty: float, entries: int) -> None:
    full = random_interactions(40, 9, 0.6, seed=seed)
    assume(bool((full.train.dense().T @ full.train.dense() > 0).all()))  # each two items share a user
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse_ease_module, "_ENTRIES", entries)
        found = SparseEASE(penalty=penalty, n_neighbours=9).fit(full).predict(torch.arange(40))
    torch.testing.assert_close(found, EASE(penalty=penalty).fit(full).predict(torch.arange(40)), rtol=1e-4, atol=1e-5)


def test_sparse_ease_of_items_without_company_scores_nothing() -> None:
    alone = Interactions.from_arrays(["a", "b", "c"], ["x", "y", "z"])
    assert not SparseEASE().fit(alone).predict(torch.arange(3)).any()


@pytest.mark.parametrize(("item_exponent", "shrinkage"), [(0.0, 0.0), (0.5, 2.0)])
def test_user_knn_adds_up_what_the_nearest_users_took(
    data: Interactions, item_exponent: float, shrinkage: float
) -> None:
    x, users, items = _dense(data)
    rarity = _power(items, -item_exponent)
    expected = np.zeros_like(x)
    for user in range(30):
        similarity = (x * rarity) @ x[user] / (np.sqrt(users * users[user]) + shrinkage)
        fifth = np.sort(similarity)[-5]
        for other in np.flatnonzero(similarity >= fifth):
            expected[user] += similarity[other] * x[other] * rarity
    model = UserKNN(n_neighbours=5, item_exponent=item_exponent, shrinkage=shrinkage).fit(data)
    # Similarities that are equal but for rounding may fall on either side of the fifth.
    same = np.isclose(model.predict(EVERYONE).numpy(), expected, rtol=1e-4, atol=1e-6).all(1)
    assert same.mean() >= 0.8


def test_edlae_minimises_the_expected_loss_over_all_ways_to_leave_out() -> None:
    x = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 1, 0]], dtype=float)
    p, penalty = 0.4, 0.7
    places = np.argwhere(x > 0)
    gram, cross = np.zeros((4, 4)), np.zeros((4, 4))
    for kept in itertools.product([0, 1], repeat=len(places)):
        left = x.copy()
        left[tuple(places.T)] = np.array(kept) / (1 - p)
        chance = np.prod(np.where(kept, 1 - p, p))
        gram += chance * left.T @ left
        cross += chance * left.T @ x
    gram += penalty * np.eye(4)
    expected = np.zeros((4, 4))
    for item in range(4):
        others = np.arange(4) != item
        expected[others, item] = np.linalg.solve(gram[np.ix_(others, others)], cross[others, item])
    users, items = np.nonzero(x)
    few = Interactions.from_arrays(users, items)
    model = EDLAE(penalty=penalty, dropout=p).fit(few)
    np.testing.assert_allclose(model.predict(torch.arange(4)).numpy(), x @ expected, rtol=1e-5, atol=1e-6)


def test_edlae_that_leaves_nothing_out_is_ease(data: Interactions) -> None:
    expected = EASE(penalty=4.0).fit(data).predict(EVERYONE)
    torch.testing.assert_close(EDLAE(penalty=4.0, dropout=0.0).fit(data).predict(EVERYONE), expected)


def test_edlae_says_what_it_needs_where_it_does_not_fit(data: Interactions) -> None:
    with pytest.raises(UnsupportedError, match=r"edlae needs .* above max_gb=1e-07"):
        EDLAE(max_gb=1e-7).fit(data)


@pytest.mark.parametrize("name", LINEAR)
def test_shares_of_interactions_give_shares_of_scores_that_sum_to_the_whole(name: str, data: Interactions) -> None:
    model = Recommender.named(name)(**LINEAR[name]).fit(data)
    assert isinstance(model, LinearRecommender)
    generator = torch.Generator().manual_seed(0)
    new = random_interactions(12, 20, 0.3, seed=9).train
    for history in (data.train, new):
        shares = torch.rand(5, history.nnz, generator=generator)
        shares /= shares.sum(0)
        whole = model.fold_in(history)
        parts = torch.stack([model.weigh(history, share) for share in shares])
        assert float((parts.sum(0) - whole).abs().max()) < 1e-5 * float(whole.abs().max())
        torch.testing.assert_close(
            model.weigh(history, torch.full((history.nnz,), 0.25)), whole / 4, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("name", ["graph_filter", "user_knn"])
def test_few_histories_at_a_time_score_as_all_at_once(
    monkeypatch: pytest.MonkeyPatch, name: str, data: Interactions
) -> None:
    model = Recommender.named(name)(**LINEAR[name]).fit(data)
    assert isinstance(model, LinearRecommender)
    shares = torch.rand(data.train.nnz, generator=torch.Generator().manual_seed(0))
    whole = model.weigh(data.train, shares)
    for module in ("linear", "user_knn"):
        monkeypatch.setattr(f"distaff_graph.controls.{module}.block_size", lambda n: 7)
    assert torch.equal(model.weigh(data.train, shares), whole)


@pytest.mark.parametrize("name", ["graph_filter", "rp3beta", "user_knn"])
def test_what_needs_only_the_interactions_is_saved_without_tensors(
    name: str, data: Interactions, tmp_path: Path
) -> None:
    model = Recommender.named(name)().fit(data)
    model.save(tmp_path / "model")
    assert not model.state()
    assert torch.equal(Recommender.load(tmp_path / "model").predict(EVERYONE), model.predict(EVERYONE))
