"""*Compare*: two runs on one dataset beside each other: what they scored, how they were made, and where they differ."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads import comparison
from distaff_dashboards.reads.factors import factors_of
from distaff_dashboards.reads.runs import labels_of, offered, runs_of
from distaff_dashboards.reads.source import Source, published_for, whole_workspace
from distaff_dashboards.ui import address, definitions, places, widgets, wording
from distaff_dashboards.ui.labels import factor_labels
from distaff_dashboards.views.choices import choose_dataset

_TOP = 10  # items of a list that are compared
_HEIGHT = 320  # pixels of a table


@widgets.page(
    places.COMPARE,
    "Where do two runs differ: in their figures, settings, lists and factors? A difference on validation is no test: "
    "the Board makes the paired one, against the best control.",
)
def compare_page() -> None:
    """Draw the page."""
    chosen = _pair()
    if chosen is None:
        return
    dataset, run, other = chosen
    source = published_for(run, other, dataset)
    name = f"{run}-{other}"
    left, right = st.columns(2, gap="large")
    with left:
        _figures(comparison.figures(source, run, other), name)
    with right:
        _settings(comparison.settings(source, run, other), name)
    _factors(source, dataset, run, other)
    _lists(source, dataset, run, other)
    places.BOARD.link("The board of their dataset", dataset=dataset)


def _pair() -> tuple[str, str, str] | None:
    """Draw the choice of a dataset and of two runs on it; None, saying what to do, where there are no two."""
    dataset = choose_dataset()
    if dataset is None:
        return None
    name, kind, whole = str(dataset["dataset"]), str(dataset["kind"]), whole_workspace()
    asked = [address.linked("run"), address.kept("run", name), address.linked("beside")]
    runs = offered(runs_of(whole, name, kind), *asked)["run"].to_list()
    if len(runs) < 2:
        widgets.empty(
            "It takes two finished runs on a dataset. Train a control, and a model:", *widgets.STARTS[kind](name)
        )
        return None
    labels = labels_of(whole, name, kind)
    left, right = st.columns(2, gap="large")
    with left:
        run = address.choose("Run", runs, key="run", scope=name, labels=labels)
    with right:
        others = [one for one in runs if one != run]
        other = address.choose("Beside it", others, key="beside", scope=f"{name}/{run}", labels=labels)
    if run is None or other is None:
        return None
    for column, shown in ((left, run), (right, other)):
        with column, st.container(horizontal=True, vertical_alignment="center"):
            st.code(shown, language=None, width="content")
            places.RUN.link("About this run", dataset=name, run=shown)
    return name, run, other


def _figures(table: pl.DataFrame, name: str) -> None:
    widgets.heading("On validation", table, f"{name}-figures", help="The split that chooses. A metric that only one of them "
                    "was measured by has no difference.")  # fmt: skip
    if table.is_empty():
        st.caption("Neither was measured on validation.")
        return
    told = table.with_columns(meaning=pl.col("metric").map_elements(wording.define, pl.String))
    columns: dict[str, Any] = {c: st.column_config.NumberColumn(c, format="%.4f") for c in ("this", "other")}
    columns["difference"] = st.column_config.NumberColumn("difference", format="%+.4f", help="This less the other")
    widgets.table(told, columns, key="figures", height=_HEIGHT)


def _settings(table: pl.DataFrame, name: str) -> None:
    widgets.heading("Made differently", table, f"{name}-settings", help="Model, seed, data and settings that are not the "
                    "same; empty where one of them has no such setting.")  # fmt: skip
    if table.is_empty():
        st.caption("Model, seed, data and every setting are the same.")
        return
    widgets.table(table, {}, key="settings", height=_HEIGHT)


def _factors(source: Source, dataset: str, run: str, other: str) -> None:
    table = comparison.matched(source, run, other)
    if table.is_empty():
        return
    ours, theirs = (factor_labels(factors_of(source, name)) for name in (run, other))
    numbers = [pl.col(column).replace_strict(names, default=None, return_dtype=pl.String).alias(shown)
               for column, names, shown in (("factor", ours, "this"), ("partner", theirs, "other"))]  # fmt: skip
    shown = table.select("factor", *numbers, "match")
    widgets.heading("Factors, matched", shown, f"{run}-{other}-factors", help="Each factor with the one of the other run "
                    "whose items it shares most, one to one.")  # fmt: skip
    st.caption("Click a row to open the factor of this run.")
    columns = {"factor": None, "match": st.column_config.NumberColumn("match", format="%.2f", help="Correlation of item "
               "shares: 1 the same factor, 0 nothing in common")}  # fmt: skip
    link = {"dataset": dataset, "run": run}
    widgets.links(shown, columns, lambda row: (places.FACTOR, {**link, "factor": str(row["factor"])}), key="matched",
                  height=_HEIGHT)  # fmt: skip


def _lists(source: Source, dataset: str, run: str, other: str) -> None:
    table = comparison.shared(source, run, other, _TOP)
    if table.is_empty():
        return
    widgets.heading("Lists", table, f"{run}-{other}-lists", help=f"Of the first {_TOP} items of each person's published "
                    "lists, how many are on both; those that differ most first.")  # fmt: skip
    share = table.select((pl.col("shared") / pl.col("listed")).mean()).item()
    st.caption(f"The first {_TOP} of {table.height:,} people share {share:.0%} of their items on average.")
    left, _ = st.columns([1, 2.4])
    with left:
        user = address.choose("Person", table["user_id"].to_list(), key="user", scope=dataset, open_ended=True,
                              help="Those whose lists differ most first. Type any other id.")  # fmt: skip
    if user is None:
        return
    lists = comparison.beside(source, run, other, dataset, user, _TOP)
    if lists.is_empty():
        st.info(wording.escape(f"Neither run has published a list of {user}."))
        return
    widgets.table(
        lists, {"rank": st.column_config.NumberColumn("rank", help=definitions.EVIDENCE["rank"])}, key="beside"
    )
    for label, shown in (("Their page by this run", run), ("by the other", other)):
        places.PERSON.link(label, dataset=dataset, run=shown, user=user)
