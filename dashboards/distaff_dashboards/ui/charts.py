"""Figures. One accent colour for what is shown; grey for what it is shown against."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import plotly.io as pio
import polars as pl
import streamlit as st

from distaff_dashboards.ui import wording
from distaff_dashboards.ui.breakdown import Breakdown

if TYPE_CHECKING:
    from distaff.board.board import BoardRow

ACCENT = "#12656f"
CONTROL = "#8592a1"
INK = "#1c2733"
MUTED = "#66727f"
GRID = "#e9edf1"
FLOOR = "#b4532a"
OTHER = "#b9c2cc"
REST = "#dde3e9"
INTENTS = ("#12656f", "#d9962f", "#7b5ea7", "#c4573f", "#5c8f45", "#4a7fc1", "#a85585")
HEAT = [[0.0, "#f4f6f8"], [0.35, "#a9cdd1"], [1.0, ACCENT]]
CONFIG: Mapping[str, Any] = {"displayModeBar": False, "displaylogo": False}

_DARK: Mapping[str, str] = {
    ACCENT: "#3fa3ae",
    INK: "#e3e9ef",
    MUTED: "#9aa7b4",
    GRID: "#2d3945",
    FLOOR: "#e08a5f",
    OTHER: "#5b6875",
    REST: "#3a4753",
    "#ffffff": "#1b242e",
    "#f4f6f8": "#1f2933",
    "#a9cdd1": "#24606a",
}
"""What takes the place of colours where the visitor's theme is dark."""

_ROW = 30  # pixels a bar
_LABEL_LENGTH = 44


def themed(figure: go.Figure) -> go.Figure:
    """Return a figure in the colours of the visitor's theme: as it is, or with every colour's dark counterpart."""
    if st.context.theme.type != "dark":
        return figure
    drawn = figure.to_json()
    for light, dark in _DARK.items():
        drawn = drawn.replace(f'"{light}"', f'"{dark}"').replace(f"color:{light}", f"color:{dark}")
    return pio.from_json(drawn)


def text(value: str) -> str:
    """Return a label from outside cut to length, never to be read as Plotly's own markup."""
    short = value if len(value) <= _LABEL_LENGTH else value[: _LABEL_LENGTH - 1].rstrip() + "…"
    return html.escape(short, quote=False)


def comparison(rows: Sequence[BoardRow], metric: str, noise_floor: float | None) -> go.Figure:
    """Draw models above controls, each with its mean and 95 % interval over seeds, and the noise floor as a line."""
    labels = dict(zip(map(id, rows), wording.row_labels(rows), strict=True))
    scored = [row for row in rows if metric in row.metrics]
    figure = go.Figure()
    ticks: list[tuple[float, str]] = []
    y = 0.0
    for control, title, colour in ((False, "models", ACCENT), (True, "controls", CONTROL)):
        group = sorted(
            (r for r in scored if r.control is control), key=lambda r: -wording.sign(metric) * r.metrics[metric].mean
        )
        if not group:
            continue
        ticks.append((y, f'<b><span style="color:{colour}">{title}</span></b>'))
        ys = [y - 0.9 - step for step in range(len(group))]
        _points(figure, group, metric, ys, title, colour)
        ticks += [(at, text(labels[id(row)])) for at, row in zip(ys, group, strict=True)]
        y = ys[-1] - 1.1
    if noise_floor is not None:
        figure.add_vline(x=noise_floor, line={"color": FLOOR, "width": 1.5, "dash": "dash"})
        figure.add_annotation(
            x=noise_floor, y=1, yref="paper", yanchor="bottom", text="noise floor", showarrow=False,
            font={"color": FLOOR, "size": 12},
        )  # fmt: skip
    figure.update_yaxes(tickvals=[at for at, _ in ticks], ticktext=[name for _, name in ticks], range=[y + 0.4, 0.5])
    figure.update_xaxes(title=html.escape(metric), showgrid=True, zeroline=False)
    return finish(figure, height=84 + int(38 * (0.4 - y)), top=30)


def top_items(table: pl.DataFrame, label: str, *, whole: str = "this factor") -> go.Figure:
    """Draw each item's or word's share of something, such as a factor, over its share of all behaviour in grey.

    Args:
        table: ``probability, lift`` and the column of labels.
        label: The column of labels.
        whole: Name of what they are shares of.
    """
    overall = table.select(pl.when(pl.col("lift") > 0).then(pl.col("probability") / pl.col("lift")).otherwise(0.0))
    ys = list(range(table.height))
    hover = [f"lift {lift:.1f}" for lift in table["lift"]]
    figure = go.Figure(
        [
            go.Bar(y=ys, x=table["probability"].to_list(), orientation="h", name=f"share of {whole}", marker_color=ACCENT,
                   width=0.62, customdata=hover, hovertemplate="%{x:.2%} of " + whole + ", %{customdata}<extra></extra>"),
            go.Bar(y=ys, x=overall.to_series().to_list(), orientation="h", name="share of all behaviour",
                   marker_color=CONTROL, width=0.26, hovertemplate="%{x:.2%} of all behaviour<extra></extra>"),
        ]
    )  # fmt: skip
    figure.update_layout(barmode="overlay")
    return bars(figure, table[label].to_list(), percent=True)


