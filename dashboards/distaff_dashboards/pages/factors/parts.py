"""What the pages about factors share: the choice of a run and of a factor, and how factors are called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import widgets, wording


def choose_run() -> tuple[str, dict[str, Any]] | None:
    """The chosen run and what is known about it; None, with a word on what to do, when no run has factors."""
    everything = data.everything()
    runs = {str(row["run"]): row for row in data.runs_with_factors(everything)}
    if not runs:
        _none(data.any_run(everything))
        return None
    run = widgets.choose("Run", list(runs), key="run", help="Models first, then controls; newest first.")
    return run, runs[run]


def label(factor: int, name: str | None) -> str:
    """A factor's stable number with its name, when it has one."""
    return f"{factor}: {name}" if name and name != "unnamed" else f"{factor} (unnamed)"


def labels(factors: pa.Table) -> dict[int, str]:
    """Labels of a run's factors, in the table's order."""
    pairs = zip(*(factors[c].to_pylist() for c in ("factor", "name")), strict=True)
    return {int(factor): label(int(factor), name) for factor, name in pairs}


def choose_factor(names: dict[int, str]) -> int:
    """The chosen factor, kept in the URL by its number: a bound select box would keep its label, which may change."""
    linked = st.query_params.get("intent", "")
    if "intent" not in st.session_state and linked.isdigit():
        st.session_state["intent"] = int(linked)
    if st.session_state.get("intent") not in names:
        st.session_state["intent"] = next(iter(names))
    chosen = int(st.selectbox("Factor", list(names), key="intent", format_func=lambda k: names[k]))
    st.query_params["intent"] = str(chosen)
    return chosen


def said(run: dict[str, Any], factors: pa.Table) -> str:
    """The run and its factors in one line."""
    warned = sum(bool(warnings) for warnings in factors["warnings"].to_pylist())
    stability = [value for value in factors["stability"].to_pylist() if value is not None]
    text = f"{run['model']}{' (a control)' if run['control'] else ''} on {run['dataset']}, seed {run['seed']}: "
    text += f"{factors.num_rows} intents, {warned} with warnings, "
    text += f"median stability {np.median(stability):.2f}" if stability else "stability unknown with one seed"
    return wording.escape(text)


def _none(run: str | None) -> None:
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
