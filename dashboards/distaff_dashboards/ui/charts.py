"""Figures. One accent colour for what is shown; grey for what it is shown against."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

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
CONFIG: Mapping[str, Any] = {"displayModeBar": False, "displaylogo": False}

_ROW = 30  # pixels a bar
_LABEL_LENGTH = 44


def text(value: str) -> str:
    """A label from outside: cut to length, and never read as Plotly's own markup."""
    short = value if len(value) <= _LABEL_LENGTH else value[: _LABEL_LENGTH - 1].rstrip() + "…"
    return html.escape(short, quote=False)


def comparison(rows: Sequence[BoardRow], metric: str, noise_floor: float | None) -> go.Figure:
    """Models above controls, each with its mean and 95 % interval over seeds, and the noise floor as a line."""
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


def top_items(
    titles: Sequence[str], probability: Sequence[float], lift: Sequence[float], *, of: str = "this factor"
) -> go.Figure:
    """Each item's or word's share of something, such as a factor, over its share of all behaviour in grey."""
    overall = [p / v if v > 0 else 0.0 for p, v in zip(probability, lift, strict=True)]
    ys = list(range(len(titles)))
    hover = [f"lift {v:.1f}" for v in lift]
    figure = go.Figure(
        [
            go.Bar(y=ys, x=list(probability), orientation="h", name=f"share of {of}", marker_color=ACCENT,
                   width=0.62, customdata=hover, hovertemplate="%{x:.2%} of " + of + ", %{customdata}<extra></extra>"),
            go.Bar(y=ys, x=overall, orientation="h", name="share of all behaviour", marker_color=CONTROL,
                   width=0.26, hovertemplate="%{x:.2%} of all behaviour<extra></extra>"),
        ]
    )  # fmt: skip
    figure.update_layout(barmode="overlay")
    return bars(figure, titles, percent=True)


def attribute_lift(
    labels: Sequence[str], lift: Sequence[float], share: Sequence[float], sure: Sequence[bool]
) -> go.Figure:
    """Lift of attribute values on a logarithmic axis; grey ones could be chance."""
    ys = list(range(len(labels)))
    figure = go.Figure()
    for flag, name, colour in ((True, "more than chance", ACCENT), (False, "could be chance", OTHER)):
        at = [i for i in ys if sure[i] is flag]
        figure.add_bar(
            y=at, x=[lift[i] - 1 for i in at], base=1, orientation="h", name=name, marker_color=colour, width=0.62,
            customdata=[[lift[i], share[i]] for i in at],
            hovertemplate="lift %{customdata[0]:.2f}, %{customdata[1]:.1%} of the factor<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=1, line={"color": INK, "width": 1})
    figure = bars(figure, labels, percent=False)
    figure.update_xaxes(title_text="lift: times as frequent as in all behaviour")
    return figure


def effects(labels: Sequence[str], values: Sequence[float]) -> go.Figure:
    """What each of some words or items adds to a score's logarithm."""
    figure = go.Figure(
        go.Bar(y=list(range(len(labels))), x=list(values), orientation="h", marker_color=ACCENT, width=0.62,
               hovertemplate="%{x:+.3f}<extra></extra>", showlegend=False)
    )  # fmt: skip
    return bars(figure, labels, percent=False)


def mix(labels: Sequence[str], shares: Sequence[float], colours: Sequence[str]) -> go.Figure:
    """A user's shares of the intents."""
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
    titles: Sequence[str], found: Breakdown, names: Mapping[int, str], colours: Mapping[int, str]
) -> go.Figure:
    """Each item's score as a stack of what the intents add; what pulls it down lies left of zero."""
    ys = list(range(len(titles)))
    stacks = [(names[k], colours[k], found.parts[:, n]) for n, k in enumerate(found.intents)]
    stacks += [("other intents", OTHER, found.other), ("rest: no intent", REST, found.rest)]
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
    found = [row.metrics[metric] for row in rows]
    one_seed = [value.low is None or value.high is None for value in found]
    figure.add_scatter(
        x=[value.mean for value in found], y=list(ys), mode="markers+text", name=name, showlegend=False,
        text=[f"{wording.number(value.mean)}" for value in found], textposition="top center",
        textfont={"size": 11.5, "color": MUTED},
        marker={"size": 11, "color": colour, "line": {"width": 2, "color": colour},
                "symbol": ["circle-open" if single else "circle" for single in one_seed]},
        error_x={"type": "data", "symmetric": False, "thickness": 2, "width": 5, "color": colour,
                 "array": [0 if value.high is None else value.high - value.mean for value in found],
                 "arrayminus": [0 if value.low is None else value.mean - value.low for value in found]},
        customdata=[wording.interval(value) for value in found], hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def bars(figure: go.Figure, labels: Sequence[str], *, percent: bool, top: int = 34) -> go.Figure:
    """Horizontal bars from the top down. Positions are numbers, so that two items of one title stay two bars."""
    ys = list(range(len(labels)))
    figure.update_yaxes(tickvals=ys, ticktext=[text(label) for label in labels], range=[len(labels) - 0.4, -0.6])
    figure.update_xaxes(tickformat="~%" if percent else None, showgrid=True, zeroline=False)
    return finish(figure, height=60 + top + _ROW * max(len(labels), 2), top=top)


def finish(figure: go.Figure, *, height: int, top: int) -> go.Figure:
    """The look that all figures share."""
    figure.update_layout(
        height=height, margin={"l": 8, "r": 24, "t": top, "b": 8}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", font={"color": INK, "size": 13, "family": "Source Sans, sans-serif"},
        dragmode=False,
        legend={"orientation": "h", "xref": "container", "yref": "container", "x": 0, "y": 1, "yanchor": "top",
                "itemclick": False, "itemdoubleclick": False, "font": {"color": INK}, "title": None},
        hoverlabel={"bgcolor": "#ffffff", "bordercolor": GRID, "font": {"color": INK}},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, automargin=True, tickfont={"color": MUTED},
                        title_font={"size": 13, "color": MUTED}, tickangle=0, nticks=6, fixedrange=True)  # fmt: skip
    figure.update_yaxes(automargin=True, showgrid=False, zeroline=False, tickfont={"color": INK}, fixedrange=True)
    return figure
