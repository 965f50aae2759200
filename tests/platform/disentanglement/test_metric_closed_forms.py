"""Values known without data, and closed forms of what has one."""

from __future__ import annotations

import numpy as np
import pytest

from distaff.disentanglement import (
    active_units,
    beta_vae_score,
    cka,
    completeness,
    disentanglement,
    distance_correlation,
    factor_vae_score,
    info_m,
    info_mec,
    mcc,
    mig,
    mutual_information,
    pairwise_dependence,
    subspace_r2,
    total_correlation,
    udr,
)


def _equicorrelated(d: int, rho: float, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    alone, common = rng.standard_normal((n, d)), rng.standard_normal((n, 1))
    return np.asarray(np.sqrt(1 - rho) * alone + np.sqrt(rho) * common)


def test_importances_on_the_diagonal() -> None:
    assert disentanglement(np.eye(5)) == completeness(np.eye(5)) == pytest.approx(1.0)


def test_importances_of_codes_duplicated() -> None:
    k = 10
    twice = np.hstack([np.eye(k), np.eye(k)])
    assert disentanglement(twice) == pytest.approx(1.0)
    assert completeness(twice) == pytest.approx(1 - np.log(2) / np.log(2 * k))


def test_importances_of_codes_that_serve_two_of_ten_factors() -> None:
    shared = np.repeat(np.eye(5), 2, axis=0)
    assert disentanglement(shared) == pytest.approx(0.699, abs=0.0005)


def test_importances_of_nothing() -> None:
    nothing = np.zeros((3, 4))
    assert disentanglement(nothing) == completeness(nothing) == info_m(nothing) == 0.0


@pytest.mark.parametrize(("d", "rho"), [(2, 0.5), (2, 0.9), (8, 0.5)])
def test_total_correlation_of_equicorrelated_gaussians(d: int, rho: float) -> None:
    expected = -0.5 * (np.log(1 + (d - 1) * rho) + (d - 1) * np.log(1 - rho))
    assert expected == pytest.approx({(2, 0.5): 0.1438, (2, 0.9): 0.8304, (8, 0.5): 1.674}[d, rho], abs=0.001)
    assert total_correlation(_equicorrelated(d, rho, 40_000)).value == pytest.approx(expected, abs=0.04)


def test_total_correlation_has_its_bias_taken_away() -> None:
    values = [total_correlation(np.random.default_rng(s).standard_normal((1000, 64))).value for s in range(3)]
    assert np.mean(values) == pytest.approx(0.0, abs=0.05)  # 1.008 with it


def test_total_correlation_is_blind_to_a_rotated_square() -> None:
    square = np.random.default_rng(0).uniform(-1, 1, (20_000, 2)) @ np.array([[1, 1], [-1, 1]])
    assert total_correlation(square).value == pytest.approx(0.0, abs=0.001)
    assert 0.2 < pairwise_dependence(square).mutual_information < 1 - np.log(2)  # which is the truth; bins lose some


@pytest.mark.parametrize(("rho", "expected"), [(0.1, 0.0891), (0.3, 0.2690), (0.5, 0.4541), (0.9, 0.8682)])
def test_distance_correlation_of_a_bivariate_normal(rho: float, expected: float) -> None:
    squared = []
    for seed in range(4):
        x, e = np.random.default_rng(seed).standard_normal((2, 2000))
        squared.append(distance_correlation([x, rho * x + np.sqrt(1 - rho**2) * e]).value)
    assert np.mean(squared) == pytest.approx(expected**2, abs=0.02)


def test_distance_correlation_sees_what_correlation_does_not() -> None:
    x = np.random.default_rng(0).standard_normal(1000)
    assert distance_correlation([x, x**2]).value == pytest.approx(0.54**2, abs=0.05)


def test_distance_correlation_of_independent_chunks_is_nothing_over_all_pairs() -> None:
    chunks = list(np.random.default_rng(0).standard_normal((3, 500, 32)))
    found = distance_correlation(chunks)
    assert found.value == pytest.approx(0.0, abs=0.01)  # 0.447 without U-centring
    assert found.matrix.shape == (3, 3)
    assert np.diag(found.matrix) == pytest.approx(1.0)
    # The first and the third depend on each other, whom a look at neighbours alone would miss.
    chunks[2] = chunks[0] + 0.1 * chunks[2]
    assert distance_correlation(chunks).matrix[0, 2] > 0.9


def test_distance_correlation_ignores_rotation_and_scale_of_a_chunk_and_leaves_out_dead_ones() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 4))
    y = x + rng.standard_normal((300, 4))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    plain = distance_correlation([x, y]).value
    assert distance_correlation([100 * x @ turn, y]).value == pytest.approx(plain)
    dead = distance_correlation([x, y, np.ones((300, 4))])
    assert dead.value == pytest.approx(plain)
    assert dead.dead == 1


