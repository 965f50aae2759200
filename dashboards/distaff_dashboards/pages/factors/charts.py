"""Figures of the evidence behind factors, in the look of :mod:`distaff_dashboards.ui.charts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from distaff_dashboards.ui.charts import ACCENT, CONTROL, FLOOR, INK, MUTED, OTHER, bars, finish, text

HEAT = [[0.0, "#f4f6f8"], [0.35, "#a9cdd1"], [1.0, ACCENT]]


def heatmap(lift: Mapping[tuple[int, str], float], names: Mapping[int, str], values: Sequence[str]) -> go.Figure:
    """Log lift of attribute values (rows) in factors (columns); empty where chance explains it."""
    factors = list(names)
    cells = [[lift.get((f, v)) for f in factors] for v in values]
    shades = [[None if cell is None else float(np.log2(cell)) for cell in row] for row in cells]
    hover = [[f"{text(v)}<br>{text(names[f])}" for f in factors] for v in values]
    marks = [["" if cell is None else f"{cell:.1f}" for cell in row] for row in cells]
    figure = go.Figure(
        go.Heatmap(z=shades, x=list(range(len(factors))), y=list(range(len(values))), text=marks, texttemplate="%{text}",
                   textfont={"size": 11}, colorscale=HEAT, showscale=False, xgap=2, ygap=2, customdata=hover,
                   hovertemplate="%{customdata}<br>lift %{text}<extra></extra>", hoverongaps=False)
    )  # fmt: skip
    figure = finish(figure, height=90 + 24 * len(values), top=10)
    figure.update_yaxes(tickvals=list(range(len(values))), ticktext=[text(v) for v in values], autorange="reversed")
    figure.update_xaxes(tickvals=list(range(len(factors))), ticktext=[str(f) for f in factors], nticks=None,
                        title_text="factor", showgrid=False, zeroline=False)  # fmt: skip
    return figure


def effects(rows: Sequence[Mapping[str, Any]], *, of: str = "the list") -> go.Figure:
    """Change of every property with its interval; grey ones could be chance."""
    figure = go.Figure()
    for holds, name, colour in ((True, "beyond the control", ACCENT), (False, "could be chance", OTHER)):
        at = [i for i, row in enumerate(rows) if row["holds"] is holds]
        figure.add_scatter(
            y=at, x=[rows[i]["effect"] for i in at], mode="markers", name=name, marker={"size": 10, "color": colour},
            error_x={"type": "data", "symmetric": False, "color": colour, "thickness": 2, "width": 4,
                     "array": [rows[i]["high"] - rows[i]["effect"] for i in at],
                     "arrayminus": [rows[i]["effect"] - rows[i]["low"] for i in at]},
            hovertemplate="%{x:+.3f}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    figure = bars(figure, [row["property"] for row in rows], percent=False)
    figure.update_xaxes(title_text=f"change of {of}, 1 % to 99 % quantile", tickformat="+.2~f")
    return figure


def ladder(rows: Sequence[Mapping[str, Any]], name: str) -> go.Figure:
    """A property at each rung with its interval; hollow where no user's share is as far out."""
    at = [row["rung"] for row in rows]
    figure = go.Figure(
        [
            go.Scatter(x=at + at[::-1], y=[r["high"] for r in rows] + [r["low"] for r in rows][::-1], fill="toself",
                       mode="lines", fillcolor="rgba(18,101,111,0.14)", line={"width": 0}, hoverinfo="skip",
                       showlegend=False),
            go.Scatter(x=at, y=[r["value"] for r in rows], mode="lines+markers", showlegend=False,
                       line={"color": ACCENT, "width": 2},
                       marker={"size": 10, "color": ["#ffffff" if r["out_of_range"] else ACCENT for r in rows],
                               "line": {"width": 2, "color": [FLOOR if r["out_of_range"] else ACCENT for r in rows]}},
                       customdata=[["out of range, " if r["out_of_range"] else "", r["level"]] for r in rows],
                       hovertemplate="%{y:.3f} at a share of %{customdata[1]:.2%}<br>%{customdata[0]}%{x}<extra></extra>"),
        ]
    )  # fmt: skip
    far = [r["rung"] for r in rows if r["out_of_range"]]
    for rung in far:
        figure.add_vrect(x0=rung - 0.5, x1=rung + 0.5, fillcolor=FLOOR, opacity=0.07, line_width=0)
    if far:
        figure.add_annotation(x=far[-1], y=1, yref="paper", text="out of range", showarrow=False, yanchor="bottom",
                              font={"color": FLOOR, "size": 12})  # fmt: skip
    figure = finish(figure, height=360, top=34)
    figure.update_xaxes(tickvals=at, ticktext=[f"{r['label']}<br>{r['level']:.1%}" for r in rows], showgrid=False,
                        zeroline=False, nticks=None,
                        title_text="rung: quantile, or distance from the mean; and its share")  # fmt: skip
    figure.update_yaxes(title={"text": text(name), "font": {"size": 13, "color": MUTED}}, showgrid=True,
                        gridcolor="#e9edf1", tickfont={"color": MUTED})  # fmt: skip
    return figure


