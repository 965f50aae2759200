from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from distaff.testing.data import checkerboard, random_interactions
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import UnsupportedError
from distaff_graph.controls import als as als_module
from distaff_graph.controls.als import ALS, solve_users
from distaff_graph.controls.ease import EASE
from distaff_graph.controls.inner_products import InnerProducts
from distaff_graph.controls.nmf import NMF, mix
from distaff_graph.controls.popularity import Popularity
from distaff_graph.controls.puresvd import PureSVD, right_singular_vectors
from distaff_graph.controls.varimax import Varimax
from distaff_graph.factorisation import varimax

EVERYONE = torch.arange(30)


@pytest.fixture(scope="module")
def data() -> Interactions:
    return random_interactions(30, 20, 0.25)


def test_popularity_counts_training_interactions(data: Interactions) -> None:
    scores = Popularity().fit(data).predict(torch.tensor([4, 9]))
    assert torch.equal(scores, data.train.dense().sum(0).repeat(2, 1))


# ------------------------------------------------------------------------------------------------------------------ EASE


@pytest.mark.parametrize("max_gb", [8.0, 10 * 20**2 / 1e9], ids=["double", "single"])
def test_ease_is_the_ridge_regression_of_each_item_on_the_others(data: Interactions, max_gb: float) -> None:
    x = data.train.dense().double().numpy()
    expected = np.zeros((20, 20))
    for j in range(20):
        others = np.delete(np.arange(20), j)
        a = x[:, others]
        expected[others, j] = np.linalg.solve(a.T @ a + 3.0 * np.eye(19), a.T @ x[:, j])
    model = EASE(penalty=3.0, max_gb=max_gb).fit(data)
    weights = model.state()["weights"]
    torch.testing.assert_close(weights, torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.predict(EVERYONE), torch.from_numpy(x @ expected).float(), rtol=1e-4, atol=1e-4)


def test_ease_mirrors_its_inverse_across_blocks_of_rows(monkeypatch: pytest.MonkeyPatch, data: Interactions) -> None:
    whole = EASE(penalty=3.0).fit(data).state()["weights"]
    monkeypatch.setattr("distaff_graph.controls.ease._ROWS", 7)
    assert torch.equal(EASE(penalty=3.0).fit(data).state()["weights"], whole)


def test_ease_never_predicts_an_item_that_nobody_took() -> None:
    users, items, splits = ["a", "b", "a"], ["x", "x", "cold"], ["train", "train", "test"]
    interactions = Interactions.from_arrays(users, items, splits)
    scores = EASE().fit(interactions).predict(torch.arange(2))
    assert bool((scores[:, interactions.item_positions(["cold"])] == 0).all())


def test_ease_says_how_much_memory_it_would_need(data: Interactions) -> None:
    with pytest.raises(UnsupportedError, match=r"ease needs .* GB for 20 items, above max_gb=1e-07; raise max_gb"):
        EASE(max_gb=1e-7).fit(data)


# --------------------------------------------------------------------------------------------------- PureSVD and varimax


def test_puresvd_equals_the_truncated_full_decomposition(data: Interactions) -> None:
    u, s, v = np.linalg.svd(data.train.dense().double().numpy(), full_matrices=False)
    expected = torch.from_numpy((u[:, :5] * s[:5]) @ v[:5]).float()
    torch.testing.assert_close(PureSVD(n_intents=5).fit(data).predict(EVERYONE), expected, rtol=1e-4, atol=1e-5)


def test_the_iterative_and_the_dense_decomposition_agree(monkeypatch: pytest.MonkeyPatch, data: Interactions) -> None:
    dense = right_singular_vectors(data.train, 4, seed=0)
    monkeypatch.setattr("distaff_graph.controls.puresvd._DENSE", 0)
    iterative = right_singular_vectors(data.train, 4, seed=0)
    assert torch.equal(iterative, right_singular_vectors(data.train, 4, seed=0))
    torch.testing.assert_close(iterative.abs(), dense.abs(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", [PureSVD, Varimax])
def test_more_intents_than_items_reproduce_the_training_matrix(model: type[PureSVD], data: Interactions) -> None:
    scores = model(n_intents=64).fit(data).predict(EVERYONE)
    torch.testing.assert_close(scores, data.train.dense(), rtol=0, atol=1e-4)


def test_signs_make_the_largest_loading_of_each_intent_positive(data: Interactions) -> None:
    for model in (PureSVD(n_intents=5), Varimax(n_intents=5)):
        items = model.fit(data).state()["items"]
        assert bool((items.amax(0) == items.abs().amax(0)).all())


def test_varimax_keeps_scores_and_orthogonality_and_only_turns(data: Interactions) -> None:
    plain, turned = PureSVD(n_intents=5).fit(data), Varimax(n_intents=5).fit(data)
    torch.testing.assert_close(turned.predict(EVERYONE), plain.predict(EVERYONE), rtol=1e-4, atol=1e-4)
    before, after = plain.state()["items"], turned.state()["items"]
    torch.testing.assert_close(after.T @ after, torch.eye(5), rtol=0, atol=1e-5)

    def simplicity(loadings: torch.Tensor) -> float:
        return float(loadings.square().var(0).sum())

    assert simplicity(after) > 1.2 * simplicity(before)


def test_varimax_finds_axes_that_were_rotated_away() -> None:
    generator = torch.Generator().manual_seed(0)
    simple = torch.zeros(90, 3)
    simple[torch.arange(90), torch.arange(90) % 3] = 1 + torch.rand(90, generator=generator)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator))
    rotation = varimax(simple @ turn)
    torch.testing.assert_close(rotation.T @ rotation, torch.eye(3, dtype=torch.float64))
    found = (simple @ turn).double() @ rotation
    # Each item loads on one column again: the axes are the planted ones up to order and sign.
    assert float(found.abs().sort(1).values[:, :2].max()) < 1e-3


