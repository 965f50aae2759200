"""A frame of metrics in, a frame of ranked causes of the same kind out."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from failing_chain import chain
from hypothesis import given
from hypothesis import strategies as st

from distaff.incidents.frames import TimeAxis, read_case
from distaff.model.registry import model_class
from distaff_data.errors import InputError

CORAL, NSIGMA = model_class("coral"), model_class("nsigma")
START = dt.datetime(2026, 3, 1, 12)
COLUMNS = ["rank", "entity", "metric", "score", "own", "propagated", "onset", "path", "new_edges", "p_value"]
EDGES = (("c", "b"), ("b", "kpi"))


def metrics(**columns: Any) -> pl.DataFrame:
    """The chain's metrics; its fault begins in row 200."""
    case, _ = chain()
    frame = pl.DataFrame(case.values, schema=list(case.columns)).with_columns(time=pl.Series(case.times))
    return frame.with_columns(**columns)


def every_minute(zone: str | None = None) -> pl.Series:
    times = pl.Series([START + dt.timedelta(minutes=minute) for minute in range(300)])
    return times if zone is None else times.dt.replace_time_zone(zone)


def test_a_polars_frame_is_ranked_like_the_case_that_it_holds() -> None:
    case, _ = chain()
    ranked = CORAL().diagnose(metrics(), kpi="kpi|x", onset=200, edges=EDGES)
    assert ranked.causes.columns == COLUMNS
    assert ranked.causes["metric"][0] == "c|x"
    assert ranked.causes["path"][0].to_list() == ["c|x", "b|x", "kpi|x"]
    assert ranked.causes["onset"][0] == ranked.trigger == 200.0
    assert ranked.edges.columns == ["source", "target", "part", "weight"]
    assert ranked.edges.height > 0
    assert ranked.alarms == ()
    same = CORAL().diagnose(case, edges=EDGES)
    assert same.causes.drop("score").equals(ranked.causes.drop("score"))
    np.testing.assert_allclose(same.causes["score"], ranked.causes["score"])


@pytest.mark.parametrize("kind", ["pandas", "pyarrow"])
def test_the_kind_of_frame_that_came_in_comes_out(kind: str) -> None:
    frame: Any = metrics()
    if kind == "pandas":
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(frame.to_dict(as_series=False))
    else:
        pd, frame = pa, frame.to_arrow()
    ranked = NSIGMA().diagnose(frame, onset=200)
    assert isinstance(ranked.causes, pd.DataFrame if kind == "pandas" else pa.Table)
    assert isinstance(ranked.edges, pd.DataFrame if kind == "pandas" else pa.Table)
    assert pl.DataFrame(ranked.causes)["metric"].sort().to_list() == ["b|x", "c|x", "d|x", "kpi|x"]


def test_an_onset_that_is_not_given_is_detected() -> None:
    ranked = CORAL().diagnose(metrics(), kpi="kpi|x", edges=EDGES)
    assert 200 <= ranked.trigger <= 215
    assert ranked.alarms[0] == ranked.trigger
    assert ranked.causes["metric"][0] == "c|x"
    calm = CORAL().diagnose(metrics().head(150), kpi="kpi|x")
    assert (calm.trigger, calm.alarms, calm.causes.height, calm.causes.columns) == (None, (), 0, COLUMNS)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_date_times_go_in_and_come_out(zone: str | None) -> None:
    times = every_minute(zone)
    ranked = CORAL().diagnose(metrics(time=times), kpi="kpi|x", onset=times[200], edges=EDGES)
    assert ranked.trigger == times[200] == ranked.causes["onset"][0]
    assert ranked.causes.schema["onset"] == times.dtype
    detected = CORAL().diagnose(metrics(time=times), kpi="kpi|x")
    assert times[200] <= detected.trigger <= times[215]


def test_pandas_times_and_numpy_times_are_onsets_too() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(metrics().drop("time").to_dict(as_series=False))
    frame["time"] = pd.date_range(START, periods=300, freq="min")
    for onset in (frame["time"][200], frame["time"].to_numpy()[200]):
        ranked = NSIGMA().diagnose(frame, onset=onset)
        assert ranked.trigger == START + dt.timedelta(minutes=200)
        assert str(ranked.causes["onset"].dtype).startswith("datetime64")


