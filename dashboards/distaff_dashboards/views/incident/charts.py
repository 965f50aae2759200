"""Figures of an incident, in the look of :mod:`distaff_dashboards.ui.charts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from distaff_dashboards.ui.charts import ACCENT, CONTROL, FLOOR, GRID, INK, MUTED, OTHER, finish, text
from distaff_dashboards.views.incident.graph import Layout

SUBGRAPHS = {"invariant": ("in both states", CONTROL, "solid"), "dependent": ("since the incident", FLOOR, "dash"),
         "path": ("path beside the graph", OTHER, "dot")}  # fmt: skip
_UNITS = (
    (4 * 86_400.0, 86_400.0, "days"),
    (12 * 3_600.0, 3_600.0, "hours"),
    (120.0, 60.0, "minutes"),
    (0.0, 1.0, "seconds"),
)
_LANE = 0.82  # share of a lane that a series may fill
_NAME = 24


@dataclass(frozen=True)
class OnsetAxis:
    """A time axis from the onset that causes are ranked from, in a unit that fits the window."""

    zero: float
    size: float
    unit: str

    @classmethod
    def of(cls, zero: float, span: float) -> OnsetAxis:
        """Return the axis of a window of ``span`` seconds."""
        size, unit = next((size, unit) for least, size, unit in _UNITS if span >= least)
        return cls(zero, size, unit)

    def __call__(self, seconds: Any) -> Any:
        """Return seconds of the case as units since the onset."""
        return (np.asarray(seconds, dtype=float) - self.zero) / self.size


def timeline(
    times: NDArray[np.float64],
    lanes: Sequence[tuple[str, NDArray[np.float64], float | None]],
    marks: Sequence[tuple[str, float, str, str]],
    axis: OnsetAxis,
) -> go.Figure:
    """Draw metrics in lanes one below the other, each from its own smallest to its own largest value, and times as lines.

    Args:
        times: Seconds, ``(T,)``.
        lanes: Metric, values ``(T,)`` and its own onset; the first is drawn in ink.
        marks: Name, seconds, colour and dash of each line.
        axis: Its unit and its zero.
    """
    figure = go.Figure()
    for lane, (name, values, onset) in enumerate(lanes):
        level = _level(values) * _LANE - lane
        figure.add_scatter(x=axis(times), y=level, mode="lines", line={"color": INK if lane == 0 else ACCENT, "width": 1.6},
                           customdata=values, showlegend=False,
                           hovertemplate="%{customdata:.4g}<extra>" + text(name) + "</extra>")  # fmt: skip
        if onset is not None and times[0] <= onset <= times[-1]:
            figure.add_scatter(x=[axis(onset)], y=[level[int(np.searchsorted(times, onset))]],
                               mode="markers", name="onset of a metric", showlegend=not any(t.name for t in figure.data),
                               marker={"size": 10, "color": "#ffffff", "line": {"width": 2.5, "color": FLOOR}},
                               hovertemplate="left its normal<extra></extra>")  # fmt: skip
    for name, seconds, colour, dash in marks:
        figure.add_scatter(x=[axis(seconds)] * 2, y=[1 - len(lanes) - 0.05, 1.0], mode="lines", name=name,
                           line={"color": colour, "width": 1.6, "dash": dash}, hoverinfo="name")  # fmt: skip
    figure = finish(figure, height=90 + 52 * len(lanes), top=34)
    figure.update_yaxes(tickvals=[_LANE / 2 - lane for lane in range(len(lanes))],
                        ticktext=[text(name) for name, *_ in lanes], range=[0.9 - len(lanes), 1.05])  # fmt: skip
    figure.update_xaxes(
        title_text=f"{axis.unit} since the onset", range=[axis(times[0]), axis(times[-1])], zeroline=False
    )
    return figure


def series(
    times: NDArray[np.float64],
    rows: Sequence[tuple[str, NDArray[np.float64], float | None]],
    onset: float,
    axis: OnsetAxis,
) -> go.Figure:
    """Draw metrics as they were measured, each on an axis of its own, with the time that each left its normal."""
    figure = make_subplots(rows=len(rows), cols=1, shared_xaxes=True, vertical_spacing=0.18 / len(rows),
                           subplot_titles=[text(name) for name, *_ in rows])  # fmt: skip
    for row, (name, values, since) in enumerate(rows, 1):
        figure.add_scatter(x=axis(times), y=values, row=row, col=1, mode="lines+markers" if len(times) < 150 else "lines",
                           marker={"size": 4}, line={"color": ACCENT, "width": 1.5}, showlegend=False,
                           hovertemplate="%{y:.5g}<extra>" + text(name) + "</extra>")  # fmt: skip
        figure.add_vline(x=axis(onset), row=row, col=1, line={"color": INK, "width": 1.5})
        if since is not None and times[0] <= since <= times[-1]:
            figure.add_vline(x=axis(since), row=row, col=1, line={"color": FLOOR, "width": 1.5, "dash": "dot"})
    figure.update_annotations(x=0, xanchor="left", font={"size": 12.5, "color": INK})
    figure = finish(figure, height=70 + 130 * len(rows), top=30)
    figure.update_yaxes(nticks=4, showgrid=True, gridcolor=GRID, tickfont={"color": MUTED})
    figure.update_xaxes(title_text=f"{axis.unit} since the onset", row=len(rows), col=1)
    figure.update_xaxes(range=[axis(times[0]), axis(times[-1])], zeroline=False)
    return figure


def graph(layout: Layout, ranks: Mapping[str, int], path: Sequence[str], chosen: str, kpi: str | None) -> go.Figure:
    """Draw the causal graph in columns; the KPI at the right, the path of the chosen cause lit."""
    lit = set(pairwise(path))
    figure = go.Figure()
    for subgraph, (name, colour, dash) in SUBGRAPHS.items():
        edges = [e for e in layout.edges if e["part"] == subgraph and (e["source"], e["target"]) not in lit]
        _lines(figure, layout, edges, name, {"color": colour, "width": 1.3, "dash": dash})
    for subgraph, (name, _, dash) in SUBGRAPHS.items():
        edges = [e for e in layout.edges if e["part"] == subgraph and (e["source"], e["target"]) in lit]
        title = "path of the cause" if subgraph == "invariant" else f"path of the cause, {name}"
        _lines(figure, layout, edges, title, {"color": ACCENT, "width": 4, "dash": dash})
    _heads(figure, layout, lit)
    names = list(layout.places)
    fill = [INK if n == kpi else ACCENT if n == chosen or n in path else "#ffffff" for n in names]
    figure.add_scatter(
        x=[layout.places[n][0] for n in names], y=[-layout.places[n][1] for n in names], mode="markers+text",
        text=[_node(n, ranks.get(n)) for n in names], textfont={"size": 11, "color": INK},
        textposition=["middle right" if n == kpi else "top center" for n in names],
        marker={"opacity": 1, "size": [17 if n in (kpi, chosen) else 12 for n in names], "color": fill,
                "line": {"width": 2, "color": [INK if n == kpi else ACCENT for n in names]}},
        customdata=[[text(n), "KPI" if n == kpi else f"rank {ranks[n]}" if n in ranks else "on a path"] for n in names],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>", showlegend=False, cliponaxis=False,
    )  # fmt: skip
    columns, heights = zip(*layout.places.values(), strict=True)
    figure = finish(figure, height=int(130 + 62 * (max(heights) - min(heights) + 1)), top=48)
    figure.update_xaxes(visible=False, range=[min(columns) - 0.55, 0.55])
    figure.update_yaxes(visible=False, range=[-max(heights) - 0.4, -min(heights) + 0.8])
    return figure


def _lines(
    figure: go.Figure, layout: Layout, edges: Sequence[Mapping[str, Any]], name: str, line: dict[str, Any]
) -> None:
    """Draw edges as one broken line, and at their middles what to say of them."""
    if not edges:
        return
    ends = [(layout.places[e["source"]], layout.places[e["target"]]) for e in edges]
    bends = [_bend(source, target) for source, target in ends]
    xs, ys = ([value for bend in bends for value in (*bend[axis], None)] for axis in (0, 1))
    figure.add_scatter(x=xs, y=ys, mode="lines", line=line, name=name, hoverinfo="skip")  # fmt: skip
    strength = ["" if e["weight"] is None else f"<br>strength {e['weight']:.2f}" for e in edges]
    labels = [f"{text(e['source'])}<br>→ {text(e['target'])}{s}" for e, s in zip(edges, strength, strict=True)]
    figure.add_scatter(x=[b[0][len(b[0]) // 2] for b in bends], y=[b[1][len(b[1]) // 2] for b in bends], mode="markers",
                       marker={"size": 12, "opacity": 0}, text=labels, showlegend=False,
                       hovertemplate="%{text}<extra>" + name + "</extra>")  # fmt: skip


def _bend(source: tuple[int, float], target: tuple[int, float]) -> tuple[list[float], list[float]]:
    """Return an edge as a curve that leaves and arrives level; one within a column or over several bows outwards."""
    t = np.linspace(0, 1, 21)
    (x0, y0), (x1, y1) = source, target
    hop = x1 - x0
    x = x0 + hop * t
    ease = t * t * (3 - 2 * t) if hop else t
    y = -(y0 + (y1 - y0) * ease)
    bow = np.sin(np.pi * t)
    return list(x - 0.28 * bow if hop == 0 else x), list(y - (0.45 * bow if abs(hop) > 1 else 0))


def _heads(figure: go.Figure, layout: Layout, lit: set[tuple[str, str]]) -> None:
    """Draw where each edge goes, as a small triangle short of its end."""
    for edge in layout.edges:
        is_lit = (edge["source"], edge["target"]) in lit
        x, y = _bend(layout.places[edge["source"]], layout.places[edge["target"]])
        figure.add_annotation(
            x=x[-2], y=y[-2], ax=x[-4], ay=y[-4], xref="x", yref="y", axref="x", ayref="y", showarrow=True, text="",
            arrowhead=2, arrowsize=1, arrowwidth=2.4 if is_lit else 1.3,
            arrowcolor=ACCENT if is_lit else SUBGRAPHS[edge["part"]][1],
        )  # fmt: skip


def _node(metric: str, rank: int | None) -> str:
    """Return entity and metric in two lines, after the rank."""
    entity, _, name = metric.partition("|")
    lines = [_short(entity), _short(name)] if name else [_short(entity)]
    return ("" if rank is None else f"<b>{rank}</b> ") + "<br>".join(lines)


def _short(name: str) -> str:
    return text(name if len(name) <= _NAME else name[: _NAME - 1] + "…")


def _level(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values from 0 to 1 by their own range; a constant lies in the middle."""
    finite = values[np.isfinite(values)]
    if not finite.size or np.ptp(finite) == 0:
        return np.where(np.isfinite(values), 0.5, np.nan)
    scaled: NDArray[np.float64] = (values - finite.min()) / np.ptp(finite)
    return scaled
