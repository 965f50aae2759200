"""Forecasts beside covariates and the calendar: planted effects are used, null ones cost nothing, gaps ahead are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.ingest.frames import from_frame
from distaff_data.splits.series import divide
from distaff_timeseries.blend import ForecastBlend
from distaff_timeseries.calendars import Calendar
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.covariate_ridge import CovariateRidge
from distaff_timeseries.effects import Regressors, fit_effects

_H = 6


def memory(rng: np.random.Generator, n: int, share: float = 0.6) -> np.ndarray:
    rows = np.zeros(n)
    for row, shock in enumerate(rng.normal(size=n)):
        rows[row] = share * rows[row - 1] + shock
    rows *= np.sqrt(1 - share**2)
    return rows


def stamps(n: int, step: timedelta = timedelta(hours=1)) -> list[datetime]:
    return [datetime(2024, 1, 1) + step * row for row in range(n)]


def shops(rng: np.random.Generator, effect: float, n: int = 400) -> pl.DataFrame:
    """Two shops of unequal size whose sales a promotion, and a price that wanders, move by so much."""
    frames = []
    for name, size in (("north", 1.0), ("south", 1000.0)):
        promo, price = (rng.random(n) < 0.2).astype(float), rng.normal(size=n).cumsum() / 5
        sales = size * (10 + effect * (2 * promo - price) + 0.3 * memory(rng, n))
        frames.append(pl.DataFrame({"shop": name, "ds": stamps(n), "sales": sales, "promo": promo, "price": price}))
    return pl.concat(frames)


def series(frame: pl.DataFrame, **roles: Any) -> Series:
    entity = "shop" if "shop" in frame.columns else None
    return divide(from_frame(frame, entity=entity, **roles), "ratio:0.7,0.1,0.2")


def error(data: Series, horizon: int = _H) -> float:
    model = ForecastBlend(seq_len=24, horizons=(horizon,)).fit(data, device="cpu")
    return next(m.metrics["mase"] for m in model.measure() if m.split == "test")


def without(data: Series) -> Series:
    return replace(data, covariates=None)


def test_a_covariate_that_drives_the_series_lowers_the_error_to_a_fraction() -> None:
    data = series(shops(np.random.default_rng(0), 1.0), known_future=["promo", "price"])
    assert error(data) < 0.5 * error(without(data))


def test_covariates_that_mean_nothing_cost_next_to_nothing() -> None:
    changes = []
    for seed in range(4):
        data = series(shops(np.random.default_rng(seed), 0.0, n=300), known_future=["promo", "price"])
        changes.append(error(data) / error(without(data)) - 1)
    assert max(changes) < 0.05  # of the error, in any of the plantings
    assert np.mean(changes) < 0.02


def test_effects_are_those_planted_though_the_rest_wanders() -> None:
    rng = np.random.default_rng(1)
    n = 600
    flag = (rng.random(n) < 0.3).astype(float)
    frame = pl.DataFrame({"y": 3.0 * flag + rng.normal(size=n).cumsum(), "flag": flag})
    data = divide(from_frame(frame, known_future=["flag"]), "ratio:0.8,0.2,0")
    weights = fit_effects(data, data.values, Regressors.of(data, None, covariates=True), 1).weights
    assert weights.shape == (2, 1, 2)  # the flag, and the flag a row before
    assert weights[0, 0].tolist() == pytest.approx([3.0, 0.0], abs=0.4)  # 4 standard errors: the walk moves by 1 a row


def test_a_weekly_season_beyond_the_window_and_holidays_are_forecast_by_calendar_and_covariate() -> None:
    rng = np.random.default_rng(2)
    n = 24 * 7 * 10
    hour, day = np.arange(n) % 24, np.arange(n) // 24
    holiday = np.repeat(rng.random(n // 24) < 0.1, 24)
    week = rng.normal(size=7)
    y = np.sin(2 * np.pi * hour / 24) + week[day % 7] - 2.0 * holiday + 0.2 * memory(rng, n)
    frame = pl.DataFrame({"ds": stamps(n), "y": y, "holiday": np.where(holiday, "public", "")})
    data = series(frame, known_future=["holiday"])
    rows = torch.arange(n, dtype=torch.float64)
    counted = replace(without(data), times=rows)  # rows by number have no calendar
    neither, calendar, both = (error(each, 24) for each in (counted, without(data), data))
    assert calendar < 0.9 * neither
    assert both < 0.8 * calendar


def test_a_past_covariate_that_leads_the_series_lowers_the_error() -> None:
    rng = np.random.default_rng(3)
    lead = memory(rng, 806, 0.8)
    frame = pl.DataFrame({"y": 2 * lead[:-6] + 0.3 * rng.normal(size=800), "lead": lead[6:]})
    data = series(frame, past=["lead"])
    assert error(data) < 0.6 * error(without(data))


def test_an_effect_that_hangs_on_a_static_covariate_is_found_over_short_entities() -> None:
    rng = np.random.default_rng(4)
    frames = []
    for place in range(16):
        promo = (rng.random(60) < 0.3).astype(float)
        sign = 1 if place % 2 else -1
        sales = 20 + 3 * sign * promo + 0.3 * rng.normal(size=60)
        frame = {"shop": f"s{place}", "ds": stamps(60, timedelta(days=1)), "sales": sales, "promo": promo}
        frames.append(pl.DataFrame(frame | {"region": "west" if place % 2 else "east"}))
    data = series(pl.concat(frames), known_future=["promo"], static=["region"])
    assert error(data) < 0.5 * error(without(data))


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Int16, pl.String, pl.Boolean])
def test_forecasts_do_not_depend_on_the_order_of_rows_and_columns_nor_on_types(dtype: type[pl.DataType]) -> None:
    frame = shops(np.random.default_rng(5), 1.0, n=120).drop("price")
    future = pl.DataFrame(
        {"shop": ["north"] * _H + ["south"] * _H, "ds": stamps(120 + _H)[-_H:] * 2, "promo": [1, 0, 1, 0, 0, 1] * 2}
    )
    other = frame.sample(fraction=1.0, shuffle=True, seed=1).select("promo", "sales", "ds", "shop")
    other = other.with_columns(pl.col("promo").cast(pl.Int8).cast(dtype)).sort("shop", maintain_order=True)
    one, two = (
        ForecastBlend(seq_len=24, horizons=(_H,))
        .fit(series(each, known_future=["promo"]), device="cpu")
        .forecast(future=told)
        for each, told in ((frame, future), (other, future.reverse().select("promo", "shop", "ds")))
    )
    assert one["value"].to_list() == two["value"].to_list()


@pytest.fixture(scope="module")
def fitted() -> SeriesModel:
    data = series(shops(np.random.default_rng(6), 1.0, n=200), known_future=["promo", "price"])
    return ForecastBlend(seq_len=24, horizons=(_H,)).fit(data, device="cpu")


def ahead(promo: float, *, rows: int = _H, n: int = 200) -> pl.DataFrame:
    times = stamps(n + rows)[n:]
    each = {"ds": times, "promo": [promo] * rows, "price": [0.0] * rows}
    return pl.concat([pl.DataFrame({"shop": name} | each) for name in ("north", "south")])


def test_forecasts_follow_the_values_that_are_given_ahead(fitted: SeriesModel) -> None:
    with_promo, bare = (fitted.forecast(future=ahead(promo)) for promo in (1.0, 0.0))
    lift = (with_promo["value"] - bare["value"]).to_numpy().reshape(2, _H)
    assert lift == pytest.approx(np.array([[2.0] * _H, [2000.0] * _H]), rel=0.2)


def test_values_ahead_that_are_missing_are_told_with_covariate_entity_and_time(fitted: SeriesModel) -> None:
    with pytest.raises(InputError, match=r"promo, price.*'north'.*2024-01-09 08:00:00.*--future"):
        fitted.forecast()
    with pytest.raises(InputError, match=r"'north'.*2024-01-09 11:00:00"):
        fitted.forecast(future=ahead(1.0, rows=3))
    with pytest.raises(InputError, match="no such column"):
        fitted.forecast(future=ahead(1.0).drop("price"))
    with pytest.raises(InputError, match="entities"):
        fitted.forecast(future=ahead(1.0).drop("shop"))
    with pytest.raises(UnsupportedError, match="reads no covariates"):
        RawRidge(seq_len=24, horizons=(_H,)).fit(fitted.data, device="cpu").forecast(future=ahead(1.0))
    with pytest.raises(InputError, match="reads the covariates promo, price, which these series lack"):
        fitted.forecast(series=without(fitted.data))


def test_rows_of_the_series_without_a_measurement_are_the_values_ahead() -> None:
    frame = shops(np.random.default_rng(6), 1.0, n=200)
    told = ahead(1.0).with_columns(sales=pl.lit(None, dtype=pl.Float64)).select(frame.columns)
    history = series(frame, known_future=["promo", "price"])
    longer = from_frame(pl.concat([frame, told]), entity="shop", known_future=["promo", "price"])
    model = ForecastBlend(seq_len=24, horizons=(_H,)).fit(history, device="cpu")
    assert model.forecast(series=longer).equals(model.forecast(future=ahead(1.0)))


def test_a_saved_model_forecasts_the_same(fitted: SeriesModel, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = SeriesModel.load(tmp_path / "model")
    assert loaded.data.covariates is not None
    assert loaded.forecast(future=ahead(1.0)).equals(fitted.forecast(future=ahead(1.0)))


def test_an_entity_that_was_never_seen_is_forecast_by_the_effects_of_all(fitted: SeriesModel) -> None:
    new = (
        shops(np.random.default_rng(7), 1.0, n=100).filter(pl.col("shop") == "north").with_columns(shop=pl.lit("east"))
    )
    told = ahead(1.0, n=100).filter(pl.col("shop") == "north").with_columns(shop=pl.lit("east"))
    values = [
        fitted.forecast(
            series=from_frame(new, entity="shop", known_future=["promo", "price"]), future=told.with_columns(promo=flag)
        )["value"].to_numpy()
        for flag in (pl.lit(1.0), pl.lit(0.0))
    ]
    assert values[0] - values[1] == pytest.approx(np.full(_H, 2.0), rel=0.4)


def test_the_columns_of_the_calendar_are_those_of_the_datetime_module() -> None:
    rng = np.random.default_rng(8)
    times = torch.tensor(rng.uniform(3e8, 4e9, 500))
    columns = Calendar(True, True, True, True).columns(times)
    hour, day, both, month = (part.argmax(1).tolist() for part in columns.split([24, 7, 168, 12], 1))
    for place, seconds in enumerate(times.tolist()):
        moment = datetime.fromtimestamp(seconds, UTC)
        weekday = moment.weekday()
        assert (hour[place], day[place], month[place]) == (moment.hour, weekday, moment.month - 1)
        assert both[place] == 24 * weekday + moment.hour


def test_rows_that_are_numbered_have_no_calendar_and_neither_ridge() -> None:
    data = divide(Series.from_rows(np.random.default_rng(9).normal(size=(400, 1)), [400]), "ratio:0.7,0.1,0.2")
    assert Calendar.of(data) is None
    assert not CovariateRidge.helps(data)
