"""*Incident*: what broke, since when, and what speaks for each cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import streamlit as st

from distaff_dashboards.pages import board as board_view
from distaff_dashboards.pages.incident import charts as incident_charts
from distaff_dashboards.pages.incident import reads as incident_data
from distaff_dashboards.pages.incident.charts import Clock
from distaff_dashboards.pages.incident.graph import layout
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import charts, definitions, widgets, wording
from distaff_dashboards.ui.breakdown import Floats
from distaff_data.datasets.incidents import entity_of
from distaff_data.errors import DistaffError

if TYPE_CHECKING:
    from distaff_data.datasets.incidents import Case

_LANES = 6  # metrics of the timeline beside the KPI
_DRAWN = 10  # causes whose paths the graph shows
_SERIES = 6
_BEFORE = 3  # rows before the onset that are shown for each row after it, and at least
_LEAST_BEFORE = 40
_LEAST_NORMAL, _LEAST_ABNORMAL = 20, 2  # rows that a moved onset leaves on either side


@dataclass(frozen=True)
class _Shown:
    """The incident as the page shows it: ``onset`` is where rankings start from, and ``rows`` lie in the window."""

    case: Case
    onset: float
    rows: slice
    clock: Clock
    causes: list[dict[str, Any]]
    edges: list[dict[str, Any]]

    @property
    def kpi(self) -> str | None:
        return None if self.case.kpi is None else self.case.columns[self.case.kpi]

    @property
    def times(self) -> Floats:
        return self.case.times[self.rows]

    def lane(self, metric: str) -> tuple[str, Floats, float | None]:
        """A metric with its values in the window and when it left its normal."""
        onset = next((cause["onset"] for cause in self.causes if cause["metric"] == metric), None)
        return metric, self.case.values[self.rows, self.case.columns.index(metric)], onset


@widgets.page("Incident", "One incident: when it began, what may have caused it, and what speaks for that.")
def show() -> None:
    """The page."""
    everything = data.everything()
    runs = {str(row["run"]): row for row in incident_data.runs_with_diagnoses(everything)}
    if not runs:
        _nothing(data.newest_dataset(everything, "incidents"))
        return
    left, middle, right = st.columns([2, 2, 3], vertical_alignment="bottom")
    with left:
        run = widgets.choose("Run", list(runs), key="run", help="Models first, then controls; newest first.")
    dataset = str(runs[run]["dataset"])
    source = data.part(run, dataset)
    found = {str(row["case"]): row for row in incident_data.diagnoses(source, run, dataset)}
    with middle:
        name = widgets.choose("Incident", list(found), key="case", help="In the dataset's order.")
    case, diagnosis = incident_data.incident(source, dataset, name), found[name]
    right.caption(wording.escape(_said(case, runs[run])))
    shown = _at(source, run, dataset, case, diagnosis["trigger"])
    _timeline(shown, diagnosis, name)
    if shown.causes:
        cause = _causes(shown, f"{run}-{name}")
        _graph(shown, cause, f"{run}-{name}")
        _series(shown, cause, f"{run}-{name}")
    st.divider()
    _board(everything, dataset)


def _nothing(dataset: str | None) -> None:
    if dataset is None:
        widgets.empty(
            "There are no incidents in this workspace yet. Load metrics of incidents, or the built-in data:",
            "distaff ingest incidents NAME FOLDER",
            "distaff sample planted-incidents",
        )
    else:
        widgets.empty("No incident has been diagnosed yet. Do it, with a control beside it:",
                      f"distaff diagnose {dataset} --model floor_z", f"distaff diagnose {dataset}")  # fmt: skip


def _said(case: Case, run: Mapping[str, Any]) -> str:
    parts = [f"{run['model']}{', a control,' if run['control'] else ''} on {run['dataset']}: {len(case.columns)} metrics of "
             f"{len(case.entities)} entities, {len(case.times):,} rows"]  # fmt: skip
    parts += [f"group {case.group}"] if case.group else []
    parts += ["the fault does not reach the KPI"] if not case.visible else []
    parts += [f"true cause: {', '.join(case.root_columns or case.roots)}"] if case.roots else ["true cause unknown"]
    return "; ".join(parts)


def _at(source: data.Source, run: str, dataset: str, case: Case, trigger: float | None) -> _Shown:
    """The ranking from the run's own onset, or from the time that a person moves it to."""
    zero = trigger if trigger is not None else case.onset if case.onset is not None else float(np.median(case.times))
    begin = int(np.searchsorted(case.times, zero))
    left, right = st.columns([3, 1], gap="large", vertical_alignment="bottom")
    with right:
        whole = st.toggle("All rows", key="whole", help="Otherwise the rows around the onset")
    with left:
        moved = _moved(case, begin)
    if trigger is None and not moved:
        st.warning("This run found no onset in these rows. Move the onset to rank causes from a time of your own.")
        causes = edges = incident_data.NOTHING
    elif moved:
        causes, edges = _ranked_anew(source, run, dataset, case.name, float(case.times[begin + moved]))
    else:
        causes, edges = incident_data.published(source, run, case.name)
    at = begin + moved
    first = 0 if whole else max(min(begin, at) - max(_BEFORE * (len(case.times) - at), _LEAST_BEFORE), 0)
    rows = slice(first, len(case.times))
    onset = float(case.times[at])
    clock = Clock.of(onset, float(case.times[-1] - case.times[first]))
    return _Shown(case, onset, rows, clock, causes.to_pylist(), edges.to_pylist())


