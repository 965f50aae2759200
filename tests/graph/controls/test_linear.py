"""The linear controls against dense references, and the linearity that Plait's parts rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distaff.recommenders.base import Recommender
from distaff.testing.data import random_interactions
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls import item_knn as item_knn_module
from distaff_graph.controls.graph_filter import GFCF, GraphFilter
from distaff_graph.controls.item_knn import ItemKNN
from distaff_graph.controls.linear import LinearRecommender
from distaff_graph.controls.rp3beta import RP3Beta

LINEAR: dict[str, dict[str, Any]] = {
    "als": {"embedding_dim": 6},
    "ease": {"penalty": 3.0},
    "gfcf": {"embedding_dim": 5},
    "graph_filter": {"order": 3, "item_exponent": 0.7},
    "item_knn": {"n_neighbours": 4},
    "puresvd": {"n_intents": 5},
    "rp3beta": {"alpha": 0.8},
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


@pytest.mark.parametrize("name", ["graph_filter", "rp3beta"])
def test_what_needs_only_the_interactions_is_saved_without_tensors(
    name: str, data: Interactions, tmp_path: Path
) -> None:
    model = Recommender.named(name)().fit(data)
    model.save(tmp_path / "model")
    assert not model.state()
    assert torch.equal(Recommender.load(tmp_path / "model").predict(EVERYONE), model.predict(EVERYONE))
