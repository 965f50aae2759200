"""The choice of a run and of one of its factors, which pages about factors and about people share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.factors import runs_with_factors
from distaff_dashboards.reads.source import newest_run, row_of, whole_workspace
from distaff_dashboards.ui import widgets, wording


def choose_run() -> dict[str, Any] | None:
    """Return the chosen run, ``run, model, control, dataset, seed``; None, saying what to do, when no run has factors."""
    source = whole_workspace()
    runs = runs_with_factors(source)
    if runs.is_empty():
        _say_how_to_get_factors(newest_run(source))
        return None
    run = widgets.choose("Run", runs["run"].to_list(), key="run", help="Models first, then controls; newest first.")
    return row_of(runs, "run", run)


def choose_factor(names: Mapping[int, str]) -> int:
    """Return the chosen factor, kept in the URL by its number: a bound select box would keep its label, which may change."""
    linked = st.query_params.get("intent", "")
    if "intent" not in st.session_state and linked.isdigit():
        st.session_state["intent"] = int(linked)
    if st.session_state.get("intent") not in names:
        st.session_state["intent"] = next(iter(names))
    factor = int(st.selectbox("Factor", list(names), key="intent", format_func=lambda k: names[k]))
    st.query_params["intent"] = str(factor)
    return factor


def describe(run: Mapping[str, Any], factors: pl.DataFrame) -> str:
    """Return a run and its factors in one line."""
    n_warned = factors.select((pl.col("warnings").list.len() > 0).sum()).item()
    stability = factors.select(pl.col("stability").median()).item()
    text = f"{run['model']}{' (a control)' if run['control'] else ''} on {run['dataset']}, seed {run['seed']}: "
    text += f"{factors.height} intents, {n_warned} with warnings, "
    text += "stability unknown with one seed" if stability is None else f"median stability {stability:.2f}"
    return wording.escape(text)


def _say_how_to_get_factors(run: str | None) -> None:
    if run is None:
        widgets.empty(
            "No run is finished in this workspace yet. Train a model with intents, then compute their evidence:",
            "distaff train plait DATASET --seeds 3",
            "distaff factors RUN",
        )
    else:
        widgets.empty(
            "No run has its intents computed yet. Do it for a run of plait, dccf, nmf, varimax or puresvd:",
            f"distaff factors {run}",
        )
