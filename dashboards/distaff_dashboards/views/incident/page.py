"""*Incident*: what broke, since when, and what speaks for each cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import streamlit as st
from numpy.typing import NDArray

from distaff.exports import dates
from distaff_dashboards.reads.source import Source, published_for, row_of
from distaff_dashboards.ui import address, definitions, places, widgets, wording
from distaff_dashboards.ui.charts import ACCENT, CONTROL, FLOOR, INK
from distaff_dashboards.ui.labels import run_label
from distaff_dashboards.ui.places import PagePlace
from distaff_dashboards.views.board import board_section
from distaff_dashboards.views.choices import choose_run
from distaff_dashboards.views.incident import charts, reads
from distaff_dashboards.views.incident.charts import OnsetAxis
from distaff_dashboards.views.incident.graph import layout
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
class _View:
    """The incident as the page shows it: ``onset`` is where rankings start from, and ``rows`` lie in the window."""

    case: Case
    onset: float
    rows: slice
    axis: OnsetAxis
    causes: pl.DataFrame
    edges: pl.DataFrame

    @property
    def kpi(self) -> str | None:
        return None if self.case.kpi is None else self.case.columns[self.case.kpi]

    @property
    def times(self) -> NDArray[np.float64]:
        return self.case.times[self.rows]

    def lane(self, metric: str) -> tuple[str, NDArray[np.float64], float | None]:
        """Return a metric with its values in the window and when it left its normal."""
        onsets = self.causes.filter(pl.col("metric") == metric)["onset"]
        onset = None if onsets.is_empty() else onsets[0]
        return metric, self.case.values[self.rows, self.case.columns.index(metric)], onset


@widgets.page(
    places.INCIDENT,
    "Which service broke first, since when, and what speaks for that? A rank compares the metrics of one incident; "
    "how often the first is the true cause is on the board below, beside the controls.",
)
def incident_page() -> None:
    """Draw the page."""
    facts = choose_run(places.INCIDENT, "incidents", "diagnoses")
    if facts is None:
        return
    run, dataset = str(facts["run"]), str(facts["dataset"])
    left, right = st.columns([1, 2.4], vertical_alignment="bottom")
    source = published_for(run, dataset)
    diagnoses = reads.diagnoses(source, run, dataset)
    with left:
        name = address.choose(
            "Incident", diagnoses["case"].to_list(), key="case", scope=dataset, help="In the dataset's order."
        )
    if name is None:
        return
    case, diagnosis = reads.incident(source, dataset, name), row_of(diagnoses, "case", name)
    right.caption(wording.escape(_describe(case, facts)))
    view = _view(source, run, dataset, case, diagnosis["trigger"])
    _timeline(view, diagnosis, name)
    if not view.causes.is_empty():
        cause = _causes(view, f"{dataset}/{name}", f"{run}-{name}")
        if cause is not None:
            _graph(view, cause, f"{run}-{name}")
            _series(view, cause, f"{run}-{name}")
    widgets.renew(lambda: published_for(run, dataset).state)
    st.divider()
    board_section(dataset, help="All incidents of the dataset whose causes are known.")


def _describe(case: Case, run: Mapping[str, Any]) -> str:
    facts = [
        f"{run_label(run)}: {len(case.columns)} metrics of {len(case.entities)} entities, {len(case.times):,} rows"
    ]
    facts += [f"group {case.group}"] if case.group else []
    facts += ["the fault does not reach the KPI"] if not case.visible else []
    facts += [f"true cause: {', '.join(case.root_columns or case.roots)}"] if case.roots else ["true cause unknown"]
    return "; ".join(facts)


def _view(source: Source, run: str, dataset: str, case: Case, trigger: float | None) -> _View:
    """Return the ranking from the run's own onset, or from the time that a person moves it to."""
    zero = trigger if trigger is not None else case.onset if case.onset is not None else float(np.median(case.times))
    begin = int(np.searchsorted(case.times, zero))
    left, right = st.columns([3, 1], gap="large", vertical_alignment="bottom")
    with right:
        shows_all = st.toggle("All rows", key="whole", help="Otherwise the rows around the onset")
    with left:
        moved = _moved(case, begin)
    if trigger is None and not moved:
        st.warning("This run found no onset in these rows. Move the onset to rank causes from a time of your own.")
        causes, edges = reads.no_causes()
    elif moved:
        causes, edges = _ranked_anew(source, run, dataset, case.name, float(case.times[begin + moved]))
    else:
        causes, edges = reads.published(source, run, case.name)
    start = begin + moved
    first = 0 if shows_all else max(min(begin, start) - max(_BEFORE * (len(case.times) - start), _LEAST_BEFORE), 0)
    rows = slice(first, len(case.times))
    onset = float(case.times[start])
    axis = OnsetAxis.of(onset, float(case.times[-1] - case.times[first]))
    return _View(case, onset, rows, axis, causes, edges)