def test_varimax_tells_the_blocks_of_a_checkerboard_apart_where_puresvd_mixes_them() -> None:
    board = checkerboard()
    block = torch.tensor([int(i) % 2 for i in board.item_ids.to_pylist()])
    shares = Varimax(n_intents=2).fit(board).factors().items
    assert bool((shares.argmax(1) == (block if shares[0].argmax() == block[0] else 1 - block)).all())
    assert float(shares.amax(1).min()) > 0.9


# ------------------------------------------------------------------------------------------------------------------- NMF


@pytest.mark.parametrize("init", ["nndsvda", "random"])
def test_nmf_is_non_negative_and_its_users_sum_to_their_activity(data: Interactions, init: str) -> None:
    tensors = NMF(n_intents=4, init=init).fit(data).state()
    assert all(bool((table >= 0).all()) for table in tensors.values())
    torch.testing.assert_close(tensors["items"].sum(0), torch.ones(4))
    # At the optimum of the divergence the expected total of each user is the observed one.
    torch.testing.assert_close(tensors["users"].sum(1), data.train.counts().float(), rtol=1e-4, atol=1e-3)


def test_nmf_weights_minimise_the_divergence_for_fixed_parts(data: Interactions) -> None:
    parts = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)).add_(0.05).double()
    w = mix(data.train, parts)
    x = data.train.dense().double()
    # Stationarity: the gradient is zero where a weight is positive and not negative where it is zero.
    gradient = parts.sum(0) - (x / (w @ parts.T)) @ parts
    assert float((gradient * w).abs().max()) < 0.05
    assert float(gradient[w < 1e-6].min()) > -0.05
    assert bool((gradient[w > 0.5].abs() < 0.05).all())


def test_nmf_agrees_with_scikit_learns_own_weights() -> None:
    from sklearn import decomposition

    board = checkerboard()
    reference = decomposition.NMF(2, solver="mu", beta_loss="kullback-leibler", init="nndsvda", max_iter=500, tol=1e-8)
    w = reference.fit_transform(board.train.scipy())
    model = NMF(n_intents=2, max_iterations=500).fit(board)
    expected = torch.from_numpy(w @ reference.components_).float()
    torch.testing.assert_close(model.predict(torch.arange(board.n_users)), expected, rtol=1e-3, atol=1e-3)


def test_nmf_does_not_know_a_user_without_history(data: Interactions) -> None:
    nobody = Csr(torch.zeros(2, dtype=torch.long), torch.empty(0, dtype=torch.int32), 20)
    assert bool((NMF(n_intents=4).fit(data).fold_in(nobody) == 0).all())


# ------------------------------------------------------------------------------------------------------------------- ALS


