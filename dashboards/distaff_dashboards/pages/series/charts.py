"""Figures of series, in the look of :mod:`distaff_dashboards.ui.charts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from distaff.exports import dates
from distaff_dashboards.pages.factors.charts import HEAT
from distaff_dashboards.pages.series.reads import Forecast, Stretch, above_chance
from distaff_dashboards.ui.breakdown import Floats
from distaff_dashboards.ui.charts import ACCENT, CONTROL, GRID, INK, INTENTS, MUTED, OTHER, finish, text

_BAND = "rgba(18, 101, 111, 0.18)"
_FEW = 200  # rows up to which every one is marked


def forecast(found: Forecast, history: int, channels: Sequence[tuple[int, str]]) -> go.Figure:
    """Channels below each other: rows before, the forecast with its interval, and what came.

    Args:
        found: The forecast.
        history: Rows to show before it.
        channels: Place and name of those to show.
    """
    figure = _rows([name for _, name in channels])
    past, ahead = dates(found.before.times[-history:]), dates(found.times)
    edge = np.concatenate([ahead, ahead[::-1]])
    for row, (c, name) in enumerate(channels, 1):
        first = row == 1
        if np.isfinite(found.low[:, c]).all():
            band = np.concatenate([found.high[:, c], found.low[::-1, c]])
            figure.add_scatter(x=edge, y=band, row=row, col=1, fill="toself", fillcolor=_BAND, line={"width": 0},
                               name="interval", showlegend=first, hoverinfo="skip")  # fmt: skip
        _line(figure, row, past, found.before.values[-history:, c], name, "measured", first, color=INK)
        if found.actual is not None:
            _line(figure, row, ahead, found.actual[:, c], name, "what came", first, color=CONTROL)
        _line(figure, row, ahead, found.value[:, c], name, "forecast", first, color=ACCENT, width=2.2)
    return _finished(figure, len(channels))


def measured(found: Stretch, channels: Sequence[tuple[int, str]]) -> go.Figure:
    """Channels below each other as they were measured."""
    figure = _rows([name for _, name in channels])
    for row, (c, name) in enumerate(channels, 1):
        _line(figure, row, dates(found.times), found.values[:, c], name, "measured", False, color=INK)
    return _finished(figure, len(channels))


def places(
    x: Floats, y: Floats, colours: Sequence[Any], hover: Sequence[str], shares: tuple[float, float], title: str
) -> go.Figure:
    """Points of a map, selectable by box or lasso; each carries its place in the table as custom data.

    Args:
        x: Of each point.
        y: Likewise.
        colours: Numbers, or names, of which the commonest have colours of their own.
        hover: What to say of each point.
        shares: Of the variance, that the axes show.
        title: What the colours mean.
    """
    figure = go.Figure()
    order = np.arange(len(x))
    size = 7 if len(x) < 1500 else 5
    numbers = all(isinstance(c, float) for c in colours)
    groups: Mapping[str, Any] = {title: order} if numbers else _groups(colours)
    for n, (name, own) in enumerate(groups.items()):
        marker: dict[str, Any] = {"size": size, "opacity": 0.75}
        if numbers:
            marker |= {"color": np.asarray(colours, dtype=float), "colorscale": "Viridis", "showscale": True,
                       "colorbar": {"thickness": 12, "title": {"text": text(title)}}}  # fmt: skip
        else:
            marker["color"] = INTENTS[n] if n < len(INTENTS) and name != _REST else OTHER
        figure.add_scattergl(x=x[own], y=y[own], mode="markers", name=text(name), marker=marker, customdata=own.tolist(),
                             text=[hover[i] for i in own], hovertemplate="%{text}<extra></extra>",
                             selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0.12}},
                             showlegend=not numbers)  # fmt: skip
    figure = finish(figure, height=560, top=60)
    for axis, update, share in (("first", figure.update_xaxes, shares[0]), ("second", figure.update_yaxes, shares[1])):
        update(title_text=f"{axis} principal component ({share:.0%} of the variance)", showgrid=True, gridcolor=GRID,
               zeroline=False, tickfont={"color": MUTED}, title_font={"size": 13, "color": MUTED})  # fmt: skip
    figure.update_layout(dragmode="lasso")
    return figure


def traversal(table: pa.Table) -> go.Figure:
    """The mean window of each channel as a latent moves, light to dark; dashed beyond what windows reach."""
    rows = table.to_pylist()
    channels = list(dict.fromkeys(row["channel"] for row in rows))
    figure = _rows(channels)
    rungs = max(row["rung"] for row in rows)
    for row in rows:
        shade = sample_colorscale(_SHADES, row["rung"] / max(rungs, 1))[0]
        said = text(f"{row['label']}: {row['level']:.3g}")
        figure.add_scatter(y=row["values"], row=channels.index(row["channel"]) + 1, col=1, mode="lines", showlegend=False,
                           line={"color": shade, "width": 1.8, "dash": "dot" if row["out_of_range"] else "solid"},
                           hovertemplate="%{y:.4g}<extra>" + said + "</extra>")  # fmt: skip
    figure = _finished(figure, len(channels))
    figure.update_xaxes(title_text="rows of a window", row=len(channels), col=1)
    return figure


_SHADES = [[0.0, "#cfe3e5"], [1.0, "#0b3c43"]]


def leakage(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Scores of probes: representations down, concepts across; the darker, the further above chance."""
    names = list(dict.fromkeys(row["representation"] for row in rows))
    concepts = list(dict.fromkeys((row["level"], row["concept"]) for row in rows))
    found = {(row["representation"], row["level"], row["concept"]): row for row in rows}
    cells = [[found.get((name, *concept)) for concept in concepts] for name in names]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if cell is None else above_chance(cell) for cell in line] for line in cells],
            text=[["" if cell is None else _score(cell) for cell in line] for line in cells],
            texttemplate="%{text}", x=list(range(len(concepts))), y=list(range(len(names))), zmin=0, zmax=1,
            colorscale=HEAT, showscale=False, xgap=2, ygap=2, hoverongaps=False,
            hovertemplate="%{text}<extra></extra>",
        )
    )  # fmt: skip
    figure = finish(figure, height=130 + 44 * len(names), top=60)
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=[text(name) for name in names], autorange="reversed")
    labels = [f"{text(concept)}<br>of {'windows' if level == 'instance' else 'places'}" for level, concept in concepts]
    figure.update_xaxes(tickvals=list(range(len(concepts))), ticktext=labels, nticks=None, side="top", showgrid=False)
    return figure


