"""*Board*: the runs on one dataset beside their controls, with seed intervals and the paired test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from distaff_dashboards.reads.board import board_of
from distaff_dashboards.reads.reports import board_html
from distaff_dashboards.reads.source import runs_on
from distaff_dashboards.ui import address, board_tables, charts, places, widgets, wording
from distaff_dashboards.ui.labels import dataset_facts
from distaff_dashboards.ui.places import PagePlace
from distaff_dashboards.ui.verdict import leader, verdict
from distaff_dashboards.views.choices import choose_dataset
from distaff_data.errors import DistaffError

if TYPE_CHECKING:
    from distaff.board.board import Board


@widgets.page(
    places.BOARD,
    "Which model is best here, and is it better than a cheap control? A gap counts where its paired test, over units "
    "and seeds, leaves chance out; validation chose, so the test is looked at once.",
)
def board_page() -> None:
    """Draw the page."""
    left, middle, right = st.columns([2, 1.4, 2.6], vertical_alignment="bottom")
    with left:
        dataset = choose_dataset()
    if dataset is None:
        return
    name = str(dataset["dataset"])
    board = board_of(runs_on(name), name)
    tried = f"{board.n_tried:,} configuration{'' if board.n_tried == 1 else 's'} tried"
    right.caption(wording.escape(f"{dataset_facts(json.loads(dataset['facts']))} · {tried}"))
    for note in board.notes:
        st.caption(wording.escape(note))
    kind = str(dataset["kind"])
    if not board.rows:
        widgets.empty(
            "No finished run on this dataset yet. Start with a control, which models are then measured by:",
            *widgets.STARTS[kind](name),
        )
        return
    with middle:
        names = board_tables.metric_names(board)
        metric = address.choose("Metric", names, key="metric", scope=name, help=_definitions(board))
    if metric is None:
        return
    if wording.is_score(metric):
        _verdict(board, metric, kind)
        _cards(board, metric, kind)
    else:
        st.info(f"{wording.escape(metric)} describes the lists. More of it is neither better nor worse by itself.")
    _figure(board, metric)
    _paired(board, _UNITS[kind])
    _tables(board, metric)
    widgets.report(f"board-{name}", partial(board_html, runs_on(name), name))


def board_section(dataset: str, help: str = "") -> None:
    """Draw a dataset's board on another page, models beside controls, with a link to the whole."""
    try:
        board = board_of(runs_on(dataset), dataset)
    except DistaffError as error:  # nothing in the test split, or no case with a known cause
        st.caption(wording.escape(str(error)))
        return
    board_tables.beside_controls(board, help=help)
    places.BOARD.link("All metrics on the Board", dataset=dataset)


_UNITS = {"interactions": "user", "incidents": "incident", "series": "window"}


def _verdict(board: Board, metric: str, kind: str) -> None:
    model, control = (leader(board.rows, metric, control=control) for control in (False, True))
    found = verdict(model, control, metric)
    {"good": st.success, "bad": st.warning, "open": st.info}[found.level](found.text)
    if control is None:
        st.code(widgets.STARTS[kind](board.dataset)[0], language="bash")


def _cards(board: Board, metric: str, kind: str) -> None:
    model, control = (leader(board.rows, metric, control=flag) for flag in (False, True))
    floor = board.noise_floor.get(metric)
    cards: list[tuple[str, str, str]] = []
    for title, row in (("Best model", model), ("Best control", control)):
        if row is not None:
            value = row.metrics[metric]
            cards.append((f"{title}: {wording.escape(row.model)}", wording.number(value.mean), wording.interval(value)))
    if model is not None and control is not None:
        gap = model.metrics[metric].mean - control.metrics[metric].mean
        cards.append(("Model minus control", f"{gap:+.4f}", "difference of the two means"))
    if floor is not None:
        cards.append(("Noise floor", wording.number(floor), _FLOORS[kind]))
    for column, (label, number, meaning) in zip(st.columns(4), cards, strict=False):
        column.metric(label, number, help=wording.escape(meaning), border=True)


_FLOORS = {
    "interactions": "what lists drawn at random would score; a result at this line has learned nothing",
    "incidents": "what a random order of causes would score; a result at this line has learned nothing",
    "series": "what the training mean, or the commonest class, would score; a result at this line has learned nothing",
}


def _figure(board: Board, metric: str) -> None:
    widgets.heading(
        f"{metric} with 95 % intervals over seeds",
        board_tables.long_table(board),
        f"{board.dataset}-board",
        help="Filled: mean and 95 % interval over seeds. Hollow: one seed, no interval. The export has every metric.",
    )
    figure = charts.comparison(board.rows, metric, board.noise_floor.get(metric))
    widgets.chart(figure, key="comparison", alt=f"{metric} of models and controls with intervals")
    if any(row.metrics[metric].low is None for row in board.rows if metric in row.metrics):
        st.caption(
            "Hollow points come from one seed and have no interval. More seeds: `distaff train MODEL DATASET --seeds 5`"
        )


def _paired(board: Board, unit: str) -> None:
    tested = [
        (row, label)
        for row, label in zip(board.rows, wording.row_labels(board.rows), strict=True)
        if row.comparison is not None and not row.control
    ]
    if not tested:
        return
    st.subheader(
        f"Against the best control, {unit} by {unit}",
        help=f"The same {unit}s are scored by both; the error counts {unit}s and seeds, and p is corrected for all rows.",
        anchor=False,
    )
    for row, label in tested:
        if row.comparison is not None:
            st.markdown(f"- {wording.escape(wording.compare(label, row.comparison))}")


def _tables(board: Board, metric: str) -> None:
    numbers = board_tables.metric_table(board, metric)
    widgets.heading(f"Numbers: {metric}", numbers, f"{board.dataset}-{metric}")
    st.caption("Click a row for its first run.")
    widgets.links(numbers, board_tables.columns(metric), _run_of, key="metric-table")
    wide = board_tables.wide_table(board)
    widgets.heading("Means of every metric", wide, f"{board.dataset}-means")
    means = {
        m: st.column_config.NumberColumn(format="%.4f", help=wording.define(m))
        for m in board_tables.metric_names(board)
    }
    widgets.table(wide, {"model": st.column_config.TextColumn(pinned=True), **means}, key="wide-table")
    candidates = board_tables.validation_table(board, metric)
    meaning = "All configurations, as validation ranks them. The test is looked at for the chosen ones alone."
    widgets.heading(f"Chosen on validation: {metric}", candidates, f"{board.dataset}-validation", help=meaning)
    widgets.table(candidates, board_tables.validation_columns(metric), key="validation-table")


def _run_of(row: Mapping[str, Any]) -> tuple[PagePlace, dict[str, str]]:
    return places.RUN, {"run": str(row["runs"][0])}


def _definitions(board: Board) -> str:
    return "\n\n".join(
        wording.escape(wording.define(metric))
        for metric in board_tables.metric_names(board)
        if metric.endswith(("@20", "@5"))
    )
