"""*Jobs*: what the scheduler does, what it scores with, and whether the data still is what the models know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.source import Source
from distaff_dashboards.ui import places, widgets, wording
from distaff_dashboards.ui.places import PagePlace
from distaff_dashboards.views.jobs import reads

_REFRESH = 10.0  # seconds between two refreshes
_TIME = "YYYY-MM-DD HH:mm"
_STATUS = "done; running; failed: the last attempt as well; interrupted: made up for at the next look"


@widgets.page(
    places.JOBS,
    "Did what runs by the clock succeed, and is the data still what the models know? Drift is a distance beyond what "
    "sampling explains: a reason to fit anew, not proof that lists got worse.",
)
def jobs_page() -> None:
    """Draw the page."""
    st.fragment(_all, run_every=_REFRESH)()


def _all() -> None:
    source = reads.jobs_source()
    _jobs(source)
    _executions(source)
    _drift(source)
    _aliases(source)
    _forgotten(source)


def _jobs(source: Source) -> None:
    jobs, mistake = reads.configured(source)
    if mistake is not None:
        st.error(wording.escape(mistake))
    if not jobs:
        if mistake is None:
            widgets.empty(
                "No job yet. Add one, and keep the scheduler running:",
                'distaff schedule add nightly --cron "0 3 * * *" --model champion',
                "distaff schedule run",
            )
        return
    table = reads.overview(source, jobs)
    failing = table.filter(pl.col("status") == "failed")["job"].to_list()
    if failing:
        st.error(wording.escape(f"Failed when last due: {', '.join(failing)}."))
    widgets.heading("Schedule", table, "jobs", help="Jobs are tables in distaff.toml. Times are UTC.")
    widgets.table(table, _columns(next="when it is due next", last="when it was due last"))


def _executions(source: Source) -> None:
    table = reads.executions(source)
    if table.is_empty():
        return
    widgets.heading("Executions", table, "executions", help="Newest first. A model fitted anew is one too.")
    columns = _columns(due_at="when it was due; of several missed times the last")
    columns |= {
        "missed": st.column_config.NumberColumn("made up for", help="earlier times that were missed"),
        "attempts": st.column_config.NumberColumn("attempts", help="how often it was tried"),
        "seconds": st.column_config.NumberColumn("seconds", format="%.1f", help="waits between attempts included"),
        "rows": st.column_config.NumberColumn("rows", help="rows published"),
        "users": st.column_config.NumberColumn("users", help="users scored"),
    }
    st.caption("Click a row for the run and what it published.")
    widgets.links(table, columns, _run_of, key="executions-table", height=min(38 + 35 * table.height, 360))


def _run_of(row: Mapping[str, Any]) -> tuple[PagePlace, dict[str, str]] | None:
    return (places.RUN, {"run": str(row["run"])}) if row["run"] else None


def _aliases(source: Source) -> None:
    table = reads.aliases(source)
    meaning = (
        "Jobs look an alias up each time. distaff promote RUN --as ALIAS changes it, distaff rollback takes it back."
    )
    if table.is_empty():
        st.subheader("Aliases", help=meaning, anchor=False)
        st.caption("None yet.")
        return
    widgets.heading("Aliases", table, "aliases", help=meaning)
    current = table.filter("current").sort("alias")
    for alias, run in current.select("alias", "run").iter_rows():
        st.markdown(f"**{wording.escape(alias)}** is {wording.escape(run)}")
        places.RUN.link(f"About {run}", run=run)
    columns = _columns(since="from when on")
    columns["current"] = st.column_config.CheckboxColumn("now", help="what the alias stands for")
    columns["action"] = st.column_config.TextColumn("change", help="promote, or rollback to what came before")
    widgets.links(table, columns, _run_of, key="aliases-table")
    with st.popover("Roll back"):
        st.caption("An alias goes back to the run before, from the next execution on. In a terminal:")
        st.code("\n".join(f"distaff rollback {alias}" for alias in current["alias"]), language="bash")


def _drift(source: Source) -> None:
    table = reads.drifts(source)
    meaning = "The data at the last scoring of each run beside the data that it was fitted to."
    if table.is_empty():
        st.subheader("Drift", help=meaning, anchor=False)
        st.caption("Nothing has been scored yet.")
        return
    widgets.heading("Drift", table, "drift", help=meaning)
    runs = table.filter("drifted")["run"].unique(maintain_order=True).to_list()
    if runs:
        st.warning(wording.escape(f"The data is no longer what {', '.join(runs)} was fitted to. Fit it anew."))
    else:
        st.caption("Nothing beyond what sampling explains.")
    columns = _columns(at="when it was compared")
    columns |= {
        "part": st.column_config.TextColumn("part", help="items, activity of users, factors, or channels"),
        "name": st.column_config.TextColumn("channel"),
        "measure": st.column_config.TextColumn(
            "measure",
            help="total variation: share that would have to move; psi: population stability index; shift in "
            "standard deviations of the training data; ratio as a logarithm",
        ),
        "value": st.column_config.NumberColumn("value", format="%.3f"),
        "limit": st.column_config.NumberColumn("limit", format="%.3f", help="sampling, and a margin, stay below"),
        "drifted": st.column_config.CheckboxColumn("drifted"),
    }
    widgets.links(table, columns, _run_of, key="drift-table")


def _forgotten(source: Source) -> None:
    table = reads.forgotten(source)
    if table.is_empty():
        return
    widgets.heading("Forgotten people", table, "forgotten", help="Requests by distaff forget. Nobody is named.")
    if (table["model"] == "failed").any():
        st.error("A model that people have to be taken out of could not be fitted anew.")
    columns = _columns(requested_at="when it was asked for")
    columns |= {
        "method": st.column_config.TextColumn(
            "how", help="downdate and refit give what training without them gives; rows removes their vectors only"
        ),
        "model": st.column_config.TextColumn("model", help="queued: it will be fitted anew; replaced: it was"),
        **{
            name: st.column_config.NumberColumn(
                name, format="%.3f", help="AUC of an attack that guesses membership; 0.5 is a guess"
            )
            for name in ("before", "after", "low", "high")
        },
    }
    widgets.table(table, columns)


def _columns(**times: str) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: st.column_config.DatetimeColumn(
            name.replace("_", " "), help=f"{meaning} (UTC)", format=_TIME, timezone="UTC"
        )
        for name, meaning in times.items()
    }
    columns["status"] = st.column_config.TextColumn("status", help=_STATUS)
    columns["message"] = st.column_config.TextColumn("message", width="large")
    return columns
