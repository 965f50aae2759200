"""The ways into an empty workspace: commands to copy, or a sample at a click."""

from __future__ import annotations

import streamlit as st

from distaff_dashboards.ui import wording
from distaff_data.errors import DistaffError
from distaff_data.workspace import Workspace

_WAYS = (
    (
        "People and items",
        "Who took what: orders, views, ratings. Answers: why do these people take this?",
        ("distaff ingest interactions shop orders.csv", "distaff train ease shop", "distaff train plait shop --seeds 3"),
        "planted-interactions",
    ),
    (
        "Series",
        "Sensors, machines, recordings. Answers: what drives this sensor, what comes next?",
        ("distaff ingest series plant readings.csv", "distaff train raw_ridge plant", "distaff train timedrl plant"),
        "planted-series",
    ),
    (
        "Incidents",
        "Metrics of services around a failure. Answers: which of them broke first?",
        ("distaff ingest incidents outages metrics.csv", "distaff diagnose outages --model floor_z",
         "distaff diagnose outages --onset detected"),
        "planted-incidents",
    ),
)  # fmt: skip


def welcome(workspace: Workspace) -> None:
    """Draw the three ways in; a button loads the built-in data of each kind."""
    st.info(
        "This workspace is empty. There are three ways in: load your own files in a terminal, or a sample at a click."
    )
    for column, (title, purpose, commands, kind) in zip(st.columns(3, gap="medium"), _WAYS, strict=True):
        with column, st.container(border=True):
            st.subheader(title, anchor=False)
            st.write(purpose)
            st.code("\n".join(commands), language="bash", wrap_lines=True)
            if st.button(
                "Load a sample", key=f"load-{kind}", help="Built-in data whose truth is known; nothing is trained"
            ):
                _load(workspace, kind)


def _load(workspace: Workspace, kind: str) -> None:
    from distaff_data.planted.samples import sample

    with st.spinner("Loading ..."):
        try:
            sample(workspace, kind)
        except DistaffError as error:
            st.error(wording.escape(str(error)))
            return
    st.rerun()
