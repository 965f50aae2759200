"""Pieces that both pages use: a table with its exports, a choice kept in the URL, an empty state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa
import streamlit as st

from distaff_dashboards.ui import charts, export, wording
from distaff_data.errors import DistaffError
from distaff_data.workspace import default_root


def page(title: str, purpose: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """A page's frame: title and purpose, and what the user can do when something is missing."""

    def decorate(show: Callable[[], None]) -> Callable[[], None]:
        @wraps(show)
        def framed() -> None:
            st.title(title, anchor=False)
            st.caption(purpose)
            if not (default_root() / "distaff.toml").exists():
                empty("There is no workspace in this folder yet. Make one:", "distaff init")
                return
            try:
                show()
            except DistaffError as error:
                st.error(wording.escape(str(error)))

        return framed

    return decorate


def choose(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    help: str | None = None,
    open_ended: bool = False,
) -> str:
    """A select box whose value is part of the URL; its options are shown as plain text.

    Args:
        label: What is chosen.
        options: At least one; the first is chosen at the start.
        key: Name in the URL.
        help: Tooltip.
        open_ended: Also take a value that is typed.
    """
    chosen = st.selectbox(
        label,
        options,
        key=key,
        help=help,
        accept_new_options=open_ended,
        bind="query-params",
    )
    return options[0] if chosen is None else str(chosen)


def heading(title: str, table: pa.Table, name: str, *, help: str | None = None) -> None:
    """A section's heading, with the exports of its table at the right."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.subheader(title, help=help, anchor=False)
        for kind, mime, write in (
            ("CSV", "text/csv", export.to_csv),
            ("Parquet", "application/vnd.apache.parquet", export.to_parquet),
        ):
            st.download_button(
                kind,
                data=partial(write, table),
                file_name=f"{name}.{kind.lower()}",
                mime=mime,
                key=f"export-{name}-{kind}",
                type="tertiary",
                on_click="ignore",
                help=f"Download this table as {kind}",
            )


def table(data: pa.Table, columns: Mapping[str, Any], **options: Any) -> Any:
    """A table without index, with a definition for every column."""
    return st.dataframe(data.to_pandas(), column_config=dict(columns), hide_index=True, placeholder="–", **options)


def chart(figure: go.Figure, *, key: str, alt: str) -> None:
    """A figure with the project's own look."""
    st.plotly_chart(figure, theme=None, config=dict(charts.CONFIG), key=key, alt=alt)


def empty(what: str, *commands: str) -> None:
    """Says that something is missing and which commands make it."""
    st.info(what)
    st.code("\n".join(commands), language="bash")
