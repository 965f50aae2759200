"""*Board*: the runs on one dataset beside their controls, with seed intervals and the paired test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from distaff_dashboards.reads.board import board_of
from distaff_dashboards.reads.source import Source, datasets, row_of, whole_workspace
from distaff_dashboards.ui import board_tables, charts, widgets, wording
from distaff_data.errors import DistaffError

if TYPE_CHECKING:
    from distaff.board.board import Board, BoardRow


@widgets.page("board", "Board", "Every model beside its controls, on the same held-out data.", first=True)
def board_page() -> None:
    """Draw the page."""
    source = whole_workspace()
    table = datasets(source)
    if table.is_empty():
        widgets.empty(
            "There is no dataset in this workspace yet. Load your files, or the built-in data:",
            "distaff ingest interactions NAME FILE...",
            "distaff sample planted-interactions",
        )
        return
    left, middle, right = st.columns([2, 1.4, 2.6], vertical_alignment="bottom")
    with left:
        name = widgets.choose("Dataset", table["dataset"].to_list(), key="dataset")
    dataset = row_of(table, "dataset", name)
    board = board_of(source, name)
    right.caption(wording.escape(_facts(json.loads(dataset["facts"])) + f" · {board.n_tried} configurations tried"))
    for note in board.notes:
        st.caption(wording.escape(note))
    kind = str(dataset["kind"])
    if not board.rows:
        widgets.empty(
            "No finished run on this dataset yet. Start with a control, which models are then measured by:",
            *_STARTS[kind](name),
        )
        return
    with middle:
        metric = widgets.choose("Metric", board_tables.metric_names(board), key="metric", help=_definitions(board))
    if wording.is_score(metric):
        _verdict(board, metric, kind)
        _cards(board, metric, kind)
    else:
        st.info(f"{wording.escape(metric)} describes the lists. More of it is neither better nor worse by itself.")
    _figure(board, metric)
    _paired(board, _UNITS[kind])
    _tables(board, metric)


def board_section(source: Source, dataset: str, help: str = "") -> None:
    """Draw a dataset's board on another page, models beside controls, with a link to the whole."""
    try:
        board = board_of(source, dataset)
    except DistaffError as error:  # nothing in the test split, or no case with a known cause
        st.caption(wording.escape(str(error)))
        return
    board_tables.beside_controls(board, help=help)
    st.page_link(board_page.entry(), label="All metrics on the Board", query_params={"dataset": dataset})


_STARTS: Mapping[str, Callable[[str], tuple[str, str]]] = {
    "interactions": lambda name: (f"distaff train ease {name}", f"distaff train dccf {name} --seeds 3"),
    "incidents": lambda name: (f"distaff diagnose {name} --model floor_z", f"distaff diagnose {name}"),
    "series": lambda name: (f"distaff train raw_ridge {name}", f"distaff train timedrl {name} --seeds 3"),
}
_UNITS = {"interactions": "user", "incidents": "incident", "series": "window"}


def leader(rows: Sequence[BoardRow], metric: str, *, control: bool) -> BoardRow | None:
    """Return the best model, or the best control, by its mean on validation; in the board's order where it has none."""
    group = [row for row in rows if row.control is control and metric in row.metrics]

    def place(row: BoardRow) -> float:
        return wording.sign(metric) * row.validation[metric].mean if metric in row.validation else float("-inf")

    return max(group, key=place, default=None)


def _verdict(board: Board, metric: str, kind: str) -> None:
    model, control = (leader(board.rows, metric, control=control) for control in (False, True))
    name = wording.escape(metric)
    if control is None:
        st.warning("**No control has been trained on this dataset.** Without one, these numbers say nothing.")
        st.code(_STARTS[kind](board.dataset)[0], language="bash")
        return
    if model is None:
        st.info("Only controls so far: this is the bar that a model has to clear.")
        return
    best, bar, sign = model.metrics[metric].mean, control.metrics[metric].mean, wording.sign(metric)
    models, controls = wording.escape(model.model), wording.escape(control.model)
    numbers = f"{models} {wording.number(best)}, best control {controls} {wording.number(bar)}"
    paired = model.comparison
    tested = paired is not None and paired.metric == metric and paired.against == control.model
    if sign * bar >= sign * best:
        st.warning(f"**A control leads.** On {name}, {numbers}. Prefer the control, or find out why first.")
    elif tested and paired is not None and wording.significant(paired) and sign * paired.difference > 0:
        st.success(f"**{models} is {'above' if sign > 0 else 'below'} every control** on {name}: {numbers}.")
    else:
        unknown = paired is not None and paired.p_value is None
        why = "what another seed would give is unknown" if unknown else "the difference could be chance"
        why = why if tested else f"the paired test was not made on {name}"
        st.info(f"**{models} has the {'highest' if sign > 0 else 'lowest'} mean** on {name}, but {why}: {numbers}.")


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
        if row.comparison is not None
    ]
    if not tested:
        return
    st.subheader(
        f"Against the best control, {unit} by {unit}",
        help=f"The same {unit}s are scored by both; the error counts {unit}s and seeds, and p is corrected for all rows.",
        anchor=False,
    )
    for row, label in sorted(tested, key=lambda pair: pair[0].control):
        if row.comparison is not None and not row.control:
            st.markdown(f"- {wording.escape(wording.compare(label, row.comparison))}")


def _tables(board: Board, metric: str) -> None:
    numbers = board_tables.metric_table(board, metric)
    widgets.heading(f"Numbers: {metric}", numbers, f"{board.dataset}-{metric}")
    widgets.table(numbers, board_tables.columns(metric), key="metric-table")
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


def _definitions(board: Board) -> str:
    return "\n\n".join(
        wording.escape(wording.define(metric))
        for metric in board_tables.metric_names(board)
        if metric.endswith(("@20", "@5"))
    )


def _facts(facts: dict[str, Any]) -> str:
    sizes = [
        f"{facts[key]:,} {key}"
        for key in ("users", "items", "cases", "entities", "metrics", "channels", "rows")
        if isinstance(facts.get(key), int)
    ]
    splits = [f"{facts[key]:,} {key}" for key in ("train", "valid", "test") if isinstance(facts.get(key), int)]
    return ", ".join(sizes) + (f" · interactions: {', '.join(splits)}" if splits else "")