def _score(row: Mapping[str, Any]) -> str:
    return f"{row['score']:.2f} ({max(row['chance'], row['floor']):.2f})"


_REST = "others"


def _groups(names: Sequence[Any]) -> dict[str, Any]:
    """Places of each name, the commonest first; names beyond the colours are one group."""
    labels = np.array(["–" if name is None else str(name) for name in names], dtype=object)
    unique, place, count = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.argsort(-count, kind="stable")
    own = order[: len(INTENTS)]
    groups = {str(unique[n]): np.flatnonzero(place == n) for n in own}
    if len(order) > len(INTENTS):
        groups[_REST] = np.flatnonzero(np.isin(place, order[len(INTENTS) :]))
    return groups


def _rows(names: Sequence[str]) -> go.Figure:
    return make_subplots(rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.18 / len(names),
                         subplot_titles=[text(name) for name in names])  # fmt: skip


def _line(
    figure: go.Figure,
    row: int,
    x: Any,
    y: Floats,
    channel: str,
    name: str,
    legend: bool,
    *,
    color: str,
    width: float = 1.5,
) -> None:
    figure.add_scatter(x=x, y=y, row=row, col=1, mode="lines+markers" if len(y) <= _FEW else "lines", name=name,
                       marker={"size": 3.5}, line={"color": color, "width": width}, showlegend=legend,
                       hovertemplate="%{y:.5g}<extra>" + f"{text(channel)}, {name}" + "</extra>")  # fmt: skip


def _finished(figure: go.Figure, n: int) -> go.Figure:
    figure.update_annotations(x=0, xanchor="left", font={"size": 12.5, "color": INK})
    figure = finish(figure, height=80 + 180 * n, top=50)
    figure.update_yaxes(nticks=5, showgrid=True, gridcolor=GRID, tickfont={"color": MUTED})
    figure.update_xaxes(zeroline=False)
    return figure
