"""Controls of series: closed forms and known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted_series import planted_series
from distaff_data.series import Series
from distaff_data.series_splits import divide
from distaff_timeseries.controls.pca import PCA
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.controls.seasonal_naive import SeasonalNaive


def waves(n: int = 400, period: int = 12, noise: float = 0.0) -> Series:
    rng = np.random.default_rng(0)
    t = np.arange(n)[:, None]
    rows = 5 + np.sin(2 * np.pi * t / period + np.array([0, 1])) + noise * rng.normal(size=(n, 2))
    return divide(Series.from_rows(rows, [n]), "ratio:0.6,0.2,0.2")


def test_seasonal_naive_finds_the_season_and_repeats_it() -> None:
    model = SeasonalNaive(seq_len=48, horizons=(5, 20)).fit(waves(noise=0.05), device="cpu")
    assert model.season == 12
    clean = SeasonalNaive(seq_len=48, horizons=(20,)).fit(waves(), device="cpu")
    assert clean.measure()[1].metrics["mse"] == pytest.approx(0, abs=1e-9)
    found = clean.forecast(horizon=3)
    t = np.arange(400, 403)
    expected = 5 + np.sin(2 * np.pi * t[:, None] / 12 + np.array([0, 1]))
    assert found["value"].to_numpy().reshape(3, 2) == pytest.approx(expected, abs=1e-4)
    assert found["time"].to_pylist() == [400, 400, 401, 401, 402, 402]


def test_seasonal_naive_takes_the_latest_measured_value() -> None:
    model = SeasonalNaive(seq_len=9, season=3, horizons=(3,)).fit(waves(), device="cpu")
    values = torch.arange(9.0).view(1, 9, 1).repeat(1, 1, 2)
    mask = torch.ones_like(values, dtype=torch.bool)
    mask[0, 7, 0] = False  # place 1 of the last season: the season before has it
    assert model.predict(values * mask, mask, 4)[0].tolist() == [[6, 6], [4, 7], [8, 8], [6, 6]]


def test_seasonal_naive_refuses_labels_and_too_long_a_season() -> None:
    with pytest.raises(InputError, match="cannot tell the classes"):
        SeasonalNaive().fit(planted_series(n_windows=40, n_steps=8).series(), device="cpu")
    with pytest.raises(InputError, match="does not fit"):
        SeasonalNaive(seq_len=10, season=11).fit(waves(), device="cpu")
    model = SeasonalNaive(seq_len=24).fit(waves(), device="cpu")
    with pytest.raises(UnsupportedError):
        model.embed()


def test_raw_ridge_continues_a_wave_that_it_never_saw_so_far() -> None:
    metrics = RawRidge(seq_len=36, horizons=(6, 24)).fit(waves(800), device="cpu").measure()[1].metrics
    assert metrics["mse@24"] < 1e-4
    assert metrics["mse"] == pytest.approx((metrics["mse@6"] + metrics["mse@24"]) / 2)


def test_pca_finds_level_and_slope_but_not_the_regime() -> None:
    planted = planted_series(n_windows=800, seed=2)
    model = PCA(n_components=6).fit(planted.series(), device="cpu")
    table = model.embed()
    scores = np.stack(table["values"].to_numpy(zero_copy_only=False))
    design = np.c_[scores, np.ones(len(scores))]

    def explained(name: str) -> float:
        truth = planted.factors[name]
        fitted = design @ np.linalg.lstsq(design, truth, rcond=None)[0]
        return float(1 - ((truth - fitted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())

    assert explained("level") > 0.9
    assert explained("regime") < 0.1


def test_pca_scores_are_those_of_the_decomposition() -> None:
    data = planted_series(n_windows=60, n_steps=10, n_channels=2).series()
    model = PCA(n_components=3).fit(data, device="cpu")
    assert model.scaler is not None
    x = model.scaler.apply(data.values, data.mask).reshape(60, -1).double().numpy()
    train = (data.splits[data.offsets[:-1]] == 0).numpy()
    centred = x - x[train].mean(0)
    _, _, v = np.linalg.svd(centred[train], full_matrices=False)
    found = np.stack(model.embed()["values"].to_numpy(zero_copy_only=False))
    assert np.abs(found) == pytest.approx(np.abs(centred @ v[:3].T), abs=1e-4)
