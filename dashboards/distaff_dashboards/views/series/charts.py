"""Figures of series, in the look of :mod:`distaff_dashboards.ui.charts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
from numpy.typing import NDArray
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from distaff.exports import dates
from distaff_dashboards.ui.charts import ACCENT, CONTROL, GRID, HEAT, INK, INTENTS, MUTED, OTHER, finish, text
from distaff_dashboards.views.series.reads import EntityRows, Forecast, above_chance

_BAND = "rgba(18, 101, 111, 0.18)"
_MARKED = 200  # rows up to which every one is marked


def forecast(forecast: Forecast, history: int, channels: Sequence[tuple[int, str]]) -> go.Figure:
    """Draw channels below each other: rows before, the forecast with its interval, and what came.

    Args:
        forecast: The forecast.
        history: Rows to show before it.
        channels: PagePlace and name of those to show.
    """
    figure = _rows([name for _, name in channels])
    past, ahead = dates(forecast.before.times[-history:]), dates(forecast.times)
    edge = np.concatenate([ahead, ahead[::-1]])
    for row, (c, name) in enumerate(channels, 1):
        first = row == 1
        if np.isfinite(forecast.low[:, c]).all():
            band = np.concatenate([forecast.high[:, c], forecast.low[::-1, c]])
            figure.add_scatter(x=edge, y=band, row=row, col=1, fill="toself", fillcolor=_BAND, line={"width": 0},
                               name="interval", showlegend=first, hoverinfo="skip")  # fmt: skip
        _line(figure, row, past, forecast.before.values[-history:, c], name, "measured", first, color=INK)
        if forecast.actual is not None:
            _line(figure, row, ahead, forecast.actual[:, c], name, "what came", first, color=CONTROL)
        _line(figure, row, ahead, forecast.value[:, c], name, "forecast", first, color=ACCENT, width=2.2)
    return _finished(figure, len(channels))


def measured(rows: EntityRows, channels: Sequence[tuple[int, str]]) -> go.Figure:
    """Draw channels below each other as they were measured."""
    figure = _rows([name for _, name in channels])
    for row, (c, name) in enumerate(channels, 1):
        _line(figure, row, dates(rows.times), rows.values[:, c], name, "measured", False, color=INK)
    return _finished(figure, len(channels))


def places(
    table: pl.DataFrame, column: str | None, hover: Sequence[str], shares: tuple[float, float], title: str
) -> go.Figure:
    """Draw points of a map, selectable by box or lasso; each carries its place in the table as custom data.

    Args:
        table: ``x, y`` of each point.
        column: The column that colours points: numbers, or names, of which the commonest have colours of their own.
        hover: What to say of each point.
        shares: Of the variance, that the axes show.
        title: What the colours mean.
    """
    figure = go.Figure()
    size = 7 if len(table) < 1500 else 5
    points = table.with_row_index("at").with_columns(hover=pl.Series(hover, dtype=pl.String))
    numbers = points[column] if column is not None and table[column].dtype.is_float() else None
    groups = [(title, points)] if numbers is not None else _groups(points, column)
    for n, (name, group) in enumerate(groups):
        marker: dict[str, Any] = {"size": size, "opacity": 0.75}
        if numbers is not None:
            marker |= {"color": numbers.to_numpy(), "colorscale": "Viridis", "showscale": True,
                       "colorbar": {"thickness": 12, "title": {"text": text(title)}}}  # fmt: skip
        else:
            marker["color"] = INTENTS[n] if n < len(INTENTS) and name != _REST else OTHER
        figure.add_scattergl(x=group["x"].to_numpy(), y=group["y"].to_numpy(), mode="markers", name=text(name),
                             marker=marker, customdata=group["at"].to_list(), text=group["hover"].to_list(),
                             hovertemplate="%{text}<extra></extra>", selected={"marker": {"opacity": 1}},
                             unselected={"marker": {"opacity": 0.12}}, showlegend=numbers is None)  # fmt: skip
    figure = finish(figure, height=560, top=60)
    for axis, update, share in (("first", figure.update_xaxes, shares[0]), ("second", figure.update_yaxes, shares[1])):
        update(title_text=f"{axis} principal component ({share:.0%} of the variance)", showgrid=True, gridcolor=GRID,
               zeroline=False, tickfont={"color": MUTED}, title_font={"size": 13, "color": MUTED})  # fmt: skip
    figure.update_layout(dragmode="lasso")
    return figure


def traversal(table: pl.DataFrame) -> go.Figure:
    """Draw the mean window of each channel as a latent moves, light to dark; dashed beyond what windows reach."""
    channels = table["channel"].unique(maintain_order=True).to_list()
    figure = _rows(channels)
    n_rungs = table.select(pl.col("rung").max()).item()
    for rung in table.iter_rows(named=True):
        shade = sample_colorscale(_SHADES, rung["rung"] / max(n_rungs, 1))[0]
        label = text(f"{rung['label']}: {rung['level']:.3g}")
        figure.add_scatter(y=rung["values"], row=channels.index(rung["channel"]) + 1, col=1, mode="lines", showlegend=False,
                           line={"color": shade, "width": 1.8, "dash": "dot" if rung["out_of_range"] else "solid"},
                           hovertemplate="%{y:.4g}<extra>" + label + "</extra>")  # fmt: skip
    figure = _finished(figure, len(channels))
    figure.update_xaxes(title_text="rows of a window", row=len(channels), col=1)
    return figure


_SHADES = [[0.0, "#cfe3e5"], [1.0, "#0b3c43"]]


def leakage(probes: pl.DataFrame) -> go.Figure:
    """Draw the scores of probes: concepts down, representations across; the darker, the further above chance."""
    names = probes["representation"].unique(maintain_order=True).to_list()
    concepts = probes.select("level", "concept").unique(maintain_order=True).rows()
    chance = pl.max_horizontal("chance", "floor").alias("chance")
    placed = probes.select("representation", "level", "concept", "score", chance, above_chance().alias("shade"))
    cells = {row[:3]: row[3:] for row in placed.iter_rows()}
    grid = [[cells.get((name, *concept)) for name in names] for concept in concepts]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if cell is None else cell[2] for cell in row] for row in grid],
            text=[["" if cell is None else f"{cell[0]:.2f} ({cell[1]:.2f})" for cell in row] for row in grid],
            texttemplate="%{text}", x=list(range(len(names))), y=list(range(len(concepts))), zmin=0, zmax=1,
            colorscale=HEAT, showscale=False, xgap=2, ygap=2, hoverongaps=False,
            hovertemplate="%{text}<extra></extra>",
        )
    )  # fmt: skip
    figure = finish(figure, height=90 + 32 * len(concepts), top=40)
    labels = [f"{text(concept)} of {'windows' if level == 'instance' else 'places'}" for level, concept in concepts]
    figure.update_yaxes(tickvals=list(range(len(concepts))), ticktext=labels, autorange="reversed")
    across = [text(name) for name in names]
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=across, nticks=None, side="top", showgrid=False)
    return figure


_REST = "others"


def _groups(points: pl.DataFrame, column: str | None) -> list[tuple[str, pl.DataFrame]]:
    """Return the points of each name in a column, the commonest first; names beyond the colours are one group."""
    label = pl.lit("–") if column is None else pl.col(column).cast(pl.String).fill_null("–")
    labelled = points.with_columns(group=label)
    sizes = labelled.group_by("group").len().sort("len", "group", descending=[True, False])
    common = sizes["group"].head(len(INTENTS)).to_list()
    groups = [(name, labelled.filter(pl.col("group") == name)) for name in common]
    if sizes.height > len(common):
        groups.append((_REST, labelled.filter(~pl.col("group").is_in(common))))
    return groups


def _rows(names: Sequence[str]) -> go.Figure:
    return make_subplots(rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.18 / len(names),
                         subplot_titles=[text(name) for name in names])  # fmt: skip


def _line(
    figure: go.Figure,
    row: int,
    x: Any,
    y: NDArray[np.float64],
    channel: str,
    name: str,
    legend: bool,
    *,
    color: str,
    width: float = 1.5,
) -> None:
    figure.add_scatter(x=x, y=y, row=row, col=1, mode="lines+markers" if len(y) <= _MARKED else "lines", name=name,
                       marker={"size": 3.5}, line={"color": color, "width": width}, showlegend=legend,
                       hovertemplate="%{y:.5g}<extra>" + f"{text(channel)}, {name}" + "</extra>")  # fmt: skip


def _finished(figure: go.Figure, n: int) -> go.Figure:
    figure.update_annotations(x=0, xanchor="left", font={"size": 12.5, "color": INK})
    figure = finish(figure, height=80 + 180 * n, top=50)
    figure.update_yaxes(nticks=5, showgrid=True, gridcolor=GRID, tickfont={"color": MUTED})
    figure.update_xaxes(zeroline=False)
    return figure
