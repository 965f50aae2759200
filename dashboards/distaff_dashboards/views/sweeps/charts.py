"""Figures of a sweep: its course, its configurations, and what two objectives cost each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from distaff_dashboards.ui import charts, wording
from distaff_dashboards.views.sweeps.reads import StudyView, best_so_far

_HEIGHT = 340
_TITLE = {"size": 13, "color": charts.MUTED}
_SCALE = [[0.0, charts.REST], [1.0, charts.ACCENT]]


def history(study: StudyView, metric: str) -> go.Figure:
    """Draw each completed trial's value in the order of trials, and the best so far as a step line."""
    complete = study.complete()
    trials = complete["trial"].to_list()
    best = best_so_far(complete[metric], study.lower_is_better(metric))
    figure = go.Figure()
    figure.add_scatter(x=trials, y=best.to_list(), mode="lines", name="best so far", hoverinfo="skip",
                       line={"shape": "hv", "color": charts.ACCENT, "width": 2})  # fmt: skip
    figure.add_scatter(x=trials, y=complete[metric].to_list(), mode="markers", name="trial",
                       marker={"size": 9, "color": charts.CONTROL},
                       hovertemplate="trial %{x}: %{y:.4f}<extra></extra>")  # fmt: skip
    figure.update_xaxes(title_text="trial", zeroline=False)
    figure.update_yaxes(title_text=charts.text(metric), title_font=_TITLE)
    return charts.finish(figure, height=_HEIGHT, top=34)


def configurations(study: StudyView, metric: str) -> go.Figure:
    """Draw a line for each completed trial through its settings to what it reached; darker is better."""
    lower = study.lower_is_better(metric)
    complete = study.complete().sort(
        metric, descending=lower, maintain_order=True
    )  # the best lines are drawn last, on top
    dimensions = [_dimension(complete[name], study.space[name]) for name in study.space]
    dimensions.append({"label": charts.text(metric), "values": complete[metric].to_list(), "tickformat": ".4f"})
    colours = -complete[metric] if lower else complete[metric]
    figure = go.Figure(
        go.Parcoords(line={"color": colours.to_list(), "colorscale": _SCALE}, dimensions=dimensions, labelangle=0)
    )
    figure = charts.finish(figure, height=_HEIGHT + 40, top=64)
    figure.update_layout(margin={"l": 64, "r": 64, "b": 24})
    return figure


def front(study: StudyView) -> go.Figure:
    """Draw the first two objectives of each completed trial; those that no other beats are joined."""
    complete = study.complete()
    first, second = study.metrics[:2]
    figure = go.Figure()
    for name, unbeaten, colour in (("beaten", False, charts.CONTROL), ("Pareto front", True, charts.ACCENT)):
        trials = complete.filter(pl.col("front") == unbeaten).sort(first)
        is_joined = unbeaten and len(study.metrics) == 2
        figure.add_scatter(x=trials[first].to_list(), y=trials[second].to_list(),
                           mode="lines+markers" if is_joined else "markers", name=name,
                           marker={"size": 10, "color": colour}, line={"color": colour, "width": 1.5, "dash": "dot"},
                           customdata=trials["trial"].to_list(),
                           hovertemplate="trial %{customdata}: %{x:.4f}, %{y:.4f}<extra></extra>")  # fmt: skip
    for axis, metric, lower in zip(
        (figure.update_xaxes, figure.update_yaxes), study.metrics, study.lower, strict=False
    ):
        axis(title_text=f"{charts.text(metric)} ({'lower' if lower else 'higher'} is better)", title_font=_TITLE)
    return charts.finish(figure, height=_HEIGHT + 40, top=34)


def _dimension(column: pl.Series, values: Any) -> dict[str, Any]:
    """Return one axis: choices evenly spaced in their order, spans on their own scale."""
    label = charts.text(column.name)
    if isinstance(values, list):
        choices = [str(value) for value in values]
        ends = [-0.5, len(choices) - 0.5]  # one choice alone would have no scale
        places = [choices.index(str(value)) for value in column]
        return {"label": label, "values": places, "range": ends, "tickvals": list(range(len(choices))),
                "ticktext": [charts.text(choice) for choice in choices]}  # fmt: skip
    if not values["log"]:
        return {"label": label, "values": column.cast(pl.Float64).to_list(), "range": [values["low"], values["high"]]}
    ticks = np.linspace(np.log10(values["low"]), np.log10(values["high"]), 5).tolist()
    return {"label": f"{label} (log)", "values": column.cast(pl.Float64).log(10).to_list(), "range": [ticks[0], ticks[-1]],
            "tickvals": ticks, "ticktext": [wording.short(10**tick) for tick in ticks]}  # fmt: skip
