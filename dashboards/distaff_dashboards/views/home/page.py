"""*Home*: the workspace at a glance, each line a way on; an empty workspace shows the ways in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.board import board_of
from distaff_dashboards.reads.source import Source, runs_on
from distaff_dashboards.ui import places, widgets, wording
from distaff_dashboards.ui.labels import dataset_facts
from distaff_dashboards.ui.verdict import Verdict, leader, verdict
from distaff_dashboards.views.home import reads
from distaff_dashboards.views.home.welcome import welcome
from distaff_dashboards.views.incident.reads import followed
from distaff_dashboards.views.jobs import reads as jobs
from distaff_data.errors import DistaffError

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from distaff.board.board import Board

_COMPARED = 6  # datasets whose boards are drawn up for this page, the newest
_JOBS = 5
_KINDS = {"interactions": "People and items", "series": "Series", "incidents": "Incidents"}
_MARKS = {"good": ":green-badge[holds]", "bad": ":red-badge[does not hold]", "open": ":gray-badge[open]"}


@widgets.page(
    places.HOME,
    "What is in this workspace, what is best on it, and what needs a look? A gap between a model and its best control "
    "holds only where the board's paired test says so.",
)
def home_page() -> None:
    """Draw the page."""
    source = reads.home_source()
    datasets = reads.sizes(source)
    if datasets.is_empty():
        welcome(source.workspace)
        return
    left, right = st.columns([3, 2], gap="large")
    with right:
        scheduled = jobs.jobs_source()
        _warnings(source, scheduled)
        _incidents(source)
        _jobs(scheduled)
    with left:
        _datasets(source, datasets)
    widgets.renew(lambda: reads.home_source().state)


def _datasets(source: Source, datasets: pl.DataFrame) -> None:
    """Draw the datasets; their boards last, which take longest where they are drawn up for the first time."""
    champions = reads.champions(source)
    compared = set(datasets["dataset"].head(_COMPARED))
    boards: dict[str, DeltaGenerator] = {}
    for kind, title in _KINDS.items():
        group = datasets.filter(pl.col("kind") == kind)
        if group.is_empty():
            continue
        st.subheader(title, anchor=False)
        for dataset in group.iter_rows(named=True):
            with st.container(border=True):
                _dataset(dataset)
                if dataset["runs"] and dataset["dataset"] in compared:
                    boards[dataset["dataset"]] = st.container()
    for name, place in boards.items():
        with place:
            _compared(name, champions.get(name))


def _dataset(dataset: Mapping[str, Any]) -> None:
    name, kind, created = str(dataset["dataset"]), str(dataset["kind"]), dataset["created_at"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{wording.escape(name)}**", width="content")
        places.JOURNEYS[kind].link("Look inside", dataset=name)
        places.BOARD.link("Board", dataset=name)
    facts = [dataset_facts(json.loads(dataset["facts"])), f"loaded {reads.age(created)} ({created:%Y-%m-%d})"]
    facts += [f"{dataset['runs']:,} run{'' if dataset['runs'] == 1 else 's'}"]
    st.caption(wording.escape(" · ".join(fact for fact in facts if fact)))
    if not dataset["runs"]:
        st.caption("No run is finished on it yet. A control first, then a model beside it:")
        st.code("\n".join(widgets.STARTS[kind](name)), language="bash")


def _compared(name: str, champion: tuple[str, str] | None) -> None:
    """Draw the best run beside its best control, as the board compares them."""
    try:
        board = board_of(runs_on(name), name)
    except DistaffError as error:  # nothing in the test split, or no case with a known cause
        st.caption(wording.escape(str(error)))
        return
    found, run = standing(board, champion)
    st.markdown(f"{_MARKS[found.level]} {found.text}")
    if run is not None:
        title = f"{champion[0]}: {run}" if champion is not None and champion[1] == run else f"Best on validation: {run}"
        places.RUN.link(title, dataset=name, run=run)


def standing(board: Board, champion: tuple[str, str] | None) -> tuple[Verdict, str | None]:
    """Return the verdict on the champion of a dataset beside its best control, and its run.

    Args:
        board: The board of the dataset.
        champion: An alias and its run; None, and the best on validation stands for it.
    """
    metric = board.metric
    control = leader(board.rows, metric, control=True)
    if champion is None:
        model = leader(board.rows, metric, control=False)
        row = model if model is not None else control
        return verdict(model, control, metric), None if row is None else row.runs[0]
    alias, run = (wording.escape(part) for part in champion)
    row = next((row for row in board.rows if champion[1] in row.runs), None)
    if row is None or metric not in row.metrics:
        text = f"{alias} is {run}, which validation did not choose on this data: the board has no test of it."
        return Verdict("open", text), champion[1]
    if row.control:
        number = wording.number(row.metrics[metric].mean)
        return Verdict("open", f"{alias} is itself a control, with {wording.escape(metric)} {number}."), champion[1]
    return verdict(row, control, metric), champion[1]


def _warnings(source: Source, scheduled: Source) -> None:
    st.subheader("Needs a look", anchor=False)
    drifted = jobs.drifts(scheduled).filter("drifted")["run"].unique(maintain_order=True).to_list()
    for run in drifted[:_JOBS]:
        places.JOBS.link(f"Drift: the data is no longer what {run} was fitted to")
    failed = reads.failed(source)
    for run, status, message in failed.select("run", "status", "message").iter_rows():
        places.RUN.link(f"{run} {status}" + (f": {message}" if message else ""), run=run)
    if not drifted and failed.is_empty():
        st.caption("Nothing: no drift beyond sampling, no failed run since the last that was done.")


def _incidents(source: Source) -> None:
    st.subheader(
        "Open incidents", anchor=False, help="Whose cause nobody has named in the data, and streams that still run."
    )
    cases, n = reads.open_incidents(source)
    growing = followed(source).filter(~pl.col("converged")).head(_JOBS)
    for case in cases.iter_rows(named=True):
        blamed = "not diagnosed yet" if case["metric"] is None else f"first suspect {case['metric']}"
        more = {} if case["run"] is None else {"run": case["run"], "cause": case["metric"]}
        places.INCIDENT.link(
            f"{case['case']} ({case['dataset']}): {blamed}", dataset=case["dataset"], case=case["case"], **more
        )
    for stream in growing.iter_rows(named=True):
        places.FOLLOWED.link(f"{stream['label']}: followed, not at rest", case=stream["id"])
    if n > cases.height:
        st.caption(f"{n:,} in all.")
    if cases.is_empty() and growing.is_empty():
        st.caption("None.")


def _jobs(source: Source) -> None:
    st.subheader("Last jobs", anchor=False)
    configured, mistake = jobs.configured(source)
    if mistake is not None:
        st.error(wording.escape(mistake))
    table = jobs.executions(source).head(_JOBS)
    for row in table.iter_rows(named=True):
        mark = {"done": "✓", "failed": "✗"}.get(row["status"], "…")
        label = f"{mark} {row['job']} {row['status']}, {row['due_at']:%Y-%m-%d %H:%M} UTC"
        if row["run"]:
            places.RUN.link(label, run=row["run"])
        else:
            places.JOBS.link(label)
    if table.is_empty():
        st.caption("None has run yet.")
    label = f"{len(configured)} job{'' if len(configured) == 1 else 's'} by the clock" if configured else "Jobs"
    places.JOBS.link(label)
