"""The choice of a dataset, of a run on it and of one of its factors, which the pages of a journey share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.runs import home_of, labels_of, offered, runs_of
from distaff_dashboards.reads.source import Source, datasets, row_of, whole_workspace
from distaff_dashboards.ui import address, places, widgets, wording
from distaff_dashboards.ui.places import PagePlace

_LAST = "last"  # scope of the dataset on pages of every kind: the one that was looked at last
_FIRST = {
    "interactions": ("There is no dataset of interactions in this workspace yet. Load your files, or the built-in data:",
                     "distaff ingest interactions NAME FILE...", "distaff sample planted-interactions",
                     "distaff train plait NAME --seeds 3", "distaff factors RUN"),
    "series": ("There are no series in this workspace yet. Load your files, or the built-in data:",
               "distaff ingest series NAME FILE...", "distaff sample planted-series"),
    "incidents": ("There are no incidents in this workspace yet. Load metrics of incidents, or the built-in data:",
                  "distaff ingest incidents NAME FOLDER", "distaff sample planted-incidents"),
    None: ("There is no dataset in this workspace yet. Load your files, or the built-in data:",
           "distaff ingest interactions NAME FILE...", "distaff sample planted-interactions"),
}  # fmt: skip
_THEN = {
    "interactions": ("No run is finished on this dataset yet. Train a model with intents, then compute their evidence:",
                     "distaff train plait {dataset} --seeds 3", "distaff factors RUN"),
    "series": ("No run on these series is finished yet. Train one, with a control beside it:",
               "distaff train raw_ridge {dataset}", "distaff train timedrl {dataset}"),
    "incidents": ("No incident has been diagnosed yet. Do it, with a control beside it:",
                  "distaff diagnose {dataset} --model floor_z", "distaff diagnose {dataset}"),
}  # fmt: skip
_CAN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "factors": ("This run's intents have not been computed. Of plait, dccf, nmf, varimax, puresvd or dgvae they can be:",
                ("distaff factors {run}",)),
    "words": ("This run's factors have no words. Load what is written about the items, train, then compute the factors:",
              ("distaff ingest items {dataset} FILE...", "distaff train dgvae {dataset}", "distaff factors RUN")),
    "audit": ("This run has not been audited. A run with factors is audited with them; others by those of such a run:",
              ("distaff factors {run}", "distaff blind-spots {run} --by RUN_WITH_FACTORS")),
    "diagnoses": ("This run has published no causes. Diagnose with a control beside it:",
                  ("distaff diagnose {dataset} --model floor_z", "distaff diagnose {dataset}")),
}  # fmt: skip
_OTHERS = 5  # runs that are offered in place of one that cannot be shown


def choose_dataset(kind: str | None = None) -> dict[str, Any] | None:
    """Return the chosen dataset, ``dataset, kind, facts, runs``; None, saying what to do, where there is none.

    Args:
        kind: The kind of data that the page is about; None for every kind.
    """
    return _dataset(whole_workspace(), kind)


def _dataset(source: Source, kind: str | None) -> dict[str, Any] | None:
    asked = (address.linked("dataset"), address.kept("dataset", kind or _LAST))
    every = datasets(source).filter(~pl.col("archived") | pl.col("dataset").is_in([name for name in asked if name]))
    table = every if kind is None else every.filter(pl.col("kind") == kind)
    if table.is_empty():
        widgets.empty(*_FIRST[kind])
        return None
    run = None if "dataset" in st.query_params else address.linked("run")  # a link may name the run alone
    home = None if run is None else home_of(source, run)
    name = address.choose("Dataset", table["dataset"].to_list(), key="dataset", scope=kind or _LAST, implied=home)
    if name is None:
        return None
    row = row_of(table, "dataset", name)
    for scope in (str(row["kind"]), _LAST):
        address.keep("dataset", name, scope)
    return row


def choose_run(here: PagePlace, kind: str, can: str | None = None) -> dict[str, Any] | None:
    """Draw the choice of a dataset and of a run on it; return the run, a row of :func:`runs_of`.

    Args:
        here: The page, for links to other runs.
        kind: The kind of data that the page is about.
        can: What the page shows of a run: ``factors``, ``words``, ``audit`` or ``diagnoses``; None where any run will do.

    Returns:
        The run; None, having said what to do, where there is none to show.
    """
    source = whole_workspace()
    left, right = st.columns([1, 2.4])
    with left:
        dataset = _dataset(source, kind)
    if dataset is None:
        return None
    name = str(dataset["dataset"])
    runs = offered(runs_of(source, name, kind), address.linked("run"), address.kept("run", name))
    if runs.is_empty():
        message, *first = _THEN[kind]
        widgets.empty(message, *(command.format(dataset=name) for command in first))
        return None
    able = runs if can is None else runs.filter(can)
    labels = labels_of(source, name, kind)
    with right:
        run = address.choose(
            "Run", runs["run"].to_list(), key="run", scope=name, labels=labels,
            default=None if able.is_empty() else able["run"][0],
            help="Those with an alias first, then models, then controls, each the newest first. Type to search: model, "
            "setting, seed, date or id.",
        )  # fmt: skip
    if run is None:
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.code(run, language=None, width="content")  # at hand to copy
        places.RUN.link("About this run", run=run)
    row = row_of(runs, "run", run)
    if can is None or row[can]:
        return row
    message, commands = _CAN[can]
    widgets.empty(message, *(command.format(run=run, dataset=name) for command in commands))
    if not able.is_empty():
        st.caption("Runs that have it:")
    for other in able["run"].head(_OTHERS):
        here.link(labels[other], dataset=name, run=other)
    return None


def run_link(run: Mapping[str, Any]) -> dict[str, str]:
    """Return what a link names for a page to show the same run."""
    return {"dataset": str(run["dataset"]), "run": str(run["run"])}


def choose_factor(names: Mapping[int, str], run: str) -> int | None:
    """Return the chosen factor of a run, kept in the address by its number; None where the address names none of it."""
    labels = {str(factor): name for factor, name in names.items()}
    chosen = address.choose("Factor", list(labels), key="factor", scope=run, labels=labels)
    return None if chosen is None else int(chosen)


def describe(run: Mapping[str, Any], factors: pl.DataFrame) -> str:
    """Return a run and its factors in one line."""
    n_warned = factors.select((pl.col("warnings").list.len() > 0).sum()).item()
    stability = factors.select(pl.col("stability").median()).item()
    text = f"{run['model']}{' (a control)' if run['control'] else ''} on {run['dataset']}, seed {run['seed']}: "
    text += f"{factors.height} intents, {n_warned} with warnings, "
    text += "stability unknown with one seed" if stability is None else f"median stability {stability:.2f}"
    return wording.escape(text)
