"""Pieces that all pages use: their frame, a table with its exports, tables and figures that lead on, an empty state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st
from polars import selectors

from distaff_dashboards import statements
from distaff_dashboards.ui import address, charts, export, wording
from distaff_dashboards.ui.places import PagePlace
from distaff_data.errors import DistaffError
from distaff_data.workspace import default_root

_RENEW = 5.0  # seconds between two looks

STARTS: Mapping[str, Callable[[str], tuple[str, str]]] = {
    "interactions": lambda name: (f"distaff train ease {name}", f"distaff train dccf {name} --seeds 3"),
    "incidents": lambda name: (f"distaff diagnose {name} --model floor_z", f"distaff diagnose {name}"),
    "series": lambda name: (f"distaff train raw_ridge {name}", f"distaff train timedrl {name} --seeds 3"),
}
"""The first two commands on a dataset of each kind: a control, and a model beside it."""


@dataclass(frozen=True)
class Page:
    """A page of the app.

    Attributes:
        place: Where it is.
        purpose: One sentence below the title: what the page answers, and how far to trust it.
        body: Draws the rest.
    """

    place: PagePlace
    purpose: str
    body: Callable[[], None]

    def show(self) -> None:
        """Draw the page, or what the user can do when something is missing."""
        st.title(self.place.title, anchor=False)
        st.caption(self.purpose)
        if not (default_root() / "distaff.toml").exists():
            empty("There is no workspace in this folder yet. Make one:", "distaff init")
            return
        address.begin()
        with statements.looking() as asked:
            try:
                self.body()
            except DistaffError as error:
                st.error(wording.escape(str(error)))
        if asked:
            with st.expander("The SQL behind this page", key="statements"):
                st.caption('Each statement can be asked again: `distaff sql "SELECT ..."`.')
                st.code(statements.written(asked), language="sql", wrap_lines=True)
        address.finish(self.place.path, first=self.place.first)

    def entry(self) -> st.Page:
        """Return the page as Streamlit's navigation takes it."""
        return st.Page(self.show, title=self.place.title, url_path=self.place.path, default=self.place.first)


def page(place: PagePlace, purpose: str) -> Callable[[Callable[[], None]], Page]:
    """Make a :class:`Page` of the function that draws it."""
    return partial(Page, place, purpose)


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


def report(name: str, write: Callable[[], str]) -> None:
    """Draw the button that downloads a page's report, which is written when it is clicked."""
    st.download_button(
        "Report",
        data=write,
        file_name=f"{name}.html",
        mime="text/html",
        type="tertiary",
        on_click="ignore",
        help="Download as one HTML file that needs nothing else",
    )


def links(
    data: pl.DataFrame,
    columns: Mapping[str, Any],
    target: Callable[[dict[str, Any]], tuple[PagePlace, Mapping[str, str]] | None],
    *,
    key: str,
    **options: Any,
) -> None:
    """Draw a table whose rows lead on: a click anywhere in one goes to its page.

    Args:
        data: The table.
        columns: Look and definition of its columns.
        target: Returns the page of a row and what it is to show; None where a row leads nowhere.
        key: Of the table.
        options: For Streamlit.
    """
    event = table(data, columns, key=key, on_select="rerun", selection_mode="single-cell", **options)
    for row, _ in event["selection"]["cells"]:
        if row < data.height and (found := target(data.row(row, named=True))) is not None:
            place, parameters = found
            place.go(parameters)


def clicked(figure: go.Figure, *, key: str, alt: str) -> int | None:
    """Draw a figure whose marks can be clicked; return the place of the one that was, down its axis."""
    event = st.plotly_chart(charts.themed(figure), theme=None, config=dict(charts.CONFIG), key=key, alt=alt,
                            on_select="rerun", selection_mode="points")  # fmt: skip
    points = event["selection"]["points"]
    return int(points[0]["point_index"]) if points else None


def table(data: pl.DataFrame, columns: Mapping[str, Any], **options: Any) -> Any:
    """Draw a table without index, with a definition for every column."""
    data = data.with_columns(selectors.float().fill_nan(None))  # shown by the placeholder
    return st.dataframe(data, column_config=dict(columns), hide_index=True, placeholder="–", **options)


def renew(state: Callable[[], str]) -> None:
    """Draw the page anew, by itself, once the state of what it shows is another; what was chosen stays chosen."""
    drawn = state()

    def look() -> None:
        if state() != drawn:
            st.rerun()

    st.fragment(look, run_every=_RENEW)()


def chart(figure: go.Figure, *, key: str, alt: str) -> None:
    """Draw a figure with the project's own look."""
    st.plotly_chart(charts.themed(figure), theme=None, config=dict(charts.CONFIG), key=key, alt=alt)


def empty(message: str, *commands: str) -> None:
    """Say that something is missing, and which commands make it."""
    st.info(message)
    st.code("\n".join(commands), language="bash")
