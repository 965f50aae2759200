"""*Series*: what was measured, what a run expects next and how often that held, and how its windows lie to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import streamlit as st

from distaff.exports import dates
from distaff_dashboards.pages import board as board_view
from distaff_dashboards.pages.series import charts as series_charts
from distaff_dashboards.pages.series import factors as series_factors_view
from distaff_dashboards.pages.series import map as series_map
from distaff_dashboards.pages.series import reads as series_data
from distaff_dashboards.pages.series.reads import Forecast, Stretch
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import widgets, wording
from distaff_data.errors import DistaffError

if TYPE_CHECKING:
    from distaff_data.datasets.series import Series

_CHANNELS = 3  # shown at the start
_COVERAGES = (0.5, 0.8, 0.9, 0.95)
_FUTURE, _PAST = "after the last row", "from a test window"


@widgets.page("Series", "What was measured, what a run expects next and how often that held, and how its windows lie.")
def show() -> None:
    """The page."""
    everything = data.everything()
    runs = {str(row["run"]): row for row in series_data.runs_on_series(everything)}
    if not runs:
        _nothing(data.newest_dataset(everything, "series"))
        return
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        run = widgets.choose("Run", list(runs), key="run", help="Models first, then controls; newest first.")
    dataset = str(runs[run]["dataset"])
    source = series_data.of_run(run, dataset)
    series = series_data.model(source, run).data
    right.caption(wording.escape(_said(series, runs[run])))
    _rows(source, run, series)
    st.divider()
    series_map.show(source, run, dataset)
    st.divider()
    series_factors_view.show(source, run)
    st.divider()
    _board(everything, dataset)


def _nothing(dataset: str | None) -> None:
    if dataset is None:
        widgets.empty(
            "There are no series in this workspace yet. Load your files, or the built-in data:",
            "distaff ingest series NAME FILE...",
            "distaff sample planted-series",
        )
    else:
        widgets.empty("No run on series is finished yet. Train one, with a control beside it:",
                      f"distaff train raw_ridge {dataset}", f"distaff train timedrl {dataset}")  # fmt: skip


def _said(series: Series, run: Mapping[str, Any]) -> str:
    parts = [f"{run['model']}{', a control,' if run['control'] else ''} on {run['dataset']}: {series.n_entities:,} "
             f"entities, {len(series.channels)} channels, {len(series.values):,} rows"]  # fmt: skip
    missing = 1 - float(series.mask.float().mean())
    parts += [f"{missing:.1%} missing"] if missing else []
    parts += [f"{len(series.classes)} classes"] if series.classes else []
    return "; ".join(parts)


def _rows(source: data.Source, run: str, series: Series) -> None:
    """One entity: its rows, with a forecast where there is something to forecast."""
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        entity = widgets.choose("Entity", series.entity_ids.to_pylist(), key="entity")
    with right:
        names = st.multiselect("Channels", series.channels, series.channels[:_CHANNELS], key="channels")
    channels = [(c, name) for c, name in enumerate(series.channels) if name in names]
    if not channels:
        st.info("Choose a channel to see it.")
        return
    if series.whole:
        found = series_data.measured(source, run, entity)
        _measured(found, channels, f"{run}-{entity}", _label(series, entity))
        return
    try:
        _forecast(source, run, series, entity, channels)
    except DistaffError as error:
        st.warning(wording.escape(str(error)))
        _measured(series_data.measured(source, run, entity), channels, f"{run}-{entity}", "")


def _label(series: Series, entity: str) -> str:
    code = int(series.labels[series.entity_ids.index(entity).as_py()])
    label = f"It is labelled {series.classes[code]}. " if code >= 0 else ""
    return label + "Each entity of this dataset is one window: there is nothing after it to forecast."


def _measured(found: Stretch, channels: Sequence[tuple[int, str]], name: str, said: str) -> None:
    table = pa.table({"time": dates(found.times), **{c: found.values[:, n] for n, c in channels}})
    widgets.heading("As measured", table, name, help="In the channels' own units; a gap is a missing value.")
    if said:
        st.caption(wording.escape(said))
    figure = series_charts.measured(found, channels)
    widgets.chart(figure, key="measured", alt="Measured values of the entity's channels")


def _forecast(source: data.Source, run: str, series: Series, entity: str, channels: Sequence[tuple[int, str]]) -> None:
    config = series_data.model(source, run).config
    longest = max(config.horizons)
    first, second, third, fourth = st.columns([1.6, 1, 1, 1], gap="large", vertical_alignment="bottom")
    with first:
        origin = st.segmented_control("Forecast", (_FUTURE, _PAST), default=_FUTURE, key="origin", required=True)
    with second:
        horizon = int(st.number_input("Rows ahead", 1, longest, longest, key=f"horizon-{run}"))
    with third:
        coverage = float(st.selectbox("Coverage of the interval", _COVERAGES, index=2, key="coverage",
                                      format_func=lambda share: f"{share:.0%}"))  # fmt: skip
    length = series_data.model(source, run).length
    with fourth:
        history = int(
            st.number_input("Rows before", 1, length, min(length, 3 * horizon), key=f"history-{run}-{horizon}")
        )
    split = ""
    if origin == _PAST:
        split, times = series_data.backtests(source, run, entity, horizon)
        if not times:
            st.info("No test or validation window of this entity has so many rows after it. Look fewer rows ahead.")
            return
        found = series_data.of_the_past(
            source, run, entity, split, _window(times, f"{run}-{entity}"), horizon, coverage
        )
    else:
        found = series_data.of_the_future(source, run, entity, horizon, coverage)
    table = _table(found, channels, entity)
    widgets.heading("Forecast", table, f"{run}-{entity}-forecast",
                    help="The interval is split-conformal: as wide as the errors on validation windows were, for each step "
                    "and channel. It holds its share if errors stay as they were there.")  # fmt: skip
    st.caption(wording.escape(_held(found, channels, coverage, split)))
    figure = series_charts.forecast(found, history, channels)
    widgets.chart(figure, key="forecast", alt="Rows before, forecast with interval, and what came")
    _coverage(source, run, channels, horizon, coverage)


def _window(times: Sequence[float], key: str) -> int:
    """The backtest window that is looked at, by its place; the newest at the start."""
    if len(times) == 1:
        return 0
    labels = [str(time).removesuffix(".000").removesuffix(":00") for time in dates(np.asarray(times))]
    options = list(range(len(times)))
    chosen = st.select_slider("Last row before the forecast", options, options[-1], key=f"window-{key}-{len(times)}",
                              format_func=lambda at: labels[at].replace("T", " "))  # fmt: skip
    return int(chosen)


def _table(found: Forecast, channels: Sequence[tuple[int, str]], entity: str) -> pa.Table:
    """A line a step and channel."""
    n = len(found.times)
    columns = {"value": found.value, "low": found.low, "high": found.high}
    columns |= {} if found.actual is None else {"actual": found.actual}
    return pa.concat_tables(
        pa.table(
            {
                "entity": [entity] * n,
                "channel": [name] * n,
                "step": range(1, n + 1),
                "time": dates(found.times),
                **{column: pa.array(values[:, c]) for column, values in columns.items()},
            }
        )
        for c, name in channels
    )


def _held(found: Forecast, channels: Sequence[tuple[int, str]], coverage: float, split: str) -> str:
    own = [c for c, _ in channels]
    if not np.isfinite(found.low[:, own]).all():
        return f"There are too few validation windows for an interval of {coverage:.0%}; ask for less coverage."
    if found.actual is None:
        return "The future, after the last row that was loaded."
    came = np.isfinite(found.actual[:, own])
    inside = (found.actual >= found.low) & (found.actual <= found.high)
    share = inside[:, own][came].mean() if came.any() else float("nan")
    said = f"{share:.0%} of what came lies within the {coverage:.0%} interval here."
    return (
        said
        if split == "test"
        else said + " The dataset has no test rows here: the interval was made on these very rows."
    )


def _coverage(
    source: data.Source, run: str, channels: Sequence[tuple[int, str]], horizon: int, coverage: float
) -> None:
    """On request, because a large encoder takes its time over all test windows."""
    if not st.toggle("How often did the interval hold on test windows?", key="covered"):
        return
    shares, n = series_data.covered(source, run, horizon, coverage)
    if not n:
        st.info("There is no test window with so many rows after it.")
        return
    table = pa.table({"channel": [name for _, name in channels], "held": [shares[c] for c, _ in channels]})
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


def _board(everything: data.Source, dataset: str) -> None:
    try:
        board = data.board(everything, dataset)
    except DistaffError as error:  # nothing in the test split
        st.caption(wording.escape(str(error)))
        return
    table = board_view.metric_table(board, board.metric)
    widgets.heading("Beside the controls", table, f"{dataset}-{board.metric}",
                    help=wording.escape(wording.define(board.metric)))  # fmt: skip
    widgets.table(table, board_view.columns(board.metric), key="board")
    st.page_link(
        st.Page("screens/board.py", title="Board"), label="All metrics on the Board", query_params={"dataset": dataset}
    )
