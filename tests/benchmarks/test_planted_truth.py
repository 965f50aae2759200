"""The truth that benchmarks compare with lies in the data's own order, and the oracle is a posterior."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from distaff.recommenders.intents import Intents
from distaff_data.datasets.csr import Csr
from distaff_data.planted.interactions import planted_interactions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.reproductions.planted_interactions")


def test_the_truth_itself_scores_1_and_every_candidate_has_a_row(
    planted: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    planting: Any = next(planted.plantings(1))
    intents = Intents(torch.from_numpy(planting.theta), torch.from_numpy(planting.phi))
    table = torch.from_numpy(planting.theta @ planting.chances.T).float()
    found = planted._scores(planting, intents, lambda users: table[users])
    assert [found[name] for name in ("user_mcc", "item_purity", "item_ami")] == pytest.approx([1.0, 1.0, 1.0])
    assert found["recall@20"] > 0.3
    monkeypatch.setattr(planted, "plantings", lambda _: iter([planting]))
    candidates = [c for c in planted.CANDIDATES if c.model in ("random", "popularity", "puresvd")]
    rows = planted.measure(candidates, 1)
    assert {(row["model"], row["metric"]) for row in rows if row["model"] == "popularity"} == {
        ("popularity", "recall@20"),
        ("popularity", "ndcg@20"),
    }
    by = {(row["model"], row["metric"]): row for row in rows}
    assert by["random", "user_mcc"]["value"] < 0.1
    assert by["puresvd", "recall@20"]["value"] > by["popularity", "recall@20"]["value"]
    assert all(row["control"] and row["std"] is None for row in rows)


def test_the_oracle_nears_the_truth_as_a_user_does_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    oracle = importlib.import_module("benchmarks.oracle")
    errors = []
    for n_events in (1500, 15_000):
        truth = planted_interactions(n_users=100, n_items=120, n_events=n_events, n_intents=3, seed=2)
        events = truth.table()
        users, items = (torch.from_numpy(events[side].to_numpy().copy()) for side in ("user", "item"))
        taken = Csr.from_pairs(users, items, 100, 120)
        chances = oracle.true_chances(truth, truth.phi, truth.popularity)
        np.testing.assert_allclose(chances.sum(0), 1.0)
        mix = oracle.posterior_mix(taken, 1.0, chances, truth, seed=0)
        np.testing.assert_allclose(mix.sum(1), 1.0)
        errors.append(float(np.square(mix - truth.theta).mean()))
    assert errors[1] < 0.5 * errors[0]
    assert errors[0] < 0.5 * float(np.square(truth.theta - truth.theta.mean(0)).mean())
