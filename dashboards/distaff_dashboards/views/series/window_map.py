"""The map of a run's windows: what lies together the encoder takes for alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.source import Source
from distaff_dashboards.ui import address, widgets, wording
from distaff_dashboards.ui.charts import CONFIG, text, themed
from distaff_dashboards.ui.export import with_dates
from distaff_dashboards.views.series import charts
from distaff_dashboards.views.series.reads import embedded_channels, points

_PLACES = ("x", "y")
_NAMES = {"label": "label", "predicted": "predicted class", "group": "group", "channel": "channel", "entity": "entity",
          "start": "time"}  # fmt: skip
_COLUMNS = {
    "entity": "The entity's own id",
    "channel": "The channel, where the model embeds each on its own",
    "start": "Time of the window's first row",
    "label": "Its class, as the dataset has it",
    "group": "What it belongs to, such as a subject",
    "predicted": "The class that the run takes it for",
    "x": "First principal component",
    "y": "Second principal component",
}


def window_map(source: Source, run: str, dataset: str) -> None:
    """Draw the section: the map, and the windows inside a lasso as a table."""
    sizes = embedded_channels(source, run)
    if not sizes:
        st.subheader("Map of windows", anchor=False)
        widgets.empty("This run's windows have no published embeddings yet. Publish them, to see which lie together:",
                      f"distaff embed {run}")  # fmt: skip
        return
    top = st.container()
    left, middle, right = st.columns([1, 1, 1.6], vertical_alignment="bottom")
    channel = next(iter(sizes))
    if channel is not None:
        with middle:
            channel = address.choose("Channel of the map", [str(name) for name in sizes], key="map-channel", scope=run,
                                     help="This model embeds each channel on its own.")  # fmt: skip
        if channel is None:
            return
    table, shares = points(source, run, dataset, channel)
    dated = with_dates(table)
    with top:
        widgets.heading("Map of windows", dated, f"{run}-map",
                        help="One point a window: its instance embedding on the first two principal components. What "
                        "the encoder takes for alike lies together; what lies together may differ otherwise.")  # fmt: skip
    varied = [c for c in table.columns if c not in _PLACES and table[c].n_unique() > 1]
    with left:
        ordered = [c for c in (*_NAMES, *table.columns) if c in varied]
        colour = st.selectbox("Colour by", list(dict.fromkeys(ordered)), key=f"colour-{run}", format_func=_heading)
    sampling = f" {len(table):,} of {sizes[channel]:,} windows, evenly spaced." if len(table) < sizes[channel] else ""
    right.caption(
        f"The axes show {sum(shares):.0%} of the vectors' variance.{sampling} Draw around points to list them."
    )
    figure = charts.places(table, colour, _hover(dated), shares, _heading(colour))
    event = st.plotly_chart(
        themed(figure), theme=None, config=dict(CONFIG), key=f"map-{run}-{channel}-{colour}", on_select="rerun",
        selection_mode=("lasso", "box"), alt="Windows on two principal components of their embeddings",
    )  # fmt: skip
    _selected(dated, chosen(event), run, colour)


def chosen(event: Mapping[str, Any]) -> list[int]:
    """Return the places in the table of the points inside a lasso or a box."""
    selected = event.get("selection", {}).get("points", [])
    return sorted({int(point["customdata"]) for point in selected if point.get("customdata") is not None})


def _selected(table: pl.DataFrame, places: Sequence[int], run: str, colour: str | None) -> None:
    if not places:
        return
    windows = table[list(places)]
    title = f"{len(places):,} windows chosen"
    widgets.heading(title, windows, f"{run}-chosen", help="The windows inside what was drawn.")
    if colour and not windows[colour].dtype.is_float():
        counts = windows[colour].cast(pl.String).fill_null("–").value_counts(sort=True).head(5)
        listing = ", ".join(f"{count:,} {value}" for value, count in counts.iter_rows())
        st.caption(wording.escape(f"By {_heading(colour)}: {listing}"))
    widgets.table(windows, {c: _column(c) for c in windows.columns}, key="chosen", height=320)


def _column(name: str) -> Any:
    if name in _PLACES or name.startswith(("factor ", "latent ")):
        return st.column_config.NumberColumn(
            name, help=_COLUMNS.get(name, "A known factor behind the window, or a latent of the model"), format="%.3g"
        )
    return st.column_config.Column(_heading(name), help=_COLUMNS[name])


def _heading(name: str | None) -> str:
    return "" if name is None else _NAMES.get(name, name)


def _hover(table: pl.DataFrame) -> list[str]:
    """Return a line for each value of a window, as Plotly's tooltips break lines."""
    columns = table.select(c for c in table.columns if c not in _PLACES and table[c].null_count() < len(table))
    return [
        "<br>".join(
            f"{text(_heading(name))}: {text(f'{value:.4g}' if isinstance(value, float) else str(value))}"
            for name, value in row.items() if value is not None
        )
        for row in columns.iter_rows(named=True)
    ]  # fmt: skip
