"""Simple forecasts in closed form, and the blend of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from distaff.series.model import SeriesModel
from distaff.testing.data import waves
from distaff_data.datasets.series import Series
from distaff_data.splits.series import divide
from distaff_timeseries.blend import ForecastBlend
from distaff_timeseries.controls.naive import Drift, Naive
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.controls.seasonal_naive import SeasonalNaive
from distaff_timeseries.controls.sparse_linear import SparseLinear
from distaff_timeseries.shares import least_squares_shares


def test_naive_and_drift_read_the_measured_values_alone() -> None:
    values = torch.tensor([9.0, 1.0, 2.0, 3.0, 9.0]).view(1, 5, 1).repeat(1, 1, 2)
    mask = torch.tensor([False, True, True, True, False]).view(1, 5, 1).repeat(1, 1, 2)
    mask[:, :, 1] = False
    assert Naive().forecast_windows(values * mask, mask, 3)[0].tolist() == [[3, 0]] * 3
    assert Drift().forecast_windows(values * mask, mask, 3)[0].tolist() == [[5, 0], [6, 0], [7, 0]]


def walk(n: int = 1500) -> Series:
    rows = np.random.default_rng(4).normal(size=n).cumsum()
    return divide(Series.from_rows(rows[:, None], [n]), "ratio:0.5,0.25,0.25")


def test_the_season_is_the_one_that_forecasts_validation_windows() -> None:
    assert SeasonalNaive(seq_len=48, horizons=(12,)).fit(waves(), device="cpu").season == 12
    assert SeasonalNaive(seq_len=48, horizons=(12,)).fit(walk(), device="cpu").season == 1


def test_sparse_linear_goes_on_with_a_wave_that_grows_with_few_parameters(tmp_path: Path) -> None:
    t = np.arange(900)
    rows = (1 + t / 300) * np.sin(2 * np.pi * t / 12) + t / 50
    data = divide(Series.from_rows(rows[:, None], [900]), "ratio:0.6,0.2,0.2")
    model = SparseLinear(seq_len=48, horizons=(24,)).fit(data, device="cpu")
    assert model.period == 12
    assert model.measure()[1].metrics["mse"] < 1e-3
    assert sum(tensor.numel() for name, tensor in model.encoder_state().items() if name != "period") == 9 * 2
    expected = (1 + np.arange(900, 930) / 300) * np.sin(2 * np.pi * np.arange(900, 930) / 12) + np.arange(900, 930) / 50
    found = model.forecast(30)  # no whole number of seasons
    assert found["value"].to_numpy() == pytest.approx(expected, abs=0.3)
    model.save(tmp_path / "m")
    assert SeriesModel.load(tmp_path / "m").forecast(30).equals(found)


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_the_least_of_the_simplex(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(30, 4)) * [1, 2, 1, 3] + rng.normal(size=(30, 1))
    gram = torch.from_numpy(rows.T @ rows)
    shares = least_squares_shares(gram).double()
    assert float(shares.sum()) == pytest.approx(1, abs=1e-6)
    others = torch.from_numpy(rng.dirichlet(np.full(4, 0.3), size=20_000))
    assert float(shares @ gram @ shares) <= float(((others @ gram) * others).sum(1).min()) * (1 + 1e-6)


def test_a_blend_is_no_worse_than_any_component_on_validation_and_says_what_carries_it() -> None:
    t = np.arange(1500)
    season = 5 * np.sin(2 * np.pi * t / 24) + 0.5 * np.random.default_rng(2).normal(size=1500)
    rows = np.stack([season, walk().values[:, 0].numpy()], 1)
    data = divide(Series.from_rows(rows, [1500]), "ratio:0.5,0.25,0.25")
    settings = {"seq_len": 48, "horizons": (8,)}
    blend = ForecastBlend(**settings).fit(data, device="cpu")
    measured = {m.split: m.metrics["mse"] for m in blend.measure()}
    others = [c(**settings).fit(data, device="cpu") for c in (RawRidge, SparseLinear, SeasonalNaive, Naive, Drift)]
    single = [{m.split: m.metrics["mse"] for m in model.measure()} for model in others]
    assert measured["valid"] <= min(one["valid"] for one in single) * (1 + 1e-5)
    assert measured["test"] <= min(one["test"] for one in single) * 1.05
    weights = blend.weights()
    assert float(weights["naive"][:, 0].mean()) < 0.05  # of no use for a season
    assert [line.partition(":")[0] for line in blend.notes()] == ["c1", "c2"]
