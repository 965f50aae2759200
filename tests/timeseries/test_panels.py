"""Default forecasts on panels: unequal scale, entities of other kinds, short and mixed lengths."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import with_future
from distaff_data.ingest.frames import from_frame
from distaff_data.splits.series import divide, with_room
from distaff_timeseries.blend import ForecastBlend
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.controls.theta import Theta, smoothed
from distaff_timeseries.entity_ridge import fit_entity_ridges
from distaff_timeseries.filled_ridge import filled
from distaff_timeseries.shares import drawn_together


def long_frame(entities: list[np.ndarray]) -> pl.DataFrame:
    start = datetime(2024, 1, 1)
    return pl.concat(
        [
            pl.DataFrame(
                {"unique_id": f"s{i}", "ds": [start + timedelta(hours=h) for h in range(len(rows))], "y": rows}
            )
            for i, rows in enumerate(entities)
        ]
    )


def wave(rng: np.random.Generator, n: int = 300) -> np.ndarray:
    return 3 + np.sin(2 * np.pi * np.arange(n) / 12) + 0.1 * rng.normal(size=n)


def test_what_is_forecast_of_an_entity_does_not_depend_on_its_scale_nor_on_that_of_the_others() -> None:
    rng = np.random.default_rng(0)
    entities = [wave(rng) for _ in range(4)]
    scales = [1.0, 1e-4, 1e4, 1.0]
    alike, unequal = (
        ForecastBlend(seq_len=24, horizons=(6,)).fit(long_frame(frames), device="cpu")
        for frames in (entities, [scale * rows for scale, rows in zip(scales, entities, strict=True)])
    )
    expected = alike.forecast()["value"].to_numpy().reshape(4, 6)
    found = unequal.forecast()["value"].to_numpy().reshape(4, 6) / np.array(scales)[:, None]
    assert found == pytest.approx(expected, rel=1e-3)
    errors = [dict(model.measure()[1].metrics) for model in (alike, unequal)]
    assert errors[1]["mase"] == pytest.approx(errors[0]["mase"], rel=1e-3)
    assert errors[1]["mse"] == pytest.approx(errors[0]["mse"], rel=1e-3)


def test_every_entity_of_thirty_rows_is_forecast_and_the_error_is_measured(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    entities = [10.0**i * (5 + rng.normal(size=30)) for i in range(6)]
    model = ForecastBlend(horizons=(5,)).fit(long_frame(entities), device="cpu")
    assert {m.split for m in model.measure()} == {"valid", "test"}
    found = model.forecast()
    assert found["entity"].unique().sort().to_list() == [f"s{i}" for i in range(6)]
    assert found["value"].to_numpy().reshape(6, 5).mean(1) == pytest.approx([r.mean() for r in entities], rel=0.3)
    model.save(tmp_path / "m")
    assert SeriesModel.load(tmp_path / "m").forecast().equals(found)


def test_a_short_entity_is_forecast_beside_long_ones() -> None:
    rng = np.random.default_rng(2)
    entities = [wave(rng, 400), wave(rng, 400), 100 * wave(rng, 40)]
    found = ForecastBlend(horizons=(6,)).fit(long_frame(entities), device="cpu").forecast()
    last = found.filter(pl.col("entity") == "s2")["value"].to_numpy()
    expected = 100 * (3 + np.sin(2 * np.pi * np.arange(40, 46) / 12))
    assert last == pytest.approx(expected, abs=40)


def test_new_series_are_scaled_by_themselves_and_known_ones_as_they_were() -> None:
    rng = np.random.default_rng(3)
    model = RawRidge(seq_len=24, horizons=(6,)).fit(long_frame([wave(rng), 50 * wave(rng)]), device="cpu")
    stranger = 1e5 * wave(rng, 100)
    fresh = long_frame([wave(rng), 50 * wave(rng)]).with_columns(
        pl.when(pl.col("unique_id") == "s1").then(pl.lit("s1")).otherwise(pl.lit("new")).alias("unique_id")
    )
    fresh = pl.concat([fresh.filter(pl.col("unique_id") == "s1"), long_frame([stranger])])
    fresh = fresh.with_columns(pl.col("unique_id").replace("s0", "new"))
    series = from_frame(fresh)
    scaler = model.scaler_for(series, torch.arange(2), of="rows")
    assert model.scaler is not None
    assert torch.equal(scaler.std[0], model.scaler.std[1])
    assert float(scaler.std[1]) == pytest.approx(stranger.std(), rel=1e-5)
    value = model.forecast(series=fresh).filter(pl.col("entity") == "new")["value"].to_numpy()
    assert value == pytest.approx(1e5 * (3 + np.sin(2 * np.pi * np.arange(100, 106) / 12)), rel=0.1)


def test_every_entity_gets_validation_rows_for_its_horizon_and_test_rows_stay() -> None:
    data = divide(Series.from_rows(np.arange(182.0)[:, None], [100, 30, 40, 12]), "ratio:0.7,0.1,0.2")
    wider = with_room(data, 6)
    counts = [
        [int((wider.splits[a:b] == split).sum()) for split in range(3)]
        for a, b in zip(data.offsets[:-1].tolist(), data.offsets[1:].tolist(), strict=True)
    ]
    assert counts == [[70, 10, 20], [18, 6, 6], [26, 6, 8], [8, 2, 2]]  # the last has too few rows to train on
    assert torch.equal(data.rows_of("test"), wider.rows_of("test"))
    for a, b in zip(data.offsets[:-1].tolist(), data.offsets[1:].tolist(), strict=True):
        assert wider.splits[a:b].tolist() == sorted(wider.splits[a:b].tolist())


def test_windows_of_a_short_entity_begin_before_it_with_missing_rows() -> None:
    data = divide(Series.from_rows(np.arange(1.0, 311.0)[:, None], [10, 300]), "ratio:0.6,0.2,0.2")
    windows = with_future(data, 8, 2, "test")
    values, mask = windows.take(torch.arange(len(windows)))
    assert windows.starts[windows.entities == 0].tolist() == [0]
    early = with_future(data, 20, 2, "test")
    assert early.starts[early.entities == 0].tolist() == [-12]
    values, mask = early.take(torch.zeros(1, dtype=torch.long))
    assert values[0, :, 0].tolist() == [0] * 12 + [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert mask[0, :, 0].tolist() == [False] * 12 + [True] * 10
    assert int((early.starts < data.offsets[early.entities]).sum()) == 1  # the long one's lie inside of it


def test_smoothing_is_that_of_a_slow_loop() -> None:
    rng = np.random.default_rng(4)
    values, mask = rng.normal(size=40).cumsum(), rng.random(40) < 0.8
    best = (np.inf, 0.0, 0.0)
    for rate in (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0):
        last, error = float(values[mask][0]), 0.0
        for value in values[mask][1:].tolist():
            error += (value - last) ** 2
            last += rate * (value - last)
        best = min(best, (error, rate, last))
    there = torch.from_numpy(mask).view(1, -1, 1)
    smooth, chosen, seen = smoothed(torch.from_numpy(values).float().view(1, -1, 1) * there, there)
    assert float(chosen) == pytest.approx(best[1])
    assert float(smooth) == pytest.approx(best[2], rel=1e-4)
    assert int(seen) == int(mask.sum())


def test_theta_goes_half_of_the_slope_up() -> None:
    rows = 2.0 * np.arange(60) + np.tile([0.0, 5.0, -5.0, 0.0], 15)
    data = divide(Series.from_rows(rows[:, None], [60]), "ratio:0.6,0.2,0.2")
    model = Theta(seq_len=24, horizons=(4,), season=4).fit(data, device="cpu")
    steps = np.diff(model.forecast(9)["value"].to_numpy()[::4])
    assert steps == pytest.approx([4.0, 4.0], rel=0.05)  # four rows of a slope of 2, halved


def test_an_entity_has_a_ridge_of_its_own_where_it_differs_from_the_others() -> None:
    rng = np.random.default_rng(5)
    entities = [np.zeros(400) for _ in range(3)]
    for rows, memory in zip(entities, (0.9, 0.9, -0.9), strict=True):
        for t in range(1, 400):
            rows[t] = memory * rows[t - 1] + rng.normal()
    model = RawRidge(seq_len=8, horizons=(2,)).fit(long_frame(entities), device="cpu")
    model.prepare_forecasts(2)
    own = fit_entity_ridges(model, 2)
    windows = with_future(model.data, 8, 2, "test")
    values, mask = model.take(windows, torch.arange(len(windows)))
    errors = [
        (forecast - values[:, 8:]).square().mean((1, 2))[windows.entities == 2].mean()
        for forecast in (
            own.forecast(model, windows.entities, values[:, :8], mask[:, :8], 2),
            model.forecast_windows(values[:, :8], mask[:, :8], 2),
        )
    ]
    assert errors[0] < 0.8 * errors[1]
    unknown = own.forecast(model, torch.full_like(windows.entities, -1), values[:, :8], mask[:, :8], 2)
    assert torch.equal(unknown, model.forecast_windows(values[:, :8], mask[:, :8], 2))


def test_an_entity_without_validation_windows_has_the_weights_of_all() -> None:
    grams = torch.zeros(3, 1, 2, 2, dtype=torch.float64)
    grams[0, 0] = torch.diag(torch.tensor([1.0, 4.0]))
    grams[1, 0] = torch.diag(torch.tensor([100.0, 900.0]))
    mixed = drawn_together(grams, torch.tensor([5.0, 5.0, 0.0], dtype=torch.float64))
    assert torch.allclose(mixed[2] / mixed[2, 0, 0, 0], mixed[3] / mixed[3, 0, 0, 0])
    assert torch.allclose(mixed[3, 0].diagonal(), torch.tensor([1.0, 6.5], dtype=torch.float64))


def test_gaps_are_filled_by_the_season_before_and_else_by_the_one_after() -> None:
    values = torch.tensor([0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 5.0, 0.0]).view(1, 8, 1)
    mask = torch.tensor([False, False, True, True, True, False, True, False]).view(1, 8, 1)
    found, known = filled(values, mask, 3)
    assert found[0, :, 0].tolist() == [2, 3, 1, 2, 3, 1, 5, 3]
    assert bool(known.all())
    found, known = filled(values, mask, 5)
    assert found[0, :, 0].tolist() == [0, 5, 1, 2, 3, 0, 5, 1]
    assert known[0, :, 0].tolist() == [False, True, True, True, True, False, True, True]


def test_forecasts_of_other_look_backs_are_paired_by_the_row_that_is_forecast_first() -> None:
    rng = np.random.default_rng(6)
    frame = long_frame([wave(rng), wave(rng)])
    units = [
        RawRidge(seq_len=length, horizons=(6,)).fit(frame, device="cpu").measure()[1].units.to_pylist()
        for length in (12, 30)
    ]
    assert units[0] == units[1]
    assert units[0][0] == "s0@240"  # the first test row of 300


def test_a_horizon_longer_than_any_training_window_leaves_the_forecasts_that_need_none(tmp_path: Path) -> None:
    entities = [10.0**i * (5 + np.random.default_rng(i).normal(size=30)) for i in range(3)]
    model = ForecastBlend().fit(long_frame(entities), device="cpu")
    found = model.forecast()
    assert found.height == 3 * 24
    assert found["value"].to_numpy().reshape(3, 24).mean(1) == pytest.approx([r.mean() for r in entities], rel=0.4)
    model.save(tmp_path / "m")
    assert SeriesModel.load(tmp_path / "m").forecast().equals(found)
