"""Plait: its score is the blend of its components, its intents split it exactly, and they are the planted ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment

from distaff.model import saving
from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard, random_interactions
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_data.planted.interactions import planted_interactions
from distaff_graph.controls.als import ALS
from distaff_graph.controls.ease import EASE
from distaff_graph.plait.mixture import fit_parts, mix
from distaff_graph.plait.model import Plait

EASE_AND_ALS = ("ease:penalty=5", "als:embedding_dim=8:reg=0.5:confidence=10")
ALL = (
    *EASE_AND_ALS,
    "gfcf:embedding_dim=4",
    "graph_filter:order=3",
    "item_knn:n_neighbours=5",
    "low_pass:embedding_dim=4",
    "puresvd:n_intents=4",
    "rp3beta",
)


def _given(weights: tuple[float, ...], intent_share: float) -> Plait:
    components = EASE_AND_ALS if len(weights) == 2 else ALL
    return Plait(components=components, weights=weights, intent_share=intent_share, n_intents=3)


@pytest.mark.parametrize(("weights", "share"), [((1, 3), 0.0), ((1.0, 1.5), 0.4), ((0, 1), 1.0)])
def test_score_is_the_blend_of_the_components_at_unit_length(weights: tuple[float, ...], share: float) -> None:
    data = checkerboard(36, 30, n_blocks=3)
    plait = _given(weights, share).fit(data)
    users = torch.arange(data.n_users)
    ease = EASE(penalty=5.0).fit(data).predict(users)
    factorised = ALS(embedding_dim=8, reg=0.5, confidence=10.0).fit(data).predict(users)
    parts = fit_parts(data.train, 3, torch.Generator().manual_seed(0))
    unit = [s / s.norm(dim=1, keepdim=True) for s in (ease, factorised, mix(data.train, parts) @ parts.T)]
    first = weights[0] / sum(weights)
    expected = (1 - share) * (first * unit[0] + (1 - first) * unit[1]) + share * unit[2]
    torch.testing.assert_close(plait.predict(users), expected, rtol=1e-4, atol=1e-5)
    assert list(plait.blend) == [*EASE_AND_ALS, "mixture"]
    assert sum(plait.blend.values()) == pytest.approx(1.0)
    assert plait.n_tried == 0


@pytest.fixture
def rough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mixture that is hardly fitted: parts sum to scores whatever the intents are."""
    for name, few in (("_STARTS", 1), ("_TRIAL", 3), ("_FINAL", 3)):
        monkeypatch.setattr(f"distaff_graph.plait.mixture.{name}", few)


@pytest.mark.usefixtures("rough")
@pytest.mark.parametrize("number", range(len(ALL)))
def test_parts_of_every_component_sum_to_its_score_with_nothing_left_over(number: int) -> None:
    data = random_interactions(20, 30, 0.2, seed=4)
    weights = tuple(float(i == number) for i in range(len(ALL)))
    _check_parts(_given(weights, 0.0).fit(data), data)


@pytest.mark.usefixtures("rough")
def test_parts_of_a_blend_with_its_mixture_sum_to_its_score() -> None:
    data = random_interactions(20, 30, 0.2, seed=4)
    _check_parts(_given((1.0,) * len(ALL), 0.2).fit(data), data)


def _check_parts(plait: Plait, data: Interactions) -> None:
    """The parts of users in training and of new ones, one intent at a time and all at once, sum to the score."""
    users = torch.arange(min(10, data.n_users))
    parts = torch.stack([plait.intent_scores(users, k) for k in range(3)], 1)
    together = plait.all_intent_scores(users)
    score = plait.predict(users)
    size = float(score.abs().max())
    assert float((parts.sum(1) - score).abs().max()) < 1e-5 * size
    assert float((together.sum(1) - score).abs().max()) < 1e-5 * size
    new = random_interactions(4, 30, 0.3, seed=8).train
    folded = plait.fold_in(new)
    for user in range(4):
        of_intents = plait.history_parts(new.take(torch.tensor([user])))
        assert float((of_intents.sum(1) - folded[user]).abs().max()) < 1e-5 * float(folded.abs().max())