def _moved(case: Case, begin: int) -> int:
    """Return by how many rows a person moves the onset; 0 leaves it."""
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


def _ranked_anew(source: Source, run: str, dataset: str, case: str, onset: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    try:
        causes, edges = reads.ranked_anew(source, run, dataset, case, onset)
    except DistaffError as error:
        st.warning(wording.escape(str(error)))
        return reads.no_causes()
    st.info("Ranked anew from the moved onset. Scores of other onsets are not comparable.")
    return causes, edges


def _timeline(view: _View, diagnosis: Mapping[str, Any], name: str) -> None:
    blamed = view.causes["metric"].head(_LANES).to_list()
    top = blamed or [metric for metric in view.case.columns if metric != view.kpi][:_LANES]
    lanes = [view.lane(metric) for metric in ([view.kpi] if view.kpi else []) + top]
    widgets.heading("Timeline", _window(view, [metric for metric, *_ in lanes]), f"{name}-timeline",
                    help="The KPI, then the metrics most to blame, each from its own smallest to its own largest value in "
                    "the window; the raw values are in the tooltips and the export.")  # fmt: skip
    marks = [("onset ranked from", view.onset, INK, "solid")]
    case, trigger = view.case, diagnosis["trigger"]
    if trigger is not None and trigger != view.onset:
        marks.append(("trigger", trigger, ACCENT, "dot"))
    if case.onset is not None and case.onset not in (view.onset, trigger):
        marks.append(("known onset", case.onset, FLOOR, "dash"))
    marks += [("another alarm", s, CONTROL, "dot") for s in diagnosis["alarms"] if s not in (trigger, view.onset)]
    inside = [mark for mark in marks if view.times[0] <= mark[1] <= view.times[-1]]
    figure = charts.timeline(view.times, lanes, inside, view.axis)
    widgets.chart(figure, key="timeline", alt="The KPI and the metrics most to blame over time")
    at = dates(np.array([view.onset]))[0]
    if isinstance(at, np.datetime64):
        st.caption(wording.escape(f"0 is {np.datetime_as_string(at, unit='s').replace('T', ' ')} UTC."))
    if diagnosis["converged"] is False:
        st.caption("The ranking had not come to rest.")
    st.caption(wording.escape(wording.of_likely(diagnosis["likely"])))
    if diagnosis["changes"]:
        st.markdown(
            "**Changed shortly before**\n\n" + "\n".join(f"- {wording.escape(c)}" for c in diagnosis["changes"])
        )
    for warning in diagnosis["warnings"] or ():
        st.caption(wording.escape(warning[:1].upper() + warning[1:] + "."))


def _causes(view: _View, scope: str, name: str) -> Mapping[str, Any] | None:
    """Draw the ranking; return the cause that a person chose of it; None where the address names none of it."""
    roots = list(view.case.roots)
    since = (pl.col("onset") - view.axis.zero) / view.axis.size
    table = view.causes.select("rank", "entity", "metric", "score", "own", "propagated", since=since,
                               known=pl.col("entity").is_in(roots), path="path", new_edges="new_edges")  # fmt: skip
    table = table if roots else table.drop("known")
    widgets.heading("Causes", table, f"{name}-causes", help="Every metric but the KPI, most to blame first. A score says "
                    "how it ranks within this incident, not how likely it is.")  # fmt: skip
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        earlier = address.kept("cause", scope)  # it may be in the ranking from another onset, or not
        metrics = table["metric"].to_list()
        metric = address.choose("Cause", metrics, key="cause", scope=f"{scope}@{view.onset}",
                                default=earlier if earlier in metrics else None,
                                help="Lit in the graph, and its series below.")  # fmt: skip
    if metric is None:
        return None
    address.keep("cause", metric, scope)
    cause = row_of(view.causes, "metric", metric)
    right.caption(wording.escape(_evidence(view, cause)))
    # A path and its edges say nothing in a table where no cause has any: controls have no graph.
    has_values = table.select(
        (pl.col("propagated", "since") != 0).any(), (pl.col("path", "new_edges").list.len() > 0).any()
    ).row(0, named=True)
    filled = table.drop([column for column, has_any in has_values.items() if not has_any])
    st.caption("Click a row for its metrics.")
    columns = definitions.cause_columns(filled, view.axis.unit)
    widgets.links(
        filled, columns, lambda row: _shown_beside(str(row["metric"]), metric), key=f"causes-{metric}", height=320
    )
    return cause


def _shown_beside(metric: str, shown: str) -> tuple[PagePlace, dict[str, str]] | None:
    """Return the link to a cause, which leaves all else in the address; None where it is shown already."""
    return None if metric == shown else (places.INCIDENT, {**address.shown(), "cause": metric})


def _evidence(view: _View, cause: Mapping[str, Any]) -> str:
    facts = [f"Rank {cause['rank']}, score {cause['score']:.3g}"]
    if cause["propagated"] is not None:
        facts.append(f"own {cause['own']:.3g}, by the graph {cause['propagated']:.3g}")
    if cause["onset"] is not None:
        facts.append(f"left its normal at {view.axis(cause['onset']):+.3g} {view.axis.unit}")
    facts.append(" → ".join(cause["path"]) if cause["path"] else "no path to the KPI")
    facts += [f"new: {', '.join(cause['new_edges'])}"] if cause["new_edges"] else []
    return "; ".join(facts)


def _graph(view: _View, cause: Mapping[str, Any], name: str) -> None:
    if view.edges.is_empty() and not (view.causes["path"].list.len() > 0).any():
        st.info("This ranking has no causal graph: it is by the own scores of each metric alone.")
        return
    causes = view.causes.head(_DRAWN).to_dicts()
    causes += [dict(cause)] if cause["metric"] not in {drawn["metric"] for drawn in causes} else []
    drawn = layout(view.kpi, causes, view.edges.to_dicts())
    if not drawn.edges:
        st.info(
            f"No edge of the causal graph lies between the first {_DRAWN} causes and the KPI: there is nothing to draw."
        )
        return
    widgets.heading("Causal graph", view.edges, f"{name}-graph",
                    help=f"The first {_DRAWN} causes and what lies on their paths: the KPI at the right, every cause as "
                    "many columns left of it as it is hops away; metrics without a way to it stand leftmost. Numbers are "
                    "ranks. The export has the whole graph.")  # fmt: skip
    ranks = dict(view.causes.select("metric", "rank").iter_rows())
    figure = charts.graph(drawn, ranks, cause["path"], str(cause["metric"]), view.kpi)
    widgets.chart(figure, key="graph", alt="Causal graph from the causes to the KPI")


def _series(view: _View, cause: Mapping[str, Any], name: str) -> None:
    siblings = [metric for metric in view.case.columns if entity_of(metric) == cause["entity"]]
    path = cause["path"] or ([view.kpi] if view.kpi else [])
    metrics = list(dict.fromkeys([str(cause["metric"]), *path, *siblings]))[:_SERIES]
    widgets.heading("As measured", _window(view, metrics), f"{name}-series",
                    help="The chosen cause, what lies between it and the KPI, and the other metrics of its entity, in their "
                    "own units. Solid: the onset ranked from. Dotted: when the metric left its normal.")  # fmt: skip
    rows = [view.lane(metric) for metric in metrics]
    figure = charts.series(view.times, rows, view.onset, view.axis)
    widgets.chart(figure, key="series", alt="Measured values of the chosen cause and its path")


def _window(view: _View, metrics: Sequence[str]) -> pl.DataFrame:
    """Return the window's values: ``time`` and one column a metric."""
    return pl.DataFrame({"time": view.times, **{metric: view.lane(metric)[1] for metric in metrics}})
