"""Pieces that all pages use: their frame, a table with its exports, a choice kept in the URL, an empty state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st
from polars import selectors

from distaff_dashboards.ui import charts, export, wording
from distaff_data.errors import DistaffError
from distaff_data.workspace import default_root


@dataclass(frozen=True)
class Page:
    """A page of the app.

    Attributes:
        path: Opens it, as ``/path``.
        title: Its name in the navigation and above it.
        purpose: One sentence below the title.
        body: Draws the rest.
        first: Whether ``/`` opens it as well.
    """

    path: str
    title: str
    purpose: str
    body: Callable[[], None]
    first: bool = False

    def show(self) -> None:
        """Draw the page, or what the user can do when something is missing."""
        st.title(self.title, anchor=False)
        st.caption(self.purpose)
        if not (default_root() / "distaff.toml").exists():
            empty("There is no workspace in this folder yet. Make one:", "distaff init")
            return
        try:
            self.body()
        except DistaffError as error:
            st.error(wording.escape(str(error)))

    def entry(self) -> st.Page:
        """Return the page as Streamlit's navigation and links take it."""
        return st.Page(self.show, title=self.title, url_path=self.path, default=self.first)


def page(path: str, title: str, purpose: str, *, first: bool = False) -> Callable[[Callable[[], None]], Page]:
    """Make a :class:`Page` of the function that draws it."""
    return partial(Page, path, title, purpose, first=first)


def choose(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    help: str | None = None,
    open_ended: bool = False,
) -> str:
    """Return the choice in a select box whose value is part of the URL; its options are shown as plain text.

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


def heading(title: str, table: pl.DataFrame, name: str, *, help: str | None = None) -> None:
    """Draw a section's heading, with the exports of its table at the right."""
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


def table(data: pl.DataFrame, columns: Mapping[str, Any], **options: Any) -> Any:
    """Draw a table without index, with a definition for every column."""
    data = data.with_columns(selectors.float().fill_nan(None))  # shown by the placeholder
    return st.dataframe(data, column_config=dict(columns), hide_index=True, placeholder="–", **options)


def chart(figure: go.Figure, *, key: str, alt: str) -> None:
    """Draw a figure with the project's own look."""
    st.plotly_chart(figure, theme=None, config=dict(charts.CONFIG), key=key, alt=alt)


def empty(message: str, *commands: str) -> None:
    """Say that something is missing, and which commands make it."""
    st.info(message)
    st.code("\n".join(commands), language="bash")