def test_an_intents_part_lifts_the_items_of_its_own_block() -> None:
    data = checkerboard(36, 30, n_blocks=3)
    plait = _given((1.0, 2.0), 0.2).fit(data)
    of_items, of_users = plait.intents().items.argmax(1), plait.intents().users.argmax(1)
    users = torch.arange(data.n_users)
    for k in range(3):
        own, mine = of_items == k, of_users == k
        assert (int(own.sum()), int(mine.sum())) == (10, 12)
        part = plait.intent_scores(users, k)
        assert part[mine][:, own].mean() > 5 * part[mine][:, ~own].abs().mean()


def test_the_mixture_alone_is_a_blend_without_components() -> None:
    data = checkerboard(36, 30, n_blocks=3)
    plait = Plait(components=(), n_intents=3).fit(data)
    assert plait.blend == {"mixture": 1.0}
    parts = fit_parts(data.train, 3, torch.Generator().manual_seed(0))
    expected = mix(data.train, parts) @ parts.T
    expected /= expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(plait.predict(torch.arange(36)), expected, rtol=1e-4, atol=1e-6)
    _check_parts(plait, data)


def _match(truth: np.ndarray, found: np.ndarray) -> float:
    """Mean absolute correlation of planted and found mixes under the best one-to-one assignment."""
    n = truth.shape[1]
    correlation = np.abs(np.corrcoef(truth.T, found.T)[:n, n:])
    rows, cols = linear_sum_assignment(-correlation)
    return float(correlation[rows, cols].mean())


def test_planted_intents_are_recovered_from_binary_interactions() -> None:
    planted = planted_interactions(n_users=600, n_items=240, n_events=24_000, n_intents=4, seed=1)
    events = [batch.to_pydict() for batch in planted.events()]
    users, items = (np.concatenate([np.asarray(e[side]) for e in events]) for side in ("user", "item"))
    data = Interactions.from_arrays(users, items)
    model: Recommender = Plait(components=EASE_AND_ALS, weights=(1.0, 1.0), n_intents=4).fit(data)
    order = [int(i) for i in data.user_ids.to_pylist()]
    assert _match(np.asarray(planted.theta)[order], model.intents().users.numpy()) > 0.85


def test_a_model_that_0_1_saved_scores_as_it_did(tmp_path: Path) -> None:
    data = checkerboard(36, 30, n_blocks=3)
    before = {"penalty": 5.0, "embedding_dim": 8, "reg": 0.5, "confidence": 10.0, "n_intents": 3}
    today = Plait(**before, ease_share=0.25, intent_share=0.4).fit(data)
    vectors = ALS(embedding_dim=8, reg=0.5, confidence=10.0).fit(data).state()["items"]
    links = EASE(penalty=5.0).fit(data).state()["weights"]
    saved = {"links": links, "vectors": vectors, **{n: today.state()[n] for n in ("parts", "mass")}}
    restored = Plait(**before, ease_share=0.25, intent_share=0.4)
    restored.bind(data)
    restored.load_state(saved)
    everyone = torch.arange(data.n_users)
    torch.testing.assert_close(restored.predict(everyone), today.predict(everyone), rtol=1e-5, atol=1e-6)
    weights = dict(zip(("ease", "als", "mixture"), (0.25, 0.75 * 0.6, 0.75 * 0.4), strict=True))
    assert {name.partition(":")[0]: weight for name, weight in restored.blend.items()} == pytest.approx(weights)
    save_file(saved, tmp_path / "whole.safetensors")  # nothing in it needs more than tensors
    restored.save(tmp_path / "model")
    assert torch.equal(saving.load(tmp_path / "model").predict(everyone), restored.predict(everyone))


def test_single_settings_of_0_1_say_what_to_write() -> None:
    with pytest.raises(InputError, match=r"penalty was a setting of plait in 0\.1.*components=ease"):
        Plait(penalty=50)