def _moved(case: Case, begin: int) -> int:
    """Rows by which a person moves the onset; 0 leaves it."""
    low, high = min(_LEAST_NORMAL - begin, 0), max(len(case.times) - _LEAST_ABNORMAL - begin, 0)
    if low == high:
        return 0
    return int(
        st.slider(
            f"Move the onset, in rows of {case.step:g} seconds",
            low,
            high,
            0,
            key=f"moved-{case.name}",
            help="At 0: the ranking that the run published. Elsewhere the run's own model ranks anew from that time, as if "
            "the incident had begun there; nothing is stored.",
        )
    )


def _ranked_anew(source: data.Source, run: str, dataset: str, case: str, at: float) -> tuple[pa.Table, pa.Table]:
    try:
        found = incident_data.ranked_anew(source, run, dataset, case, at)
    except DistaffError as error:
        st.warning(wording.escape(str(error)))
        return incident_data.NOTHING, incident_data.NOTHING
    st.info("Ranked anew from the moved onset. Scores of other onsets are not comparable.")
    return found


def _timeline(shown: _Shown, diagnosis: Mapping[str, Any], name: str) -> None:
    top = [c["metric"] for c in shown.causes[:_LANES]] or [c for c in shown.case.columns if c != shown.kpi][:_LANES]
    lanes = [shown.lane(metric) for metric in ([shown.kpi] if shown.kpi else []) + top]
    widgets.heading("Timeline", _long(shown, [metric for metric, *_ in lanes]), f"{name}-timeline",
                    help="The KPI, then the metrics most to blame, each from its own smallest to its own largest value in "
                    "the window; the raw values are in the tooltips and the export.")  # fmt: skip
    marks = [("onset ranked from", shown.onset, charts.INK, "solid")]
    case, trigger = shown.case, diagnosis["trigger"]
    if trigger is not None and trigger != shown.onset:
        marks.append(("trigger", trigger, charts.ACCENT, "dot"))
    if case.onset is not None and case.onset not in (shown.onset, trigger):
        marks.append(("known onset", case.onset, charts.FLOOR, "dash"))
    marks += [
        ("another alarm", at, charts.CONTROL, "dot") for at in diagnosis["alarms"] if at not in (trigger, shown.onset)
    ]
    inside = [mark for mark in marks if shown.times[0] <= mark[1] <= shown.times[-1]]
    figure = incident_charts.timeline(shown.times, lanes, inside, shown.clock)
    widgets.chart(figure, key="timeline", alt="The KPI and the metrics most to blame over time")
    if diagnosis["converged"] is False:
        st.caption("The ranking had not come to rest.")


