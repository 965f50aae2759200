"""Fixed features of windows, each against a slow reference from its paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from distaff.series.model import SeriesModel
from distaff_timeseries.controls.hydra import Hydra, counts
from distaff_timeseries.controls.multirocket import MultiRocket, summaries
from distaff_timeseries.controls.quant import Quant, intervals, quantiles, representations


def test_intervals_halve_the_window_and_are_moved_by_half() -> None:
    assert intervals(8) == [
        (0, 8),
        *[(0, 4), (4, 8), (2, 6)],
        *[(0, 2), (2, 4), (4, 6), (6, 8), (1, 3), (3, 5), (5, 7)],
        *[(i, i + 1) for i in range(8)],
    ]
    assert intervals(1) == [(0, 1)]


def test_quantiles_are_those_of_numpy_every_other_one_less_the_mean() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 13))
    expected = np.quantile(x, [0, 1 / 3, 2 / 3, 1], axis=2)
    expected[1::2] -= x.mean(2)
    assert quantiles(torch.from_numpy(x)).numpy() == pytest.approx(np.moveaxis(expected, 0, 2))
    assert quantiles(torch.from_numpy(x[:, :, :4]))[0, 0].item() == pytest.approx(np.median(x[0, 0, :4]))


def test_representations_are_the_window_its_differences_and_its_spectrum() -> None:
    x = np.random.default_rng(1).normal(size=11)
    raw, smooth, second, spectrum = representations(torch.from_numpy(x).view(1, 1, -1))
    padded = np.pad(np.diff(x), 2, mode="edge")
    assert raw[0, 0].numpy() == pytest.approx(x)
    assert smooth[0, 0].numpy() == pytest.approx([padded[i : i + 5].mean() for i in range(10)])
    assert second[0, 0].numpy() == pytest.approx(x[2:] - 2 * x[1:-1] + x[:-2])
    assert spectrum[0, 0].numpy() == pytest.approx(np.abs(np.fft.rfft(x)))


def test_summaries_are_those_of_a_slow_loop() -> None:
    maps = np.random.default_rng(2).normal(size=(3, 4, 17))
    maps[0, 0], maps[0, 1] = -1, 1
    found = summaries(torch.from_numpy(maps)).view(3, 4, 4).numpy()  # window, summary, kernel
    for window in range(3):
        for kernel in range(4):
            rows = maps[window, kernel]
            places = [i for i, value in enumerate(rows) if value > 0]
            longest = run = 0
            for value in rows:
                run = run + 1 if value > 0 else 0
                longest = max(longest, run)
            mean = sum(rows[i] for i in places) / len(places) if places else 0.0
            middle = sum(places) / len(places) / 17 if places else 0.0
            assert found[window, :, kernel] == pytest.approx([len(places) / 17, mean, middle, longest / 17])


def test_counts_are_those_of_a_slow_loop() -> None:
    responses = np.random.default_rng(3).normal(size=(2, 3, 4, 9))
    soft, hard = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    for b, g, t in np.ndindex(2, 3, 9):
        column = responses[b, g, :, t]
        soft[b, g, column.argmax()] += max(column.max(), 0)
        hard[b, g, column.argmin()] += 1
    expected = np.sqrt(np.concatenate([soft, hard], 2)).reshape(2, -1)
    assert counts(torch.from_numpy(responses)).numpy() == pytest.approx(expected)


@pytest.mark.parametrize("model", [Quant, Hydra, MultiRocket])
def test_shapes_are_told_apart_that_have_the_same_mean_and_spread(model: type[SeriesModel]) -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 2, 120)
    t = np.arange(40)
    phase = rng.uniform(0, 2 * math.pi, 120)[:, None]
    sine = np.sin(2 * np.pi * t / 10 + phase)
    square = np.sign(sine) / math.sqrt(2)
    x = np.where(codes[:, None] == 1, square, sine) + 0.05 * rng.normal(size=(120, 40))
    fitted = model().fit(x[:, :, None], [f"k{code}" for code in codes], device="cpu")
    assert fitted.measure()[1].metrics["accuracy"] > 0.95