def histogram(low: Sequence[float], high: Sequence[float], count: Sequence[int], entity: str) -> go.Figure:
    """Counts by activation, on a log axis, since most hold next to nothing."""
    figure = go.Figure(
        go.Bar(x=[(a + b) / 2 for a, b in zip(low, high, strict=True)], y=list(count), marker_color=ACCENT,
               width=[(b - a) * 0.92 for a, b in zip(low, high, strict=True)],
               hovertemplate="%{y:,} " + entity + "s around %{x:.1%}<extra></extra>", showlegend=False)
    )  # fmt: skip
    figure = finish(figure, height=330, top=10)
    figure.update_xaxes(title_text="share of the factor", tickformat=".0%")
    figure.update_yaxes(type="log", dtick=1, showgrid=True, gridcolor="#e9edf1", tickfont={"color": MUTED},
                        title={"text": f"{entity}s", "font": {"size": 13, "color": MUTED}})  # fmt: skip
    return figure


def ratios(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> go.Figure:
    """Lists' share over the data's, with intervals, on a log axis."""
    figure = go.Figure()
    for finding, name, colour in (("suppressed", "suppressed", FLOOR), ("exaggerated", "exaggerated", ACCENT),
                                  (None, "about right, or unsure", CONTROL)):  # fmt: skip
        at = [i for i, row in enumerate(rows) if row["finding"] == finding]
        value = {i: max(rows[i]["ratio"], 1e-3) for i in at}
        figure.add_scatter(
            y=at, x=list(value.values()), mode="markers", name=name, marker={"size": 10, "color": colour},
            error_x={"type": "data", "symmetric": False, "color": colour, "thickness": 2, "width": 4,
                     "array": [max(rows[i]["high"] - value[i], 0) for i in at],
                     "arrayminus": [max(value[i] - max(rows[i]["low"], 1e-3), 0) for i in at]},
            customdata=[[rows[i]["data_share"], rows[i]["list_share"]] for i in at],
            hovertemplate="%{x:.2f}: taken %{customdata[0]:.1%}, shown %{customdata[1]:.1%}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=1, line={"color": INK, "width": 1})
    figure = bars(figure, labels, percent=False)
    ends = [max(min(r["low"] for r in rows), 1e-3), max(r["high"] for r in rows), 1.0]
    figure.update_xaxes(type="log", title_text="share of the lists over share of what was taken", nticks=None,
                        tickvals=[0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100],
                        range=[np.log10(min(ends)) - 0.08, np.log10(max(ends)) + 0.08])  # fmt: skip
    return figure


def calibration(rows: Sequence[tuple[str, float, float, float]]) -> go.Figure:
    """Factors' shares taken, shown, and shown after re-ranking, from ``(label, taken, before, after)``."""
    ys = list(range(len(rows)))
    figure = go.Figure()
    for at, (name, colour, symbol) in enumerate(
        (("taken", INK, "line-ns-open"), ("shown", CONTROL, "circle"), ("shown after re-ranking", ACCENT, "circle"))
    ):
        figure.add_scatter(y=ys, x=[row[1 + at] for row in rows], mode="markers", name=name,
                           marker={"size": 15 if at == 0 else 10, "color": colour, "symbol": symbol, "line": {"width": 2.5}
                                   if at == 0 else {"width": 0}}, hovertemplate="%{x:.2%}<extra></extra>")  # fmt: skip
    figure = bars(figure, [row[0] for row in rows], percent=True)
    figure.update_xaxes(title_text="share of the factor")
    return figure
