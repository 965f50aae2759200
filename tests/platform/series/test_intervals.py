"""Intervals: their coverage on panels of unequal scale, on series that drift, and what they are refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from distaff.series.intervals import LEVELS, calibrate
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.series import planted_series
from distaff_data.splits.series import divide
from distaff_timeseries.controls.pca import PCA
from distaff_timeseries.controls.raw_ridge import RawRidge


def walk(rng: np.random.Generator, spread: np.ndarray) -> np.ndarray:
    """Return a daily wave with autoregressive noise of a deviation that may change."""
    noise, rows = rng.normal(size=len(spread)) * spread, np.zeros(len(spread))
    for row in range(1, len(spread)):
        rows[row] = 0.7 * rows[row - 1] + noise[row]
    return rows + np.sin(2 * np.pi * np.arange(len(spread)) / 24)


def fitted(rows: np.ndarray, lengths: list[int]) -> RawRidge:
    data = divide(Series.from_rows(rows[:, None], lengths), "ratio:0.6,0.2,0.2")
    return RawRidge(seq_len=48, horizons=(12,)).fit(data, device="cpu")


def held(model: RawRidge) -> list[float]:
    table = model.coverage()
    totals = table.group_by("coverage").agg((pl.col("held") * pl.col("n")).sum() / pl.col("n").sum()).sort("coverage")
    shares: list[float] = totals["held"].to_list()
    return shares


def test_intervals_hold_for_every_entity_of_a_panel_of_unequal_scale() -> None:
    rng = np.random.default_rng(5)
    scales = np.geomspace(1, 1000, 8)
    model = fitted(np.concatenate([scale * walk(rng, np.ones(1000)) for scale in scales]), [1000] * 8)
    assert held(model) == pytest.approx(LEVELS, abs=0.02)
    table = model.coverage(levels=[0.9])
    assert table["entity"].to_list() == [str(entity) for entity in range(1, 9)]
    assert table["held"].to_numpy() == pytest.approx(0.9, abs=0.06)
    assert (table["width"].to_numpy() / scales) == pytest.approx(table["width"][0], rel=0.35)


def test_intervals_follow_a_series_whose_noise_grows() -> None:
    still, followed = [], []
    for seed in range(4):
        model = fitted(walk(np.random.default_rng(seed), np.exp(1.5 * np.arange(3000) / 3000)), [3000])
        intervals = model.intervals(12)
        still.append(float((intervals.test <= intervals.first(0.9).unsqueeze(1)).float().mean()))
        followed.append(held(model))
    assert np.mean(still) < 0.86  # what the validation windows alone would give
    assert np.mean(followed, axis=0) == pytest.approx(LEVELS, abs=0.02)


def test_the_crps_is_that_of_the_normal_distribution_for_normal_noise() -> None:
    noise = np.random.default_rng(1).normal(size=6000)
    data = divide(Series.from_rows(noise[:, None], [6000]), "ratio:0.2,0.4,0.4")
    metrics = RawRidge(seq_len=64, horizons=(1,)).fit(data, device="cpu").measure()[1].metrics
    assert metrics["crps"] == pytest.approx(1 / np.sqrt(np.pi), abs=0.03)  # of a forecast of the true distribution
    assert metrics["mase"] == pytest.approx(np.sqrt(2 / np.pi) / (2 / np.sqrt(np.pi)), abs=0.03)
    for level, z in zip(LEVELS, (1.2816, 1.6449, 1.96), strict=True):
        assert metrics[f"covered@{100 * level:.0f}"] == pytest.approx(level, abs=0.02)
        assert metrics[f"width@{100 * level:.0f}"] == pytest.approx(2 * z, abs=0.2)


def test_a_history_of_an_unknown_entity_gets_intervals_in_its_own_scale() -> None:
    rng = np.random.default_rng(5)
    model = fitted(np.concatenate([scale * walk(rng, np.ones(600)) for scale in (1, 1000)]), [600] * 2)
    new = 30 * walk(rng, np.ones(300))
    frame = model.forecast(12, series=Series.from_rows(new[:, None], [300], entities=["new"]))
    own = model.forecast(12)
    widths = (pl.concat([frame, own])["high"] - pl.concat([frame, own])["low"]).to_numpy().reshape(3, 12).mean(1)
    assert widths[0] / widths[1] == pytest.approx(30, rel=0.5)
    assert widths[2] / widths[1] == pytest.approx(1000, rel=0.5)


def test_a_constant_series_has_intervals_and_what_has_no_test_windows_says_so() -> None:
    model = fitted(np.full(400, 7.0), [400])
    frame = model.forecast(12)
    assert frame["low"].to_numpy() == pytest.approx(7.0, abs=1e-3)
    assert bool(torch.isfinite(calibrate(model, 12).first(0.9)).all())
    with pytest.raises(InputError, match="no test window"):
        model.coverage(300)
    with pytest.raises(InputError, match="between 0 and 1"):
        model.coverage(levels=[1.5])
    windows = PCA(n_components=2).fit(planted_series(n_windows=40, n_steps=8).series(), device="cpu")
    with pytest.raises(UnsupportedError, match="nothing after it"):
        windows.coverage()