def test_als_users_solve_their_normal_equations(data: Interactions) -> None:
    items = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    found = solve_users(data.train, items, reg=0.5, confidence=8.0)
    table, x = items.double().numpy(), data.train.dense().double().numpy()
    for user in range(30):
        weights = 1.0 + 7.0 * x[user]
        left = (table * weights[:, None]).T @ table + 0.5 * np.eye(6)
        expected = np.linalg.solve(left, table.T @ (weights * x[user]))
        np.testing.assert_allclose(found[user].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_als_items_nearly_solve_theirs(data: Interactions) -> None:
    model = ALS(embedding_dim=3, n_iterations=200).fit(data)
    tensors = model.state()
    c = model.config
    expected = solve_users(data.train.transpose(), tensors["users"], c.reg, c.confidence)
    torch.testing.assert_close(tensors["items"], expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(("dim", "dtype"), [(2, torch.float64), (6, torch.float32), (40, torch.float64)])
def test_als_users_are_solved_by_history_or_by_vector_whichever_is_shorter(
    monkeypatch: pytest.MonkeyPatch, dim: int, dtype: torch.dtype
) -> None:
    data = random_interactions(30, 20, 0.4, seed=3)
    monkeypatch.setattr(als_module, "_ENTRIES", 500)  # several users at a time, and several times
    items = torch.randn(20, dim, generator=torch.Generator().manual_seed(0))
    shares = torch.rand(data.train.nnz, generator=torch.Generator().manual_seed(1))
    found = als_module.Solver(items, 0.5, 8.0, dtype).solve(data.train, shares)
    table, x = items.double().numpy(), data.train.dense().double().numpy()
    pull = data.train.dense().double().numpy()
    pull[data.train.row_index().numpy(), data.train.indices.numpy()] = shares.numpy()
    tolerance = 1e-5 if dtype == torch.float64 else 1e-3
    for user in range(30):
        left = (table * (1.0 + 7.0 * x[user])[:, None]).T @ table + 0.5 * np.eye(dim)
        expected = np.linalg.solve(left, 8.0 * table.T @ pull[user])
        np.testing.assert_allclose(found[user].numpy(), expected, rtol=tolerance, atol=tolerance / 10)


def test_als_solves_where_all_vectors_are_the_same_and_nobody_took_anything(data: Interactions) -> None:
    assert bool(solve_users(data.train, torch.ones(20, 2), 0.5, 8.0).isfinite().all())
    nobody = Csr(torch.zeros(3, dtype=torch.long), torch.empty(0, dtype=torch.int32), 20)
    assert torch.equal(solve_users(nobody, torch.ones(20, 2), 0.5, 8.0), torch.zeros(2, 2))


def test_als_never_raises_its_objective(data: Interactions) -> None:
    objectives = [_als_objective(ALS(embedding_dim=4, n_iterations=n).fit(data), data) for n in (1, 2, 4, 8, 16)]
    assert objectives == sorted(objectives, reverse=True)


def test_als_reaches_the_optimum_of_implicit() -> None:
    reference = pytest.importorskip("implicit.cpu.als")
    data = random_interactions(60, 40, 0.2, seed=5)
    model = ALS(embedding_dim=3, reg=2.0, confidence=6.0, n_iterations=100)
    best = min(_als_objective(model.fit(data, seed=seed), data) for seed in range(3))
    theirs = []
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for seed in range(3):
            peer = reference.AlternatingLeastSquares(
                3, regularization=2.0, alpha=6.0, iterations=300, random_state=seed
            )
            peer.fit(data.train.scipy(), show_progress=False)
            model.load_state(
                {"items": torch.from_numpy(peer.item_factors), "users": torch.from_numpy(peer.user_factors)}
            )
            theirs.append(_als_objective(model, data))
    assert best == pytest.approx(min(theirs), rel=2e-3)


def _als_objective(model: ALS, data: Interactions) -> float:
    users, items = (model.state()[side].double() for side in ("users", "items"))
    x = data.train.dense().double()
    c = model.config
    loss = (1.0 + (c.confidence - 1.0) * x) * (x - users @ items.T).square()
    return float(loss.sum() + c.reg * (users.square().sum() + items.square().sum()))


# --------------------------------------------------------------------------------------------------------------- intents


@pytest.mark.parametrize("model", [PureSVD, Varimax, NMF])
def test_parts_of_all_intents_sum_to_the_score(model: type[InnerProducts], data: Interactions) -> None:
    fitted = model(n_intents=4).fit(data)
    users = torch.tensor([7, 0, 7])
    parts = torch.stack([fitted.intent_scores(users, intent) for intent in range(4)])
    torch.testing.assert_close(parts.sum(0), fitted.predict(users), rtol=1e-4, atol=1e-5)
    # A user's share of an intent is its part of the sum of sizes.
    sizes = parts.abs().sum(2)
    torch.testing.assert_close(fitted.intents().users[users], (sizes / sizes.sum(0)).T, rtol=1e-4, atol=1e-5)


def test_shares_do_not_depend_on_how_a_product_is_divided(data: Interactions) -> None:
    fitted = NMF(n_intents=4).fit(data)
    before = fitted.intents()
    scale = torch.tensor([0.1, 1.0, 5.0, 100.0])
    tensors = fitted.state()
    fitted.load_state({"users": tensors["users"] * scale, "items": tensors["items"] / scale})
    torch.testing.assert_close(fitted.intents().users, before.users)
    torch.testing.assert_close(fitted.intents().items, before.items)
