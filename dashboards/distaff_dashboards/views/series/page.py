"""*Series*: what was measured, what a run expects next and how often that held, and how its windows lie to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import streamlit as st

from distaff.exports import dates
from distaff_dashboards.reads.source import Source
from distaff_dashboards.ui import address, places, widgets, wording
from distaff_dashboards.ui.labels import run_label
from distaff_dashboards.views.board import board_section
from distaff_dashboards.views.choices import choose_run
from distaff_dashboards.views.series import charts, reads
from distaff_dashboards.views.series.latents import latents_section
from distaff_dashboards.views.series.reads import EntityRows, Forecast
from distaff_dashboards.views.series.window_map import window_map
from distaff_data.errors import DistaffError

if TYPE_CHECKING:
    from distaff_data.datasets.series import Series

_CHANNELS = 3  # shown at the start
_COVERAGES = (0.5, 0.8, 0.9, 0.95)
_FUTURE, _PAST = "after the last row", "from a test window"


@widgets.page(
    places.SERIES,
    "What drives this sensor, what comes next, and what was surprising? An interval is as wide as errors on "
    "validation rows were, and held as often as said on the test; a factor is worth what its probe reads above "
    "chance.",
)
def series_page() -> None:
    """Draw the page."""
    facts = choose_run(places.SERIES, "series")
    if facts is None:
        return
    run, dataset = str(facts["run"]), str(facts["dataset"])
    source = reads.source_of_run(run, dataset)
    series = reads.model(source, run).data
    st.caption(wording.escape(_describe(series, facts)))
    _rows(source, run, dataset, series)
    st.divider()
    window_map(source, run, dataset)
    st.divider()
    latents_section(source, run)
    st.divider()
    board_section(dataset)


def _describe(series: Series, run: Mapping[str, Any]) -> str:
    facts = [f"{run_label(run)}: {series.n_entities:,} entities, {len(series.channels)} channels, "
             f"{len(series.values):,} rows"]  # fmt: skip
    missing = 1 - float(series.mask.float().mean())
    facts += [f"{missing:.1%} missing"] if missing else []
    facts += [f"{len(series.classes)} classes"] if series.classes else []
    return "; ".join(facts)


def _rows(source: Source, run: str, dataset: str, series: Series) -> None:
    """Draw one entity: its rows, with a forecast where there is something to forecast."""
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        entity = address.choose("Entity", series.entity_ids.to_pylist(), key="entity", scope=dataset)
    if entity is None:
        return
    with right:
        names = st.multiselect("Channels", series.channels, series.channels[:_CHANNELS], key="channels")
    channels = [(c, name) for c, name in enumerate(series.channels) if name in names]
    if not channels:
        st.info("Choose a channel to see it.")
        return
    if series.whole:
        _measured(reads.measured(source, run, entity), channels, f"{run}-{entity}", _label(series, entity))
        return
    try:
        _forecast(source, run, series, entity, channels)
    except DistaffError as error:
        st.warning(wording.escape(str(error)))
        _measured(reads.measured(source, run, entity), channels, f"{run}-{entity}", "")


def _label(series: Series, entity: str) -> str:
    code = int(series.labels[series.entity_ids.index(entity).as_py()])
    label = f"It is labelled {series.classes[code]}. " if code >= 0 else ""
    return label + "Each entity of this dataset is one window: there is nothing after it to forecast."


def _measured(rows: EntityRows, channels: Sequence[tuple[int, str]], name: str, caption: str) -> None:
    table = pl.DataFrame({"time": dates(rows.times), **{c: rows.values[:, n] for n, c in channels}})
    widgets.heading("As measured", table, name, help="In the channels' own units; a gap is a missing value.")
    if caption:
        st.caption(wording.escape(caption))
    widgets.chart(charts.measured(rows, channels), key="measured", alt="Measured values of the entity's channels")


def _forecast(source: Source, run: str, series: Series, entity: str, channels: Sequence[tuple[int, str]]) -> None:
    forecaster = reads.model(source, run)
    longest, length = max(forecaster.config.horizons), forecaster.length
    first, second, third, fourth = st.columns([1.6, 1, 1, 1], gap="large", vertical_alignment="bottom")
    with first:
        origin = st.segmented_control("Forecast", (_FUTURE, _PAST), default=_FUTURE, key="origin", required=True)
    with second:
        horizon = int(st.number_input("Rows ahead", 1, longest, longest, key=f"horizon-{run}"))
    with third:
        coverage = float(st.selectbox("Coverage of the interval", _COVERAGES, index=2, key="coverage",
                                      format_func=lambda share: f"{share:.0%}"))  # fmt: skip
    with fourth:
        history = int(
            st.number_input("Rows before", 1, length, min(length, 3 * horizon), key=f"history-{run}-{horizon}")
        )
    split = ""
    if origin == _PAST:
        split, times = reads.backtests(source, run, entity, horizon)
        if not times:
            st.info("No test or validation window of this entity has so many rows after it. Look fewer rows ahead.")
            return
        window = _window(times, f"{run}-{entity}")
        forecast = reads.past_forecast(source, run, entity, split, window, horizon, coverage)
    else:
        forecast = reads.future_forecast(source, run, entity, horizon, coverage)
    table = _table(forecast, channels, entity)
    widgets.heading("Forecast", table, f"{run}-{entity}-forecast",
                    help="The interval is split-conformal: as wide as the errors on validation windows were, for each step "
                    "and channel. It holds its share if errors stay as they were there.")  # fmt: skip
    st.caption(wording.escape(_share_inside(forecast, channels, coverage, split)))
    figure = charts.forecast(forecast, history, channels)
    widgets.chart(figure, key="forecast", alt="Rows before, forecast with interval, and what came")
    _coverage(source, run, channels, horizon, coverage)


def _window(times: Sequence[float], key: str) -> int:
    """Return the place of the backtest window to look at; the newest at the start."""
    if len(times) == 1:
        return 0
    labels = [str(time).removesuffix(".000").removesuffix(":00") for time in dates(np.asarray(times))]
    options = list(range(len(times)))
    place = st.select_slider("Last row before the forecast", options, options[-1], key=f"window-{key}-{len(times)}",
                              format_func=lambda place: labels[place].replace("T", " "))  # fmt: skip
    return int(place)


def _table(forecast: Forecast, channels: Sequence[tuple[int, str]], entity: str) -> pl.DataFrame:
    """Return a line a step and channel: ``entity, channel, step, time, value, low, high`` and, if it came, ``actual``."""
    arrays = {"value": forecast.value, "low": forecast.low, "high": forecast.high}
    arrays |= {} if forecast.actual is None else {"actual": forecast.actual}
    steps = pl.DataFrame({"step": range(1, len(forecast.times) + 1), "time": dates(forecast.times)})
    return pl.concat(
        steps.select(
            pl.lit(entity).alias("entity"),
            pl.lit(name).alias("channel"),
            pl.all(),
            *(pl.Series(column, values[:, c]) for column, values in arrays.items()),
        )
        for c, name in channels
    )


def _share_inside(forecast: Forecast, channels: Sequence[tuple[int, str]], coverage: float, split: str) -> str:
    """Return one sentence on how much of what came lies within the interval."""
    columns = [c for c, _ in channels]
    if not np.isfinite(forecast.low[:, columns]).all():
        return f"There are too few validation windows for an interval of {coverage:.0%}; ask for less coverage."
    if forecast.actual is None:
        return "The future, after the last row that was loaded."
    came = np.isfinite(forecast.actual[:, columns])
    inside = (forecast.actual >= forecast.low) & (forecast.actual <= forecast.high)
    share = inside[:, columns][came].mean() if came.any() else float("nan")
    sentence = f"{share:.0%} of what came lies within the {coverage:.0%} interval here."
    return (
        sentence
        if split == "test"
        else sentence + " The dataset has no test rows here: the interval was made on these very rows."
    )


def _coverage(source: Source, run: str, channels: Sequence[tuple[int, str]], horizon: int, coverage: float) -> None:
    """Draw the coverage on request, because a large encoder takes its time over all test windows."""
    if not st.toggle("How often did the interval hold on test windows?", key="covered"):
        return
    shares, n = reads.covered(source, run, horizon, coverage)
    if not n:
        st.info("There is no test window with so many rows after it.")
        return
    table = pl.DataFrame({"channel": [name for _, name in channels], "held": [shares[c] for c, _ in channels]})
    st.caption(f"Share of test values within the {coverage:.0%} interval, over {n} windows and {horizon} steps.")
    widgets.table(
        table,
        {
            "channel": st.column_config.TextColumn("channel", help="As in the file"),
            "held": st.column_config.NumberColumn("held", format="percent", help="Below the coverage: the test rows are "
                                                  "harder than the validation rows"),
        },
        key="covered-table",
    )  # fmt: skip
