"""*Board*: the runs on one dataset beside their controls, with seed intervals and the paired test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import streamlit as st

from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import charts, widgets, wording

if TYPE_CHECKING:
    from distaff.board.board import Board, BoardRow


@widgets.page("Board", "Every model beside its controls, on the same held-out data.")
def show() -> None:
    """The page."""
    everything = data.everything()
    datasets = {row["dataset"]: row for row in data.datasets(everything)}
    if not datasets:
        widgets.empty(
            "There is no dataset in this workspace yet. Load your files, or the built-in data:",
            "distaff ingest interactions NAME FILE...",
            "distaff sample planted-interactions",
        )
        return
    left, middle, right = st.columns([2, 1.4, 2.6], vertical_alignment="bottom")
    with left:
        dataset = widgets.choose("Dataset", list(datasets), key="dataset")
    right.caption(wording.escape(_facts(datasets[dataset]["facts"])))
    found = data.board(everything, dataset)
    kind = str(datasets[dataset]["kind"])
    if not found.rows:
        widgets.empty(
            "No finished run on this dataset yet. Start with a control, which models are then measured by:",
            *_STARTS[kind](dataset),
        )
        return
    with middle:
        metric = widgets.choose("Metric", metrics_of(found), key="metric", help=_definitions(found))
    if wording.is_score(metric):
        _verdict(found, metric, kind)
        _cards(found, metric, kind)
    else:
        st.info(f"{wording.escape(metric)} describes the lists. More of it is neither better nor worse by itself.")
    _figure(found, metric)
    _paired(found, _UNITS[kind])
    _tables(found, metric)


_STARTS: Mapping[str, Callable[[str], tuple[str, str]]] = {
    "interactions": lambda name: (f"distaff train ease {name}", f"distaff train dccf {name} --seeds 3"),
    "incidents": lambda name: (f"distaff diagnose {name} --model floor_z", f"distaff diagnose {name}"),
    "series": lambda name: (f"distaff train raw_ridge {name}", f"distaff train timedrl {name} --seeds 3"),
}
_UNITS = {"interactions": "user", "incidents": "incident", "series": "window"}


def metrics_of(board: Board) -> list[str]:
    """Metrics of any row, those that the terminal shows first."""
    from distaff.board.kinds import shown

    found = {metric for row in board.rows for metric in row.metrics}
    first = shown(found)
    return first + sorted(found - set(first), key=_natural)


def leader(rows: Sequence[BoardRow], metric: str, *, control: bool) -> BoardRow | None:
    """The best model, or the best control, by its mean."""
    group = [row for row in rows if row.control is control and metric in row.metrics]
    return max(group, key=lambda row: wording.sign(metric) * row.metrics[metric].mean, default=None)


def metric_table(board: Board, metric: str) -> pa.Table:
    """One metric of every row, best first, with the paired test where it was made for this metric."""
    rows = sorted(
        (r for r in board.rows if metric in r.metrics), key=lambda r: -wording.sign(metric) * r.metrics[metric].mean
    )
    return pa.Table.from_pylist([_metric_row(row, metric) for row in rows], _METRIC_SCHEMA)


def long_table(board: Board) -> pa.Table:
    """Every metric of every row, one a line."""
    rows = [_metric_row(row, metric) for row in board.rows for metric in sorted(row.metrics, key=_natural)]
    return pa.Table.from_pylist(rows, _METRIC_SCHEMA)


def wide_table(board: Board) -> pa.Table:
    """Means of every metric, one column each."""
    names = metrics_of(board)
    rows = [
        {"model": label, "kind": _kind(row)} | {name: row.metrics[name].mean for name in names if name in row.metrics}
        for row, label in zip(board.rows, wording.row_labels(board.rows), strict=True)
    ]
    schema = pa.schema([("model", pa.string()), ("kind", pa.string()), *((name, pa.float64()) for name in names)])
    return pa.Table.from_pylist(rows, schema)


_METRIC_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "kind", "metric")),
        *((name, pa.float64()) for name in ("mean", "low", "high", "std")),
        ("seeds", pa.int64()),
        *((name, pa.float64()) for name in ("difference", "difference_low", "difference_high", "p_value")),
        ("against", pa.string()),
        ("settings", pa.string()),
        ("runs", pa.list_(pa.string())),
    ]
)


def _metric_row(row: BoardRow, metric: str) -> dict[str, Any]:
    value, paired = row.metrics[metric], row.comparison
    found: dict[str, Any] = {
        "model": row.model,
        "kind": _kind(row),
        "metric": metric,
        "mean": value.mean,
        "low": value.low,
        "high": value.high,
        "std": value.std,
        "seeds": len(row.runs),
        "settings": wording.settings(row.settings),
        "runs": list(row.runs),
    }
    if paired is not None and paired.metric == metric:
        found |= {
            "difference": paired.difference,
            "difference_low": paired.low,
            "difference_high": paired.high,
            "p_value": paired.p_value,
            "against": paired.against,
        }
    return found


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
        why = "the difference could be chance" if tested else f"the paired test was not made on {name}"
        st.info(f"**{models} has the {'highest' if sign > 0 else 'lowest'} mean** on {name}, but {why}: {numbers}.")


def _cards(board: Board, metric: str, kind: str) -> None:
    model, control = (leader(board.rows, metric, control=kind) for kind in (False, True))
    floor = board.noise_floor.get(metric)
    cards: list[tuple[str, str, str]] = []
    for title, row in (("Best model", model), ("Best control", control)):
        if row is not None:
            found = row.metrics[metric]
            cards.append((f"{title}: {wording.escape(row.model)}", wording.number(found.mean), wording.interval(found)))
    if model is not None and control is not None:
        gap = model.metrics[metric].mean - control.metrics[metric].mean
        cards.append(("Model minus control", f"{gap:+.4f}", "difference of the two means"))
    if floor is not None:
        cards.append(("Noise floor", wording.number(floor), _FLOORS[kind]))
    for column, (label, value, help_) in zip(st.columns(4), cards, strict=False):
        column.metric(label, value, help=wording.escape(help_), border=True)


_FLOORS = {
    "interactions": "what lists drawn at random would score; a result at this line has learned nothing",
    "incidents": "what a random order of causes would score; a result at this line has learned nothing",
    "series": "what the training mean, or the commonest class, would score; a result at this line has learned nothing",
}


def _figure(board: Board, metric: str) -> None:
    widgets.heading(
        f"{metric} with 95 % intervals over seeds",
        long_table(board),
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
        help=f"The same {unit}s are scored by both; the test looks at each {unit}'s difference.",
        anchor=False,
    )
    for row, label in sorted(tested, key=lambda pair: pair[0].control):
        if row.comparison is not None and not row.control:
            st.markdown(f"- {wording.escape(wording.compare(label, row.comparison))}")


def _tables(board: Board, metric: str) -> None:
    chosen = metric_table(board, metric)
    widgets.heading(f"Numbers: {metric}", chosen, f"{board.dataset}-{metric}")
    widgets.table(chosen, columns(metric), key="metric-table")
    wide = wide_table(board)
    widgets.heading("Means of every metric", wide, f"{board.dataset}-means")
    means = {m: st.column_config.NumberColumn(format="%.4f", help=wording.define(m)) for m in metrics_of(board)}
    widgets.table(wide, {"model": st.column_config.TextColumn(pinned=True), **means}, key="wide-table")


def columns(metric: str) -> dict[str, Any]:
    """Look and definition of the columns of :func:`metric_table`."""

    def real(label: str, meaning: str) -> Any:
        return st.column_config.NumberColumn(label, help=meaning, format="%.4f")

    return {
        "model": st.column_config.TextColumn("model", pinned=True, help="Registry name"),
        "kind": st.column_config.TextColumn("kind", help="A control is a cheap model that others are shown beside"),
        "metric": None,
        "mean": real("mean", wording.define(metric) + "; mean over the seeds"),
        "low": real("low", "Lower end of the 95 % interval over seeds; empty with one seed"),
        "high": real("high", "Upper end of the 95 % interval over seeds; empty with one seed"),
        "std": real("std", "Standard deviation over seeds; empty with one seed"),
        "seeds": st.column_config.NumberColumn("seeds", help="Runs with different seeds"),
        "difference": real(
            "difference", "Mean difference to the best control, over the same users, incidents or windows"
        ),
        "difference_low": real("from", "Lower end of the difference's 95 % interval"),
        "difference_high": real("to", "Upper end of the difference's 95 % interval"),
        "p_value": st.column_config.NumberColumn(
            "p", help="Paired test: how often chance alone gives such a difference", format="%.3g"
        ),
        "against": st.column_config.TextColumn("against", help="The control it was tested against"),
        "settings": st.column_config.TextColumn("settings", help="What differs from the model's defaults"),
        "runs": st.column_config.ListColumn("runs", help="Ids of the runs; details: distaff show RUN"),
    }


def _definitions(board: Board) -> str:
    return "\n\n".join(
        wording.escape(wording.define(metric)) for metric in metrics_of(board) if metric.endswith(("@20", "@5"))
    )


def _kind(row: BoardRow) -> str:
    return "control" if row.control else "model"


def _facts(facts: dict[str, Any]) -> str:
    said = [
        f"{facts[key]:,} {key}"
        for key in ("users", "items", "cases", "entities", "metrics", "channels", "rows")
        if isinstance(facts.get(key), int)
    ]
    splits = [f"{facts[key]:,} {key}" for key in ("train", "valid", "test") if isinstance(facts.get(key), int)]
    return ", ".join(said) + (f" · interactions: {', '.join(splits)}" if splits else "")


def _natural(metric: str) -> tuple[str, int]:
    name, _, k = metric.partition("@")
    return name, int(k) if k.isdigit() else 0
