"""Which factors other seeds find: closed forms, and planted intents."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment

from distaff.factors.stability import STABLE, compare_seeds, correlations
from distaff_data.datasets.interactions import Interactions
from distaff_data.planted.interactions import planted_interactions
from distaff_graph.controls.nmf import NMF


def _loadings(seed: int, n: int = 400, k: int = 6) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.full(k, 0.2), n)).float()


def test_the_same_factors_in_another_order_are_stable() -> None:
    ours = _loadings(0)
    noisy = (ours[:, [3, 1, 4, 0, 2, 5]] + 0.02 * torch.rand(400, 6)).clamp(min=0)
    found = compare_seeds(ours, {"other": noisy})
    assert found is not None
    assert set(found.badges) == {"stable"}
    assert found.likeness["other"].partner.tolist() == [3, 1, 4, 0, 2, 5]
    assert found.nulls[0] < 0.3


def test_a_factor_cut_in_two_is_split() -> None:
    ours = _loadings(1)
    half = torch.from_numpy(np.random.default_rng(1).random(400)).float() < 0.5
    theirs = torch.cat([ours[:, 1:], (ours[:, 0] * half).unsqueeze(1), (ours[:, 0] * ~half).unsqueeze(1)], 1)
    found = compare_seeds(ours, {"other": theirs})
    assert found is not None
    assert found.badges == ("split", *["stable"] * 5)
    assert found.split[0] == pytest.approx(1.0)


def test_a_rotation_is_the_same_subspace_but_no_factor_of_it() -> None:
    rng = np.random.default_rng(2)
    ours = torch.from_numpy(rng.normal(size=(500, 6)))
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    found = compare_seeds(ours, {"other": ours @ torch.from_numpy(rotation)})
    assert found is not None
    assert found.subspace == pytest.approx(np.ones(6))
    assert (found.split < found.subspace).all()
    assert "stable" not in found.badges


def test_unrelated_factors_are_seed_specific_and_near_their_null() -> None:
    found = compare_seeds(_loadings(3), {"a": _loadings(4), "b": _loadings(5)})
    assert found is not None
    assert set(found.badges) == {"seed-specific"}
    assert found.subspace.max() < found.nulls[2] + 0.05


def test_a_fit_without_randomness_tells_nothing() -> None:
    assert compare_seeds(_loadings(6), {"same": _loadings(6)}) is None
    assert compare_seeds(_loadings(6), {}) is None


def test_stable_factors_match_planted_intents() -> None:
    planted = planted_interactions(n_users=400, n_items=150, n_events=14_000, n_intents=6, noise=0.1, seed=0)
    table = planted.table()
    data = Interactions.from_arrays(table["user"].to_numpy(), table["item"].to_numpy())
    phi = torch.from_numpy(planted.phi[[int(i) for i in data.item_ids.to_pylist()]])
    fits = [
        NMF(n_intents=9, init="random", max_iterations=60).fit(data, seed=seed).intents().items for seed in range(10)
    ]
    stability: list[float] = []
    truth: list[float] = []
    badges: list[str] = []
    for number, ours in enumerate(fits):
        found = compare_seeds(ours, {str(n): theirs for n, theirs in enumerate(fits) if n != number})
        assert found is not None
        likeness = correlations(ours, phi)
        matched = np.zeros(9)
        rows, cols = linear_sum_assignment(-likeness)
        matched[rows] = likeness[rows, cols]
        stability += found.match.tolist()
        truth += matched.tolist()
        badges += found.badges
    rho = stats.spearmanr(stability, truth).statistic
    stable = [t for t, badge in zip(truth, badges, strict=True) if badge == "stable"]
    precision = float(np.mean(np.array(stable) > 0.5))
    print(f"Spearman {rho:.2f}, {len(stable)} of {len(truth)} stable at {STABLE}, precision {precision:.2f}")
    assert rho > 0.3
    assert len(stable) >= 30
    assert precision > 0.9
