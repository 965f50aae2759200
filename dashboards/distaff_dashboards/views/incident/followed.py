"""*Followed*: what the streams that are followed say, while they say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff.exports import dates
from distaff_dashboards.reads.source import Source, newest_writes, row_of
from distaff_dashboards.ui import address, definitions, places, widgets, wording
from distaff_dashboards.views.incident import charts, reads
from distaff_dashboards.views.incident.graph import layout

_DRAWN = 10  # causes whose paths the graph shows


@widgets.page(
    places.FOLLOWED,
    "What broke in a stream just now, and which metric is blamed? A ranking that is not at rest yet may still turn; "
    "how often such rankings are right is on the board of incidents with known causes.",
)
def followed_page() -> None:
    """Draw the page."""
    source = newest_writes("publications")
    incidents = reads.followed(source)
    if incidents.is_empty():
        widgets.empty(
            "No stream has had an incident yet. Follow one, a file that grows or a server:",
            "distaff diagnose DATASET --follow metrics.csv",
            "distaff diagnose DATASET --follow prometheus://host:9090",
        )
    else:
        _incident(source, _chosen(incidents))
    widgets.renew(lambda: newest_writes("publications").state)


def _chosen(incidents: pl.DataFrame) -> Mapping[str, Any] | None:
    """Draw the incidents of all streams, newest first; return the one that a person chose."""
    table = incidents.select(
        "dataset", "model", pl.Series("since", dates(incidents["trigger"].to_numpy())), "suspect", at_rest="converged"
    )
    columns = {
        "dataset": st.column_config.TextColumn(
            "Stream of", help="The dataset that gives the KPI and the dependencies."
        ),
        "model": st.column_config.TextColumn("Model"),
        "since": st.column_config.Column("Alarm at", help="When it was seen; as the stream's times are."),
        "suspect": st.column_config.TextColumn("First suspect", width="large"),
        "at_rest": st.column_config.CheckboxColumn("At rest", help="The ranking changes no more."),
    }
    widgets.heading("Incidents of streams", table, "followed")
    widgets.links(table, columns, lambda row: None, key="followed")
    names = dict(zip(incidents["id"], incidents["label"], strict=True))
    chosen = address.choose("Incident", list(names), key="case", labels=names, help="The newest first.")
    return None if chosen is None else row_of(incidents, "id", chosen)


def _incident(source: Source, incident: Mapping[str, Any] | None) -> None:
    if incident is None:
        return
    if not incident["converged"]:
        st.info("Rows are still coming: this ranking is not at rest.")
    for text in (wording.of_likely(incident["likely"]), *(incident["warnings"] or ())):
        st.caption(wording.escape(text))
    run, case = str(incident["run"]), str(incident["case"])
    causes, edges = reads.published(source, run, case)
    table = causes.select("rank", "entity", "metric", "score", "own", "propagated",
                          since=pl.col("onset") - incident["trigger"], path="path", new_edges="new_edges")  # fmt: skip
    widgets.heading("Causes", table, f"{run}-{case}-causes", help="Every metric but the KPI, most to blame first.")
    widgets.table(table, definitions.cause_columns(table, "s"), height=320)
    _graph(causes, edges)


def _graph(causes: pl.DataFrame, edges: pl.DataFrame) -> None:
    """Draw the causal graph between the first causes and the KPI, where there is one."""
    first = causes.head(_DRAWN).to_dicts()
    kpi = next((cause["path"][-1] for cause in first if cause["path"]), None)
    drawn = layout(kpi, first, edges.to_dicts())
    if not drawn.edges:
        st.info("There is no causal graph to draw: the ranking is by the own scores of each metric.")
        return
    ranks = dict(causes.select("metric", "rank").iter_rows())
    figure = charts.graph(drawn, ranks, first[0]["path"], str(first[0]["metric"]), kpi)
    widgets.chart(figure, key="graph", alt="Causal graph from the causes to the KPI")
