"""MiniRocket's kernels against their definition, and what follows from it."""

from __future__ import annotations

import itertools

import pytest
import torch

from distaff_timeseries.kernels import N_KERNELS, Kernels


def bank(n_channels: int = 2, length: int = 20, n_features: int = 3 * N_KERNELS, seed: int = 0) -> Kernels:
    return Kernels(n_channels, length, n_features, torch.Generator().manual_seed(seed))


def slow_maps(kernels: Kernels, x: torch.Tensor) -> list[torch.Tensor]:
    """Convolutions ``(84, T)`` of one window ``(T, C)``, tap by tap, rows outside the window counting 0."""
    weights = [[2 if i in chosen else -1 for i in range(9)] for chosen in itertools.combinations(range(9), 3)]
    found = []
    for place, dilation in enumerate(kernels.dilations):
        maps = torch.zeros(N_KERNELS, len(x))
        for k, t, i in itertools.product(range(N_KERNELS), range(len(x)), range(9)):
            at = t + (i - 4) * dilation
            if 0 <= at < len(x):
                maps[k, t] += weights[k][i] * (kernels.channels[place, k] * x[at]).sum()
        found.append(maps)
    return found


def test_proportions_are_shares_of_rows_above_thresholds() -> None:
    kernels, x = bank(length=18), torch.randn(3, 18, 2)
    kernels.learn_thresholds(torch.randn(40, 18, 2))
    whole, local = kernels.proportions(x), kernels.local_proportions(x, 5, 3)
    assert whole.shape == (3, kernels.n_features)
    assert local.shape == (3, (18 - 5) // 3 + 2, kernels.n_features)
    maps, feature, column = slow_maps(kernels, x[0]), 0, 0
    for place, count in enumerate(kernels.counts):
        for _ in range(count):
            for k in range(0, N_KERNELS, 7):
                above = (maps[place][k] > kernels.thresholds[k, column]).float()
                half = 4 * kernels.dilations[place]
                inner = (k + place) % 2 == 1 and 2 * half < 18
                expected = above[half : 18 - half].mean() if inner else above.mean()
                assert float(whole[0, feature + k]) == pytest.approx(float(expected), abs=1e-6)
                padded = torch.cat([above, above[-1:].repeat(3)])
                for patch in range(local.shape[1]):
                    share = padded[3 * patch : 3 * patch + 5].mean()
                    assert float(local[0, patch, feature + k]) == pytest.approx(float(share), abs=1e-6)
            feature, column = feature + N_KERNELS, column + 1


def test_thresholds_are_quantiles_so_that_shares_are_spread_evenly() -> None:
    kernels, x = bank(n_features=4 * N_KERNELS, length=40), torch.randn(400, 40, 2)
    kernels.learn_thresholds(x)
    shares = kernels.local_proportions(x, 40, 40)[:, 0].mean(0).sort().values
    torch.testing.assert_close(shares, torch.linspace(0, 1, len(shares)), rtol=0, atol=0.03)


@pytest.mark.parametrize(("length", "most"), [(1, 1), (9, 1), (18, 2), (130, 16)])
def test_dilations_reach_over_the_window_at_most_once(length: int, most: int) -> None:
    kernels = bank(length=length, n_features=40 * N_KERNELS)
    assert (kernels.dilations[0], kernels.dilations[-1]) == (1, most)
    assert sum(kernels.counts) == 40
    kernels.learn_thresholds(torch.randn(4, length, 2))
    assert bool(torch.isfinite(kernels.proportions(torch.randn(2, length, 2))).all())


def test_kernels_sum_to_zero_so_that_level_tells_at_the_borders_alone() -> None:
    kernels, x = bank(n_channels=1, length=60), torch.randn(2, 60, 1, dtype=torch.float64)
    first, second = (kernels._maps(values.float()) for values in (x, x + 3))
    for (own, inside), (moved, _) in zip(first, second, strict=True):
        inner = inside[(~inside).any(1).nonzero()[0, 0]]
        torch.testing.assert_close(own[:, :, inner], moved[:, :, inner], rtol=0, atol=1e-3)


def test_channels_are_few_more_often_than_many_and_at_least_one() -> None:
    drawn = bank(n_channels=20, length=200, n_features=32 * N_KERNELS).channels.sum(2)
    assert (int(drawn.min()), int(drawn.max())) == (1, 9)
    assert float((drawn <= 3).float().mean()) == pytest.approx(0.6, abs=0.05)  # log2(4) / log2(10)
