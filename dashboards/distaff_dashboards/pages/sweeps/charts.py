"""Figures of a sweep: its course, its configurations, and what two objectives cost each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from distaff_dashboards.pages.sweeps import parts as sweep_parts
from distaff_dashboards.pages.sweeps.parts import Study
from distaff_dashboards.ui import charts, wording
from distaff_dashboards.ui.breakdown import Floats

_HEIGHT = 340
_TITLE = {"size": 13, "color": charts.MUTED}
_SCALE = [[0.0, charts.REST], [1.0, charts.ACCENT]]


def history(study: Study, metric: str) -> go.Figure:
    """Each completed trial's value in the order of trials, and the best so far as a step line."""
    done = study.complete()
    trials, values = done["trial"].to_pylist(), done[metric].to_numpy()
    best = sweep_parts.best_so_far(values, study.lower[study.metrics.index(metric)])
    figure = go.Figure()
    figure.add_scatter(x=trials, y=best.tolist(), mode="lines", name="best so far", hoverinfo="skip",
                       line={"shape": "hv", "color": charts.ACCENT, "width": 2})  # fmt: skip
    figure.add_scatter(x=trials, y=values.tolist(), mode="markers", name="trial",
                       marker={"size": 9, "color": charts.CONTROL},
                       hovertemplate="trial %{x}: %{y:.4f}<extra></extra>")  # fmt: skip
    figure.update_xaxes(title_text="trial", zeroline=False)
    figure.update_yaxes(title_text=charts.text(metric), title_font=_TITLE)
    return charts.finish(figure, height=_HEIGHT, top=34)


def configurations(study: Study, metric: str) -> go.Figure:
    """A line for each completed trial through its settings to what it reached; darker is better."""
    done = study.complete()
    values = done[metric].to_numpy()
    lower = study.lower[study.metrics.index(metric)]
    dimensions = [_dimension(study, name) for name in study.space]
    dimensions.append({"label": charts.text(metric), "values": values.tolist(), "tickformat": ".4f"})
    order = np.argsort(-values if lower else values)  # the best lines are drawn last, on top
    for dimension in dimensions:
        dimension["values"] = [dimension["values"][i] for i in order]
    colours = (-values if lower else values)[order]
    figure = go.Figure(
        go.Parcoords(line={"color": colours.tolist(), "colorscale": _SCALE}, dimensions=dimensions, labelangle=0)
    )
    figure = charts.finish(figure, height=_HEIGHT + 40, top=64)
    figure.update_layout(margin={"l": 64, "r": 64, "b": 24})
    return figure


def front(study: Study) -> go.Figure:
    """The first two objectives of each completed trial; those that no other beats are joined."""
    done = study.complete()
    x, y = (done[name].to_numpy() for name in study.metrics[:2])
    unbeaten, trials = np.array(done["front"].to_pylist(), dtype=bool), done["trial"].to_numpy()
    figure = go.Figure()
    for name, kept, colour in (("beaten", ~unbeaten, charts.CONTROL), ("Pareto front", unbeaten, charts.ACCENT)):
        at = np.flatnonzero(kept)
        at = at[np.argsort(x[at])]
        joined = bool(unbeaten[at].all()) and len(study.metrics) == 2
        figure.add_scatter(x=x[at].tolist(), y=y[at].tolist(), mode="lines+markers" if joined else "markers", name=name,
                           marker={"size": 10, "color": colour}, line={"color": colour, "width": 1.5, "dash": "dot"},
                           customdata=trials[at].tolist(),
                           hovertemplate="trial %{customdata}: %{x:.4f}, %{y:.4f}<extra></extra>")  # fmt: skip
    for axis, metric, lower in zip(
        (figure.update_xaxes, figure.update_yaxes), study.metrics, study.lower, strict=False
    ):
        axis(title_text=f"{charts.text(metric)} ({'lower' if lower else 'higher'} is better)", title_font=_TITLE)
    return charts.finish(figure, height=_HEIGHT + 40, top=34)


def _dimension(study: Study, name: str) -> dict[str, Any]:
    """One axis: choices evenly spaced in their order, spans on their own scale."""
    said, column = study.space[name], study.complete()[name].to_pylist()
    label = charts.text(name)
    if isinstance(said, list):
        known = [str(value) for value in said]
        ends = [-0.5, len(known) - 0.5]  # one choice alone would have no scale
        places = [known.index(str(value)) for value in column]
        return {"label": label, "values": places, "range": ends, "tickvals": list(range(len(known))),
                "ticktext": [charts.text(value) for value in known]}  # fmt: skip
    numbers = np.array(column, dtype=np.float64)
    if not said["log"]:
        return {"label": label, "values": numbers.tolist(), "range": [said["low"], said["high"]]}
    ticks: Floats = np.linspace(np.log10(said["low"]), np.log10(said["high"]), 5)
    return {"label": f"{label} (log)", "values": np.log10(numbers).tolist(), "range": [ticks[0], ticks[-1]],
            "tickvals": ticks.tolist(), "ticktext": [wording.short(10**tick) for tick in ticks]}  # fmt: skip
