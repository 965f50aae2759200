"""Post-hoc factors: of the base model's scores, named by what is in the embeddings, and causes of what they explain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment, nnls

from distaff.testing.data import checkerboard, random_interactions
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.interactions import planted_interactions
from distaff_graph.controls.als import ALS
from distaff_graph.controls.ease import EASE
from distaff_graph.controls.ica import ICA
from distaff_graph.controls.lda import LDA
from distaff_graph.controls.posthoc import METHODS, PostHoc
from distaff_graph.controls.puresvd import PureSVD
from distaff_graph.controls.seminmf import SemiNMF
from distaff_graph.factorisation import independent_components, non_negative_weights

N_INTENTS = 4


def _clusters(n: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows near one of four orthogonal directions that are turned at random, and which."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.arange(n) % N_INTENTS
    turn, _ = torch.linalg.qr(torch.randn(N_INTENTS, N_INTENTS, generator=generator))
    size = 0.5 + torch.rand(n, 1, generator=generator)
    return (F.one_hot(own, N_INTENTS) * size + 0.05 * torch.randn(n, N_INTENTS, generator=generator)) @ turn, own


@pytest.mark.parametrize("method", ["varimax", "seminmf"])
def test_directions_of_groups_are_found_that_were_turned_away(method: str) -> None:
    rows, own = _clusters()
    found = METHODS[method](rows, N_INTENTS, 0)
    assert found.amounts.shape == (200, N_INTENTS)
    together = np.zeros((N_INTENTS, N_INTENTS))
    np.add.at(together, (own.numpy(), found.amounts.argmax(1).numpy()), 1)
    picked = linear_sum_assignment(-together)
    assert together[picked].sum() > 190
    misfit = (rows - found.amounts @ found.axes.T).norm() / rows.norm()
    assert float(misfit) < 0.1


@pytest.mark.parametrize("centred", [True, False])
def test_independent_sources_are_found_that_were_mixed(centred: bool) -> None:
    rng = np.random.default_rng(0)
    sources = rng.exponential(size=(3000, 3)) ** 1.5
    rows = torch.from_numpy(sources @ rng.normal(size=(3, 3))).float()
    found = independent_components(rows, 3, 0, centred=centred).amounts.numpy()
    together = np.corrcoef(sources.T, found.T)[:3, 3:]
    # The long tails point the same way, so that correlations are positive.
    assert together[linear_sum_assignment(-together)].min() > (0.95 if centred else 0.8)


def test_semi_nmf_is_non_negative_where_axes_may_have_any_sign() -> None:
    rows, _ = _clusters()
    found = METHODS["seminmf"](rows - 1.0, N_INTENTS, 0)
    assert bool((found.amounts >= 0).all())
    assert bool((found.axes < 0).any())


def test_non_negative_weights_are_those_of_non_negative_least_squares() -> None:
    generator = torch.Generator().manual_seed(1)
    axes = torch.randn(6, 3, generator=generator)
    rows = torch.randn(20, 6, generator=generator)
    found = non_negative_weights(rows @ axes, axes.T @ axes)
    expected = np.stack([nnls(axes.double().numpy(), row)[0] for row in rows.double().numpy()])
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-2)


@pytest.mark.parametrize("model", [ICA, SemiNMF, LDA])
def test_parts_of_all_intents_sum_to_the_score(model: type[ICA]) -> None:
    data = random_interactions(30, 20, 0.25)
    fitted = model(n_intents=4).fit(data)
    users = torch.tensor([7, 0, 7])
    parts = torch.stack([fitted.intent_scores(users, intent) for intent in range(4)])
    torch.testing.assert_close(parts.sum(0), fitted.predict(users), rtol=1e-4, atol=1e-5)


def test_ica_keeps_the_scores_of_puresvd() -> None:
    data = random_interactions(30, 20, 0.25)
    users = torch.arange(30)
    plain, turned = PureSVD(n_intents=4).fit(data), ICA(n_intents=4).fit(data)
    torch.testing.assert_close(turned.predict(users), plain.predict(users), rtol=1e-3, atol=1e-4)


def test_lda_agrees_with_scikit_learns_own_shares() -> None:
    from sklearn.decomposition import LatentDirichletAllocation

    data = checkerboard()
    settings = {"doc_topic_prior": 0.3, "topic_word_prior": 0.1, "max_iter": 30, "random_state": 0}
    reference = LatentDirichletAllocation(2, max_doc_update_iter=500, mean_change_tol=1e-6, **settings)
    expected = reference.fit(data.train.scipy()).transform(data.train.scipy())
    found = LDA(n_intents=2).fit(data, seed=0).state()["users"].numpy()
    np.testing.assert_allclose(found, expected, atol=0.02)


# ---------------------------------------------------------------------------------------------------- over a fitted model


@pytest.fixture(scope="module")
def planted() -> Interactions:
    events = planted_interactions(n_users=400, n_items=160, n_events=16_000, n_intents=N_INTENTS, seed=1).table()
    return Interactions.from_arrays(events["user"], events["item"])


@pytest.fixture(scope="module")
def base(planted: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "model"
    ALS(embedding_dim=8, confidence=5.0, reg=5.0).fit(planted).save(folder)
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_those_of_the_saved_model(planted: Interactions, base: Path, method: str) -> None:
    model = PostHoc(base=str(base), method=method, n_intents=8).fit(planted)
    users = torch.arange(planted.n_users)
    scores = ALS.load(base).predict(users)
    torch.testing.assert_close(model.predict(users), scores)
    if method != "seminmf":  # as many factors as dimensions leave nothing over
        parts = torch.stack([model.intent_scores(users, k) for k in range(8)]).sum(0)
        torch.testing.assert_close(parts, scores, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_taking_a_factor_away_lowers_its_own_top_items_more_than_others(
    planted: Interactions, base: Path, method: str
) -> None:
    model = PostHoc(base=str(base), method=method, n_intents=N_INTENTS).fit(planted)
    shares = model.intents()
    top = torch.zeros(planted.n_items, N_INTENTS, dtype=torch.bool).scatter_(
        0, shares.items.topk(20, dim=0).indices, torch.ones(20, N_INTENTS, dtype=torch.bool)
    )
    for k in range(N_INTENTS):
        followers = shares.users[:, k].topk(50).indices
        lost = model.intent_scores(followers, k).mean(0)
        others = top.any(1) & ~top[:, k]
        assert float(lost[top[:, k]].mean()) > 1.2 * float(lost[others].mean())
        assert float(lost[top[:, k]].mean()) > 0


def test_a_base_that_cannot_serve_is_refused(planted: Interactions, base: Path) -> None:
    with pytest.raises(InputError, match="neither a model's name nor the folder"):
        PostHoc(base="no/such/folder").fit(planted)
    with pytest.raises(InputError, match="other users or items"):
        PostHoc(base=str(base)).fit(checkerboard())
    with pytest.raises(UnsupportedError, match="ease has no embeddings"):
        PostHoc(base=EASE.name).fit(checkerboard())
