"""*Run*: what one run is, what it scored on validation, what it has published, and what has been done with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.reports import run_html
from distaff_dashboards.reads.runs import labels_of, offered, runs_of
from distaff_dashboards.reads.source import Source, row_of, whole_workspace
from distaff_dashboards.statements import cached
from distaff_dashboards.ui import address, places, widgets, wording
from distaff_dashboards.ui.board_tables import ordered
from distaff_dashboards.ui.export import with_dates
from distaff_dashboards.ui.places import PagePlace
from distaff_dashboards.views.choices import choose_dataset
from distaff_dashboards.views.marks import draw_marks

_TIME = "YYYY-MM-DD HH:mm"
_PUBLISHED: Mapping[str, tuple[str, PagePlace]] = {
    "factors": ("Factors with their evidence", places.FACTORS),
    "recommendations": ("Lists of people", places.PERSON),
    "blind_spots": ("Blind spots of its lists", places.BLIND_SPOTS),
    "diagnoses": ("Causes of incidents", places.INCIDENT),
    "embeddings": ("Embeddings of windows", places.SERIES),
    "forecasts": ("Forecasts", places.SERIES),
    "anomalies": ("Anomalies", places.SERIES),
    "classifications": ("Classes of windows", places.SERIES),
}
_ANOMALIES = 20


@widgets.page(
    places.RUN,
    "What is this run, how did it come about, and what did it publish? Figures here are on validation data, which "
    "chose it; what it is worth is on the Board, beside the controls.",
)
def run_page() -> None:
    """Draw the page."""
    left, right = st.columns([1, 2.4], vertical_alignment="bottom")
    with left:
        dataset = choose_dataset()
    if dataset is None:
        return
    name, kind, source = str(dataset["dataset"]), str(dataset["kind"]), whole_workspace()
    named = address.linked("run") or address.kept("run", name)  # it may be a trial, which is not among them
    runs = offered(runs_of(source, name, kind), named)["run"].to_list() or ([named] if named else [])
    if not runs:
        st.info("There is no finished run on this dataset yet.")
        return
    with right:
        run = address.choose(
            "Run",
            runs,
            key="run",
            scope=name,
            labels=labels_of(source, name, kind),
            open_ended=True,
            help="Type any other id, such as that of a sweep's trial.",
        )
    if run is None:
        return
    found = _run(source, run)
    if found is None:
        st.error(
            wording.escape(f"There is no run {run!r}. It may have been deleted; distaff runs lists those there are.")
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.code(run, language=None, width="content")
        places.COMPARE.link("Compare with another run", dataset=str(found["dataset"]), run=run)
        widgets.report(run, partial(run_html, source, run))
    _facts(found)
    draw_marks(source, run)
    left, right = st.columns(2, gap="large")
    with left:
        _validation(source, run)
        _settings(found)
    with right:
        _published(source, found)
        _executed(source, run)
    _anomalies(source, run)
    places.BOARD.link("The board of its dataset", dataset=str(found["dataset"]))


@cached(max_entries=64, show_spinner=False)
def _frame(source: Source, sql: str, run: str) -> pl.DataFrame:
    return source.frame(sql, [run])


def _run(source: Source, run: str) -> dict[str, Any] | None:
    found = _frame(source, "SELECT * FROM runs WHERE run = ?", run)
    return None if found.is_empty() else row_of(found, "run", run)


def _facts(run: Mapping[str, Any]) -> None:
    facts = [f"{run['model']}{', a control,' if run['control'] else ''} on {run['dataset']}", f"seed {run['seed']}"]
    facts += [
        str(run["status"]),
        f"started {run['started_at']:%Y-%m-%d %H:%M} UTC",
        f"{run['seconds'] or 0:,.1f} seconds",
    ]
    facts += [f"{run['device']}, Distaff {run['version']}"]
    facts += [f"trial {run['trial']} of the sweep {run['study']}"] if run["study"] else []
    facts += ["fitted on all data, so never measured"] if run["fitted_on"] == "all" else []
    st.caption(wording.escape("  ·  ".join(facts)))
    if run["study"]:
        places.SWEEPS.link("The sweep it is a trial of", study=str(run["study"]))
    if run["message"] and run["status"] == "done":  # what the model chose by itself
        with st.expander("What it chose"):
            st.markdown("\n".join(f"- {wording.escape(note)}" for note in str(run["message"]).splitlines()))
    elif run["message"]:
        st.error(wording.escape(str(run["message"])))


def _validation(source: Source, run: str) -> None:
    sql = "SELECT metric, value FROM metrics WHERE run = ? AND split = 'valid'"
    table = _frame(source, sql, run)
    widgets.heading("On validation", table, f"{run}-validation", help="The data that chooses; the Board has the test.")
    if table.is_empty():
        st.caption("Nothing was measured on validation.")
        return
    number = st.column_config.NumberColumn("value", format="%.4f", help="Mean over users, incidents or windows")
    explained = ordered(table).with_columns(meaning=pl.col("metric").map_elements(wording.define, pl.String))
    widgets.table(explained, {"metric": "metric", "value": number, "meaning": "meaning"}, key="validation", height=212)


def _settings(run: Mapping[str, Any]) -> None:
    changed = json.loads(run["settings"])
    rows = [(name, wording.plain(value), name in changed) for name, value in json.loads(run["config"]).items()]
    table = pl.DataFrame(rows, {"setting": pl.String, "value": pl.String, "changed": pl.Boolean}, orient="row")
    widgets.heading(
        "Settings", table, f"{run['run']}-settings", help="Those that differ from the model's defaults first."
    )
    box = st.column_config.CheckboxColumn("changed", help="Differs from the default")
    widgets.table(
        table.sort("changed", descending=True, maintain_order=True), {"changed": box}, key="settings", height=282
    )


def _published(source: Source, run: Mapping[str, Any]) -> None:
    st.subheader("Published", anchor=False, help="What others read of it, in tables; SQL reads the same.")
    sql = "SELECT regexp_extract(target, '^([^/]*)/', 1) AS what, written_at FROM publications " \
          "WHERE generation IS NOT NULL AND regexp_extract(target, '([^/]*)$', 1) = ? ORDER BY what"  # fmt: skip
    live = dict(_frame(source, sql, str(run["run"])).iter_rows())
    shown = {what: entry for what, entry in _PUBLISHED.items() if what in live}
    for what, (label, place) in shown.items():
        place.link(f"{label}, {live[what]:%Y-%m-%d %H:%M} UTC", dataset=str(run["dataset"]), run=str(run["run"]))
    if not shown:
        st.caption("Nothing but its metrics.")


def _executed(source: Source, run: str) -> None:
    sql = (
        "SELECT due_at, job, status, rows, message FROM executions "
        "WHERE run = ? AND status <> 'added' ORDER BY due_at DESC"
    )
    table = _frame(source, sql, run)
    if table.is_empty():
        return
    widgets.heading(
        "Executions", table, f"{run}-executions", help="Scheduled jobs that scored with it, newest first (UTC)."
    )
    due = st.column_config.DatetimeColumn("due", format=_TIME, timezone="UTC")
    widgets.links(table, {"due_at": due}, lambda row: (places.JOBS, {}), key="run-executions")


def _anomalies(source: Source, run: str) -> None:
    sql = (
        "SELECT entity, time, score, p_value FROM anomalies WHERE run = ? "
        f"ORDER BY score DESC, entity, time LIMIT {_ANOMALIES}"
    )
    table = _frame(source, sql, run)
    if table.is_empty():
        return
    dated = with_dates(table)
    widgets.heading("Most surprising rows", dated, f"{run}-anomalies", help="The highest of all; p is the share of "
                    "validation rows that score as high.")  # fmt: skip
    columns = {
        "score": st.column_config.NumberColumn("score", format="%.3g", help="Squared errors, in training deviations"),
        "p_value": st.column_config.NumberColumn("p", format="%.4f", help="Share of validation rows as surprising"),
    }
    widgets.links(
        dated, columns, lambda row: (places.SERIES, {"run": run, "entity": str(row["entity"])}), key="anomalies"
    )
