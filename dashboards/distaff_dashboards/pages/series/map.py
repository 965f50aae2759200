"""The map of a run's windows: what lies together the encoder takes for alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from distaff.exports import with_dates
from distaff_dashboards.pages.series import charts as series_charts
from distaff_dashboards.pages.series import reads as series_data
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import charts, widgets, wording

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


def show(source: data.Source, run: str, dataset: str) -> None:
    """The section: map, and the windows inside a lasso as a table."""
    found = series_data.vectors(source, run)
    if not found:
        st.subheader("Map of windows", anchor=False)
        widgets.empty("This run's windows have no published embeddings yet. Publish them, to see which lie together:",
                      f"distaff embed {run}")  # fmt: skip
        return
    top = st.container()
    left, middle, right = st.columns([1, 1, 1.6], vertical_alignment="bottom")
    channel = next(iter(found))
    if channel is not None:
        with middle:
            channel = widgets.choose("Channel of the map", [str(name) for name in found], key="map-channel",
                                     help="This model embeds each channel on its own.")  # fmt: skip
    table, shares = series_data.points(source, run, dataset, channel)
    with top:
        widgets.heading("Map of windows", with_dates(table), f"{run}-map",
                        help="One point a window: its instance embedding on the first two principal components. What "
                        "the encoder takes for alike lies together; what lies together may differ otherwise.")  # fmt: skip
    columns = [c for c in table.column_names if c not in _PLACES and len(table[c].unique()) > 1]
    with left:
        ordered = [c for c in (*_NAMES, *table.column_names) if c in columns]
        by = st.selectbox("Colour by", list(dict.fromkeys(ordered)), key=f"colour-{run}", format_func=_said)
    kept = f" {len(table):,} of {found[channel]:,} windows, evenly spaced." if len(table) < found[channel] else ""
    right.caption(f"The axes show {sum(shares):.0%} of the vectors' variance.{kept} Draw around points to list them.")
    colours = _colours(table, by) if by else [None] * len(table)
    figure = series_charts.places(
        table["x"].to_numpy(), table["y"].to_numpy(), colours, _hover(table), shares, _said(by)
    )
    event = st.plotly_chart(
        figure, theme=None, config=dict(charts.CONFIG), key=f"map-{run}-{channel}-{by}", on_select="rerun",
        selection_mode=("lasso", "box"), alt="Windows on two principal components of their embeddings",
    )  # fmt: skip
    _selected(table, chosen(event), run, by)


def chosen(event: Mapping[str, Any]) -> list[int]:
    """Places in the table of the points inside a lasso or a box."""
    found = event.get("selection", {}).get("points", [])
    return sorted({int(point["customdata"]) for point in found if point.get("customdata") is not None})


def _selected(table: pa.Table, places: Sequence[int], run: str, by: str | None) -> None:
    if not places:
        return
    own = with_dates(table.take(pa.array(places)))
    title = f"{len(places):,} windows chosen"
    widgets.heading(title, own, f"{run}-chosen", help="The windows inside what was drawn.")
    if by and not pa.types.is_floating(table[by].type):
        counts = pc.value_counts(own[by]).to_pylist()
        most = sorted(counts, key=lambda row: -row["counts"])[:5]
        said = ", ".join(f"{row['counts']:,} {'–' if row['values'] is None else row['values']}" for row in most)
        st.caption(wording.escape(f"By {_said(by)}: {said}"))
    widgets.table(own, {c: _column(c) for c in own.column_names}, key="chosen", height=320)


def _column(name: str) -> Any:
    if name in _PLACES or name.startswith(("factor ", "latent ")):
        return st.column_config.NumberColumn(
            name, help=_COLUMNS.get(name, "A known factor behind the window, or a latent of the model"), format="%.3g"
        )
    return st.column_config.Column(_said(name), help=_COLUMNS[name])


def _said(name: str | None) -> str:
    return "" if name is None else _NAMES.get(name, name)


def _colours(table: pa.Table, by: str) -> list[Any]:
    column = table[by]
    if pa.types.is_floating(column.type):
        return [float("nan") if value is None else float(value) for value in column.to_pylist()]
    return list(column.to_pylist())


def _hover(table: pa.Table) -> list[str]:
    shown = [c for c in table.column_names if c not in _PLACES and table[c].null_count < len(table)]
    rows = with_dates(table).select(shown).to_pylist()
    return [
        "<br>".join(
            f"{charts.text(_said(c))}: {charts.text(f'{v:.4g}' if isinstance(v, float) else str(v))}"
            for c, v in row.items() if v is not None
        )
        for row in rows
    ]  # fmt: skip
