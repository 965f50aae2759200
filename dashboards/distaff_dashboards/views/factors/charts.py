"""Figures of the evidence behind factors, in the look of :mod:`distaff_dashboards.ui.charts`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import polars as pl

from distaff_dashboards.ui.charts import ACCENT, CONTROL, FLOOR, GRID, HEAT, INK, MUTED, OTHER, bars, finish, text

_SMALLEST = 1e-3  # ratio that a log axis shows


def heatmap(lifts: pl.DataFrame, names: Mapping[int, str]) -> go.Figure:
    """Draw the log lift of attribute values (rows) in factors (columns); empty where chance explains it.

    Args:
        lifts: ``factor, value, lift``; the values come down in the order of their first rows.
        names: Labels of the factors, from left to right.
    """
    factors, values = list(names), lifts["value"].unique(maintain_order=True).to_list()
    cells = {(factor, value): lift for factor, value, lift in lifts.select("factor", "value", "lift").iter_rows()}
    grid = [[cells.get((factor, value)) for factor in factors] for value in values]
    shades = [[None if lift is None else float(np.log2(lift)) for lift in row] for row in grid]
    hover = [[f"{text(value)}<br>{text(names[factor])}" for factor in factors] for value in values]
    marks = [["" if lift is None else f"{lift:.1f}" for lift in row] for row in grid]
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


def attribute_lift(attributes: pl.DataFrame) -> go.Figure:
    """Draw the lift of attribute values on a logarithmic axis, from ``label, lift, share, sure``; unsure ones are grey."""
    figure = go.Figure()
    placed = attributes.with_row_index("at")
    for sure, name, colour in ((True, "more than chance", ACCENT), (False, "could be chance", OTHER)):
        rows = placed.filter(pl.col("sure") == sure)
        figure.add_bar(
            y=rows["at"].to_list(), x=(rows["lift"] - 1).to_list(), base=1, orientation="h", name=name,
            marker_color=colour, width=0.62, customdata=list(rows.select("lift", "share").iter_rows()),
            hovertemplate="lift %{customdata[0]:.2f}, %{customdata[1]:.1%} of the factor<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=1, line={"color": INK, "width": 1})
    figure = bars(figure, attributes["label"].to_list(), percent=False)
    figure.update_xaxes(title_text="lift: times as frequent as in all behaviour")
    return figure


def ladder(steps: pl.DataFrame, name: str) -> go.Figure:
    """Draw a property at each rung with its interval; hollow where no user's share is as far out.

    Args:
        steps: ``rung, label, level, out_of_range, value, low, high``, by rung.
        name: The property's.
    """
    rungs, is_outside = steps["rung"].to_list(), steps["out_of_range"].to_list()
    band = steps["high"].to_list() + steps["low"].reverse().to_list()
    figure = go.Figure(
        [
            go.Scatter(x=rungs + rungs[::-1], y=band, fill="toself", mode="lines", fillcolor="rgba(18,101,111,0.14)",
                       line={"width": 0}, hoverinfo="skip", showlegend=False),
            go.Scatter(x=rungs, y=steps["value"].to_list(), mode="lines+markers", showlegend=False,
                       line={"color": ACCENT, "width": 2},
                       marker={"size": 10, "color": ["#ffffff" if out else ACCENT for out in is_outside],
                               "line": {"width": 2, "color": [FLOOR if out else ACCENT for out in is_outside]}},
                       customdata=[["out of range, " if out else "", level]
                                   for out, level in zip(is_outside, steps["level"], strict=True)],
                       hovertemplate="%{y:.3f} at a share of %{customdata[1]:.2%}<br>%{customdata[0]}%{x}<extra></extra>"),
        ]
    )  # fmt: skip
    outside = steps.filter("out_of_range")["rung"].to_list()
    for rung in outside:
        figure.add_vrect(x0=rung - 0.5, x1=rung + 0.5, fillcolor=FLOOR, opacity=0.07, line_width=0)
    if outside:
        figure.add_annotation(x=outside[-1], y=1, yref="paper", text="out of range", showarrow=False, yanchor="bottom",
                              font={"color": FLOOR, "size": 12})  # fmt: skip
    figure = finish(figure, height=360, top=34)
    ticks = [f"{label}<br>{level:.1%}" for label, level in steps.select("label", "level").iter_rows()]
    figure.update_xaxes(tickvals=rungs, ticktext=ticks, showgrid=False, zeroline=False, nticks=None,
                        title_text="rung: quantile, or distance from the mean; and its share")  # fmt: skip
    figure.update_yaxes(title={"text": text(name), "font": {"size": 13, "color": MUTED}}, showgrid=True,
                        gridcolor=GRID, tickfont={"color": MUTED})  # fmt: skip
    return figure


def histogram(bins: pl.DataFrame, entity: str) -> go.Figure:
    """Draw counts by activation, from ``low, high, count``, on a log axis, since most hold next to nothing."""
    figure = go.Figure(
        go.Bar(x=((bins["low"] + bins["high"]) / 2).to_list(), y=bins["count"].to_list(), marker_color=ACCENT,
               width=((bins["high"] - bins["low"]) * 0.92).to_list(),
               hovertemplate="%{y:,} " + entity + "s around %{x:.1%}<extra></extra>", showlegend=False)
    )  # fmt: skip
    figure = finish(figure, height=330, top=10)
    figure.update_xaxes(title_text="share of the factor", tickformat=".0%")
    figure.update_yaxes(type="log", dtick=1, showgrid=True, gridcolor=GRID, tickfont={"color": MUTED},
                        title={"text": f"{entity}s", "font": {"size": 13, "color": MUTED}})  # fmt: skip
    return figure


def ratios(spots: pl.DataFrame) -> go.Figure:
    """Draw lists' share over the data's, with intervals, on a log axis.

    Args:
        spots: ``name, data_share, list_share, ratio, low, high, finding``.
    """
    figure = go.Figure()
    placed = spots.with_row_index("at").with_columns(
        finding=pl.col("finding").fill_null(""),
        ratio=pl.col("ratio").clip(_SMALLEST),
        low=pl.col("low").clip(_SMALLEST),
    )
    for finding, name, colour in (("suppressed", "suppressed", FLOOR), ("exaggerated", "exaggerated", ACCENT),
                                  ("", "about right, or unsure", CONTROL)):  # fmt: skip
        rows = placed.filter(pl.col("finding") == finding)
        figure.add_scatter(
            y=rows["at"].to_list(), x=rows["ratio"].to_list(), mode="markers", name=name,
            marker={"size": 10, "color": colour},
            error_x={"type": "data", "symmetric": False, "color": colour, "thickness": 2, "width": 4,
                     "array": (rows["high"] - rows["ratio"]).clip(0).to_list(),
                     "arrayminus": (rows["ratio"] - rows["low"]).clip(0).to_list()},
            customdata=list(rows.select("data_share", "list_share").iter_rows()),
            hovertemplate="%{x:.2f}: taken %{customdata[0]:.1%}, shown %{customdata[1]:.1%}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=1, line={"color": INK, "width": 1})
    figure = bars(figure, spots["name"].to_list(), percent=False)
    ends = [*placed["low"].to_list(), *placed["high"].to_list(), 1.0]
    figure.update_xaxes(type="log", title_text="share of the lists over share of what was taken", nticks=None,
                        tickvals=[0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100],
                        range=[np.log10(min(ends)) - 0.08, np.log10(max(ends)) + 0.08])  # fmt: skip
    return figure


def calibration(shares: pl.DataFrame) -> go.Figure:
    """Draw factors' shares taken, shown, and shown after re-ranking, from ``name, taken, before, after``."""
    figure = go.Figure()
    for column, name, colour, symbol in (("taken", "taken", INK, "line-ns-open"), ("before", "shown", CONTROL, "circle"),
                                         ("after", "shown after re-ranking", ACCENT, "circle")):  # fmt: skip
        tick = column == "taken"
        figure.add_scatter(y=list(range(shares.height)), x=shares[column].to_list(), mode="markers", name=name,
                           marker={"size": 15 if tick else 10, "color": colour, "symbol": symbol,
                                   "line": {"width": 2.5 if tick else 0}},
                           hovertemplate="%{x:.2%}<extra></extra>")  # fmt: skip
    figure = bars(figure, shares["name"].to_list(), percent=True)
    figure.update_xaxes(title_text="share of the factor")
    return figure
