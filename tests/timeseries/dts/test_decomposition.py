"""The parts of the divergence against closed forms of a linear-Gaussian encoder, and against all mini-batches there are."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distaff_timeseries.dts.decomposition import Estimator, decompose, gaussian_log_density, log_weights

BOTH: tuple[Estimator, ...] = ("weighted", "stratified")


def encoded(n: int, mixing: Tensor, noise: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Draws, means and log variances of z = A x + noise, x standard normal."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, mixing.shape[1], generator=generator, dtype=torch.float64)
    mean = x @ mixing.T
    logvar = torch.full_like(mean, 2 * math.log(noise))
    return mean + noise * torch.randn(mean.shape, generator=generator, dtype=torch.float64), mean, logvar


def test_parts_of_a_linear_gaussian_encoder_are_those_of_the_closed_form() -> None:
    mixing, noise = torch.tensor([[0.9, 0.3], [0.4, -0.7]], dtype=torch.float64), 0.5
    z, mean, logvar = encoded(2500, mixing, noise)
    found = decompose(z, mean, logvar, len(z))
    covariance = mixing @ mixing.T + noise**2 * torch.eye(2, dtype=torch.float64)
    own, whole = covariance.diag(), torch.logdet(covariance)
    assert found.information.item() == pytest.approx(0.5 * float(whole) - 2 * math.log(noise), abs=0.05)
    assert found.total_correlation.item() == pytest.approx(0.5 * float(own.log().sum() - whole), abs=0.03)
    torch.testing.assert_close(found.dimension_kl, 0.5 * (own - 1 - own.log()), atol=0.05, rtol=0)


def test_total_correlation_of_independent_latents_is_nothing_and_of_copies_is_not() -> None:
    apart = decompose(*encoded(2000, torch.eye(2, dtype=torch.float64), 0.5), 2000)
    assert abs(apart.total_correlation.item()) < 0.05
    same = decompose(*encoded(2000, torch.ones(2, 1, dtype=torch.float64), 0.5), 2000)
    assert same.total_correlation.item() > 0.4


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 100), st.integers(0, 10_000), st.sampled_from(BOTH))
def test_parts_sum_to_the_divergence_whatever_the_estimator(
    m: int, k: int, more: int, seed: int, estimator: Estimator
) -> None:
    generator = torch.Generator().manual_seed(seed)
    z, mean, logvar = (torch.randn(m, k, generator=generator, dtype=torch.float64) for _ in range(3))
    found = decompose(z, mean, logvar, m + more, estimator)
    prior = -0.5 * (math.log(2 * math.pi) + z.square())
    divergence = (gaussian_log_density(z, mean, logvar) - prior).sum(1).mean()
    total = found.information + found.total_correlation + found.dimension_kl.sum()
    torch.testing.assert_close(total, divergence)


@pytest.mark.parametrize(("estimator", "most"), [("stratified", math.log(500)), ("weighted", math.log(500 * 16))])
def test_information_never_passes_what_a_data_set_can_hold(estimator: Estimator, most: float) -> None:
    mean = 100 * torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    found = decompose(mean, mean, torch.full_like(mean, -9.0), 500, estimator)
    assert found.information.item() == pytest.approx(most, rel=1e-5)


def test_stratified_weights_are_unbiased_over_all_batches_and_exact_for_the_whole() -> None:
    n, m = 6, 3
    generator = torch.Generator().manual_seed(1)
    density = torch.rand(n, n, generator=generator, dtype=torch.float64)  # q(z_i | x_j)
    weights = log_weights(m, n, "stratified", density).exp()
    for i in range(n):
        others = [j for j in range(n) if j != i]
        estimates = [(weights[0] * density[i, [i, *chosen]]).sum() for chosen in combinations(others, m - 1)]
        assert torch.stack(estimates).mean().item() == pytest.approx(density[i].mean().item())
    torch.testing.assert_close(log_weights(n, n, "stratified", density).exp(), torch.full((n, n), 1 / n).double())


def test_weighted_sampling_is_below_by_the_logarithm_of_the_batch() -> None:
    z, mean, logvar = encoded(400, torch.eye(2, dtype=torch.float64), 0.5)
    exact, biased = (decompose(z, mean, logvar, 400, estimator) for estimator in ("stratified", "weighted"))
    assert biased.information.item() - exact.information.item() == pytest.approx(math.log(400))
    torch.testing.assert_close(exact.dimension_kl - biased.dimension_kl, torch.full((2,), math.log(400)).double())