def test_metrics_may_have_plain_names_and_gaps() -> None:
    values = np.random.default_rng(0).standard_normal((300, 3))
    values[200:, 1:] += 30
    frame = pl.DataFrame(values, schema=["latency", "cpu", "disk"]).with_columns(
        pl.int_range(300).alias("time"), pl.when(pl.int_range(300) % 7 > 0).then("disk").alias("disk")
    )
    ranked = CORAL().diagnose(frame, kpi="latency", onset=200)
    assert set(ranked.causes["entity"]) == {"cpu", "disk"} == set(ranked.causes["metric"])


def test_the_kpi_may_be_named_by_its_metric_where_that_is_enough() -> None:
    frame = metrics().rename({"kpi|x": "shop|latency", "b|x": "b|cpu", "c|x": "c|cpu"})
    ranked = CORAL().diagnose(frame, kpi="latency", onset=200)
    assert "shop|latency" not in ranked.causes["metric"]
    with pytest.raises(InputError, match=r"several metrics.*b\|cpu, c\|cpu"):
        CORAL().diagnose(frame, kpi="cpu", onset=200)
    with pytest.raises(InputError, match="no such metric"):
        CORAL().diagnose(frame, kpi="memory", onset=200)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (metrics().drop("time"), "column of times"),
        (metrics().select("time"), "no column beside"),
        (metrics(host=pl.lit("a")), "column of numbers"),
        (metrics(time=pl.lit("noon")), "numbers or date-times"),
        (metrics(time=pl.lit(1.0)), "have to rise"),
        (metrics(time=pl.lit(None, pl.Float64)), "a time is missing"),
        ({"time": [1.0]}, "cannot read a frame"),
    ],
)
def test_what_is_no_frame_of_metrics_is_refused(frame: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NSIGMA().diagnose(frame, onset=200)


def test_an_onset_of_another_kind_than_the_times_is_refused() -> None:
    for times, onset, message in (
        (pl.Series(np.arange(300.0)), START, "is a number too"),
        (every_minute(), 200, "is one too"),
        (every_minute("UTC"), START, "likewise"),
        (every_minute(), START.replace(tzinfo=dt.UTC), "likewise"),
        (every_minute(), START, "no rows"),
    ):
        with pytest.raises(InputError, match=message):
            NSIGMA().diagnose(metrics(time=times), onset=onset)


@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2099, 1, 1)))
def test_a_time_comes_back_from_its_seconds(time: dt.datetime) -> None:
    axis = TimeAxis(pl.Datetime("us"))
    assert axis.time(axis.seconds(time)) == time


def test_days_are_times() -> None:
    days = pl.date_range(dt.date(2026, 1, 1), dt.date(2026, 10, 27), eager=True)
    case, axis = read_case(metrics(time=days))
    assert case.step == 86_400
    assert axis.seconds(dt.date(2026, 1, 2)) - case.times[0] == 86_400


@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2099, 1, 1)), st.sampled_from(["ms", "us", "ns"]))
def test_an_onset_has_the_seconds_of_its_row_at_any_resolution(time: dt.datetime, unit: Any) -> None:
    column = pl.Series([time]).cast(pl.Datetime(unit))
    case, axis = read_case(pl.DataFrame({"time": column, "a|x": [1.0]}))
    assert axis.seconds(column[0]) == case.times[0]
    assert axis.seconds(column.to_numpy()[0]) == case.times[0]
    for other in ("us", "ns"):  # of a column that is read at another resolution than the onset
        assert TimeAxis(pl.Datetime(other)).seconds(column[0]) == case.times[0]


@pytest.mark.parametrize(
    ("unit", "step"), [("ms", dt.timedelta(milliseconds=7)), ("us", dt.timedelta(microseconds=13))]
)
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_an_incident_begins_in_the_row_of_its_onset_whatever_the_fraction_of_a_second(
    unit: Any, step: dt.timedelta, zone: str | None
) -> None:
    times = pl.Series([START + row * step for row in range(300)]).cast(pl.Datetime(unit))
    times = times if zone is None else times.dt.replace_time_zone(zone)
    frame = metrics(time=times)
    case, axis = read_case(frame)
    rows = [int(np.searchsorted(case.times, axis.seconds(time))) for time in times]
    assert rows == list(range(300))
    assert NSIGMA().diagnose(frame, onset=times[200]).trigger == times[200]


def test_a_pair_of_names_is_an_edge_and_nothing_else_is() -> None:
    for edge in ("cb", ("c",), ("c", "b", "kpi"), ("c", 1)):
        with pytest.raises(InputError, match="a pair of a cause and its effect"):
            NSIGMA().diagnose(metrics(), onset=200, edges=[edge])