def _causes(shown: _Shown, name: str) -> Mapping[str, Any]:
    """The ranking; what the person chose of it."""
    roots = set(shown.case.roots)
    rows = [{**c, "since": None if c["onset"] is None else float(shown.clock(c["onset"])), "known": c["entity"] in roots}
            for c in shown.causes]  # fmt: skip
    columns = ["rank", "entity", "metric", "score", "own", "propagated", "since", *(["known"] if roots else []), "path",
               "new_edges"]  # fmt: skip
    table = incident_data.ranking(rows, columns)
    widgets.heading("Causes", table, f"{name}-causes", help="Every metric but the KPI, most to blame first. A score says "
                    "how it ranks within this incident, not how likely it is.")  # fmt: skip
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    by_metric = {str(c["metric"]): c for c in shown.causes}
    with left:
        chosen = widgets.choose(
            "Look at the cause", list(by_metric), key="cause", help="Lit in the graph, and its series below."
        )
    cause = by_metric[chosen]
    right.caption(wording.escape(_evidence(shown, cause)))
    # A path and its edges say nothing in a table where no cause has any: controls have no graph.
    empty = {c for c in ("propagated", "since", "path", "new_edges") if not any(r[c] for r in rows)}
    seen = table.select([c for c in columns if c not in empty])
    widgets.table(
        seen, {c: definitions.cause_column(c, shown.clock.unit) for c in seen.column_names}, key="causes", height=320
    )
    return cause


def _evidence(shown: _Shown, cause: Mapping[str, Any]) -> str:
    parts = [f"Rank {cause['rank']}, score {cause['score']:.3g}"]
    if cause["propagated"] is not None:
        parts.append(f"own {cause['own']:.3g}, by the graph {cause['propagated']:.3g}")
    if cause["onset"] is not None:
        parts.append(f"left its normal at {shown.clock(cause['onset']):+.3g} {shown.clock.unit}")
    parts.append(" → ".join(cause["path"]) if cause["path"] else "no path to the KPI")
    parts += [f"new: {', '.join(cause['new_edges'])}"] if cause["new_edges"] else []
    return "; ".join(parts)


def _graph(shown: _Shown, cause: Mapping[str, Any], name: str) -> None:
    if not shown.edges and not any(c["path"] for c in shown.causes):
        st.info("This model has no causal graph: it looks at each metric by itself.")
        return
    drawn = [*shown.causes[:_DRAWN], *([cause] if cause["rank"] > _DRAWN else [])]
    found = layout(shown.kpi, drawn, shown.edges)
    table = pa.Table.from_pylist(shown.edges, incident_data.EDGES)
    widgets.heading("Causal graph", table, f"{name}-graph",
                    help=f"The first {_DRAWN} causes and what lies on their paths: the KPI at the right, every cause as "
                    "many columns left of it as it is hops away; metrics without a way to it stand leftmost. Numbers are "
                    "ranks. The export has the whole graph.")  # fmt: skip
    ranks = {str(c["metric"]): int(c["rank"]) for c in shown.causes}
    figure = incident_charts.graph(found, ranks, cause["path"], str(cause["metric"]), shown.kpi)
    widgets.chart(figure, key="graph", alt="Causal graph from the causes to the KPI")


def _series(shown: _Shown, cause: Mapping[str, Any], name: str) -> None:
    own = [c for c in shown.case.columns if entity_of(c) == cause["entity"]]
    path = cause["path"] or ([shown.kpi] if shown.kpi else [])
    metrics = list(dict.fromkeys([str(cause["metric"]), *path, *own]))[:_SERIES]
    widgets.heading("As measured", _long(shown, metrics), f"{name}-series",
                    help="The chosen cause, what lies between it and the KPI, and the other metrics of its entity, in their "
                    "own units. Solid: the onset ranked from. Dotted: when the metric left its normal.")  # fmt: skip
    rows = [shown.lane(metric) for metric in metrics]
    figure = incident_charts.series(shown.times, rows, shown.onset, shown.clock)
    widgets.chart(figure, key="series", alt="Measured values of the chosen cause and its path")


def _long(shown: _Shown, metrics: Sequence[str]) -> pa.Table:
    """The window's values, one column a metric."""
    return pa.table({"time": shown.times, **{metric: shown.lane(metric)[1] for metric in metrics}})


def _board(everything: data.Source, dataset: str) -> None:
    try:
        board = data.board(everything, dataset)
    except DistaffError as error:  # no case with a known cause
        st.caption(wording.escape(str(error)))
        return
    table = board_view.metric_table(board, board.metric)
    meaning = wording.escape(wording.define(board.metric))
    widgets.heading("Beside the controls", table, f"{dataset}-{board.metric}",
                    help=f"All incidents of the dataset whose causes are known. {meaning}")  # fmt: skip
    widgets.table(table, board_view.columns(board.metric), key="board")
    st.page_link(
        st.Page("screens/board.py", title="Board"), label="All metrics on the Board", query_params={"dataset": dataset}
    )
