"""Plait: its score is the blend of its strands, its intents split it exactly, and they are the planted ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard
from distaff_data.datasets.interactions import Interactions
from distaff_data.planted.interactions import planted_interactions
from distaff_graph.controls.als import ALS
from distaff_graph.controls.ease import EASE
from distaff_graph.plait.mixture import fit_parts, mix
from distaff_graph.plait.model import Plait

SETTINGS = {"penalty": 5.0, "embedding_dim": 8, "reg": 0.5, "confidence": 10.0, "n_intents": 3}


def _fitted() -> tuple[Plait, Interactions]:
    data = checkerboard(36, 30, n_blocks=3)
    return Plait(**SETTINGS, ease_share=0.25, intent_share=0.3).fit(data), data


@pytest.mark.parametrize(("ease_share", "intent_share"), [(0.25, 0.0), (0.25, 0.4), (0.0, 1.0)])
def test_score_is_the_blend_of_three_strands_at_unit_length(ease_share: float, intent_share: float) -> None:
    data = checkerboard(36, 30, n_blocks=3)
    plait = Plait(**SETTINGS, ease_share=ease_share, intent_share=intent_share).fit(data)
    users = torch.arange(data.n_users)
    ease = EASE(penalty=5.0).fit(data).predict(users)
    factorised = ALS(embedding_dim=8, reg=0.5, confidence=10.0).fit(data).predict(users)
    parts = fit_parts(data.train, 3, torch.Generator().manual_seed(0))
    components = (ease, factorised, mix(data.train, parts) @ parts.T)
    unit = [score / score.norm(dim=1, keepdim=True) for score in components]
    rest = 1.0 - ease_share
    expected = ease_share * unit[0] + rest * ((1.0 - intent_share) * unit[1] + intent_share * unit[2])
    torch.testing.assert_close(plait.predict(users), expected, rtol=1e-4, atol=1e-5)


def test_parts_of_all_intents_sum_to_the_score_with_nothing_left_over() -> None:
    plait, data = _fitted()
    users = torch.arange(data.n_users)
    parts = torch.stack([plait.intent_scores(users, k) for k in range(3)])
    torch.testing.assert_close(parts.sum(0), plait.predict(users), rtol=1e-4, atol=1e-5)


def test_an_intents_part_lifts_the_items_of_its_own_block() -> None:
    plait, data = _fitted()
    of_items, of_users = plait.intents().items.argmax(1), plait.intents().users.argmax(1)
    users = torch.arange(data.n_users)
    for k in range(3):
        own, mine = of_items == k, of_users == k
        assert (int(own.sum()), int(mine.sum())) == (10, 12)
        part = plait.intent_scores(users, k)
        assert part[mine][:, own].mean() > 5 * part[mine][:, ~own].abs().mean()


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
    model: Recommender = Plait(**(SETTINGS | {"n_intents": 4})).fit(data)
    order = [int(i) for i in data.user_ids.to_pylist()]
    assert _match(np.asarray(planted.theta)[order], model.intents().users.numpy()) > 0.85