def effect_intervals(table: pl.DataFrame, *, subject: str = "the list") -> go.Figure:
    """Draw the change of every property with its interval, from ``property, effect, low, high, holds``; unsure ones grey."""
    figure = go.Figure()
    placed = table.with_row_index("at")
    for holds, name, colour in ((True, "beyond the control", ACCENT), (False, "could be chance", OTHER)):
        rows = placed.filter(pl.col("holds") == holds)
        figure.add_scatter(
            y=rows["at"].to_list(), x=rows["effect"].to_list(), mode="markers", name=name,
            marker={"size": 10, "color": colour},
            error_x={"type": "data", "symmetric": False, "color": colour, "thickness": 2, "width": 4,
                     "array": (rows["high"] - rows["effect"]).to_list(),
                     "arrayminus": (rows["effect"] - rows["low"]).to_list()},
            hovertemplate="%{x:+.3f}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    figure = bars(figure, table["property"].to_list(), percent=False)
    figure.update_xaxes(title_text=f"change of {subject}, 1 % to 99 % quantile", tickformat="+.2~f")
    return figure


def effects(labels: Sequence[str], values: Sequence[float]) -> go.Figure:
    """Draw what each of some words or items adds to a score's logarithm."""
    figure = go.Figure(
        go.Bar(y=list(range(len(labels))), x=list(values), orientation="h", marker_color=ACCENT, width=0.62,
               hovertemplate="%{x:+.3f}<extra></extra>", showlegend=False)
    )  # fmt: skip
    return bars(figure, labels, percent=False)


def mix(labels: Sequence[str], shares: Sequence[float], colours: Sequence[str]) -> go.Figure:
    """Draw a user's shares of the intents."""
    ys = list(range(len(labels)))
    figure = go.Figure(
        go.Bar(y=ys, x=list(shares), orientation="h", marker_color=list(colours), width=0.62,
               text=[f"{share:.0%}" for share in shares], textposition="outside", cliponaxis=False,
               hovertemplate="%{x:.1%}<extra></extra>", showlegend=False)
    )  # fmt: skip
    figure = bars(figure, labels, percent=True)
    figure.update_xaxes(range=[0, max(shares, default=1.0) * 1.15])
    return figure


def contributions(
    titles: Sequence[str], split: Breakdown, names: Mapping[int, str], colours: Mapping[int, str]
) -> go.Figure:
    """Draw each item's score as a stack of what the intents add; what pulls it down lies left of zero."""
    ys = list(range(len(titles)))
    stacks = [(names[k], colours[k], split.named[:, n]) for n, k in enumerate(split.factors)]
    stacks += [("other intents", OTHER, split.other), ("rest: no intent", REST, split.rest)]
    figure = go.Figure()
    for name, colour, values in stacks:
        if not values.any():
            continue
        figure.add_bar(y=ys, x=values.tolist(), orientation="h", name=text(name), marker_color=colour, width=0.62,
                       hovertemplate="%{x:.3f}<extra>" + text(name) + "</extra>")  # fmt: skip
    figure.update_layout(barmode="relative")
    figure = bars(figure, titles, percent=False, top=20 + 22 * (1 + len(stacks) // 3))
    figure.update_xaxes(title_text="score", zeroline=True, zerolinecolor=MUTED)
    return figure


def _points(
    figure: go.Figure, rows: Sequence[BoardRow], metric: str, ys: Sequence[float], name: str, colour: str
) -> None:
    values = [row.metrics[metric] for row in rows]
    one_seed = [value.low is None or value.high is None for value in values]
    figure.add_scatter(
        x=[value.mean for value in values], y=list(ys), mode="markers+text", name=name, showlegend=False,
        text=[f"{wording.number(value.mean)}" for value in values], textposition="top center",
        textfont={"size": 11.5, "color": MUTED},
        marker={"size": 11, "color": colour, "line": {"width": 2, "color": colour},
                "symbol": ["circle-open" if single else "circle" for single in one_seed]},
        error_x={"type": "data", "symmetric": False, "thickness": 2, "width": 5, "color": colour,
                 "array": [0 if value.high is None else value.high - value.mean for value in values],
                 "arrayminus": [0 if value.low is None else value.mean - value.low for value in values]},
        customdata=[wording.interval(value) for value in values], hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def bars(figure: go.Figure, labels: Sequence[str], *, percent: bool, top: int = 34) -> go.Figure:
    """Return a figure as bars from the top down. Positions are numbers, so that two items of one title stay two bars."""
    ys = list(range(len(labels)))
    figure.update_yaxes(tickvals=ys, ticktext=[text(label) for label in labels], range=[len(labels) - 0.4, -0.6])
    figure.update_xaxes(tickformat="~%" if percent else None, showgrid=True, zeroline=False)
    return finish(figure, height=60 + top + _ROW * max(len(labels), 2), top=top)


def finish(figure: go.Figure, *, height: int, top: int) -> go.Figure:
    """Return a figure with the look that all figures share."""
    figure.update_layout(
        height=height, margin={"l": 8, "r": 24, "t": top, "b": 8}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", font={"color": INK, "size": 13, "family": "Source Sans, sans-serif"},
        dragmode=False,
        legend={"orientation": "h", "xref": "container", "yref": "container", "x": 0, "y": 1, "yanchor": "top",
                "itemclick": False, "itemdoubleclick": False, "font": {"color": INK}, "title": None},
        hoverlabel={"bgcolor": "#ffffff", "bordercolor": GRID, "font": {"color": INK}},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, automargin=True, tickfont={"color": MUTED},
                        title_font={"size": 13, "color": MUTED}, autotickangles=[0, 30, 90], nticks=6,
                        fixedrange=True)  # fmt: skip
    figure.update_yaxes(automargin=True, showgrid=False, zeroline=False, tickfont={"color": INK}, fixedrange=True)
    return figure