def test_distance_correlation_equals_the_direct_computation() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 40))
    n = 40

    def centred(v: np.ndarray) -> np.ndarray:
        a = np.abs(v[:, None] - v)
        out = a - a.sum(0) / (n - 2) - a.sum(1)[:, None] / (n - 2) + a.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(out, 0)
        return np.asarray(out)

    a, b = centred(x), centred(y)
    assert distance_correlation([x, y]).value == pytest.approx((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def test_interventional_scores_of_nothing_are_chance() -> None:
    noise = np.random.default_rng(0)
    for score in (factor_vae_score, beta_vae_score):
        found = score(lambda rng, n: rng.random((n, 5)), lambda x: noise.standard_normal((len(x), 6)))
        assert found.value == pytest.approx(0.2, abs=0.04)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= 0.2 <= found.high


def test_interventional_scores_of_a_single_factor() -> None:
    for score in (factor_vae_score, beta_vae_score):
        assert score(lambda rng, n: rng.random((n, 1)), lambda x: x).value == 1.0


def test_udr_of_a_model_with_itself_is_below_one_by_chance_correlations() -> None:
    z = np.random.default_rng(0).standard_normal((2000, 6))
    assert udr([z, z]).values == pytest.approx([0.925, 0.925], abs=0.02)
    assert udr([z, -z[:, ::-1]]).values == pytest.approx(udr([z, z]).values)


def test_the_same_subspace_with_other_axes_is_told_from_another_subspace() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((2000, 6))
    turned = z @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    assert cka(z, turned) == pytest.approx(1.0, abs=0.005)
    assert subspace_r2(z, turned) == pytest.approx(1.0)
    assert mcc(turned, z).value < 0.75
    other = rng.standard_normal((2000, 6))
    assert cka(z, other) == pytest.approx(0.003, abs=0.002)
    assert subspace_r2(z, other) == pytest.approx(0.003, abs=0.002)
    assert mcc(other, z).value == pytest.approx(0.03, abs=0.02)
    half = np.hstack([z[:, :3], other[:, :3]])
    assert cka(z, half) == pytest.approx(0.5, abs=0.03)
    assert subspace_r2(z, half) == pytest.approx(0.5, abs=0.03)
    assert mcc(half, z).value == pytest.approx(0.51, abs=0.02)


def test_similarity_with_dead_latents() -> None:
    z = np.random.default_rng(0).standard_normal((100, 3))
    assert cka(z, np.ones((100, 2))) == subspace_r2(z, np.ones((100, 2))) == 0.0
    assert udr([z, np.ones((100, 2))]).values.tolist() == [0.0, 0.0]


def test_pairwise_dependence_has_no_bias() -> None:
    found = pairwise_dependence(np.random.default_rng(0).standard_normal((4000, 10)))
    assert found.mutual_information == pytest.approx(0.0, abs=0.005)  # 0.045 with it
    related = pairwise_dependence(_equicorrelated(3, 0.5, 20_000))
    assert related.pearson == pytest.approx(0.5, abs=0.02)
    assert related.spearman == pytest.approx(6 / np.pi * np.arcsin(0.25), abs=0.02)


def test_active_mixed_and_passive() -> None:
    rng = np.random.default_rng(0)
    n = 1000
    means = np.stack([rng.standard_normal(n), rng.standard_normal(n), 0.01 * rng.standard_normal(n)], 1)
    variances = np.stack([np.full(n, 0.1), np.where(np.arange(n) < 300, 1.0, 0.1), np.full(n, 0.99)], 1)
    means[:300, 1] = 0
    found = active_units(means, variances)
    assert found.states == ("active", "mixed", "passive")
    assert found.n_active == 2
    assert active_units(means).states == ("active", "active", "passive")


def test_binned_information_equals_scikit_learns_plug_in() -> None:
    from sklearn.metrics import mutual_info_score

    rng = np.random.default_rng(0)
    z, s = rng.integers(0, 7, (500, 3)), rng.integers(0, 4, (500, 2))
    entropy = [mutual_info_score(column, column) for column in s.T]
    expected = [[mutual_info_score(a, b) / h for b in z.T] for a, h in zip(s.T, entropy, strict=True)]
    assert mutual_information(z, s) == pytest.approx(np.array(expected))


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    results = []
    for _ in range(40):
        x = rng.uniform(-1, 1, (1000, 2))
        z, s = x @ turn, ((x + 1) * 5).astype(int)
        results.append((mcc(z, x), mig(z, s), total_correlation(z + x)))
    for scores in zip(*results, strict=True):
        truth = np.mean([score.value for score in scores])
        assert np.mean([(score.low or 0.0) <= truth <= (score.high or 1.0) for score in scores]) >= 0.85


def test_intervals_narrow_with_the_square_root_of_rows() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for n in (4000, 64_000):
        x = rng.uniform(-1, 1, (n, 2))
        found = info_mec(x + 0.5 * x[:, ::-1], (x * 2).round().astype(int)).info_m
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.5)
