"""The latents of a model of series with their evidence, and what its representations tell of windows."""

from __future__ import annotations

import pyarrow as pa
import streamlit as st

from distaff_dashboards.pages.factors import charts as factor_charts
from distaff_dashboards.pages.factors import parts as factor_parts
from distaff_dashboards.pages.series import charts as series_charts
from distaff_dashboards.pages.series import reads as series_data
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import definitions, widgets

_INDEX = ("factor", "name", "segment", "activity", "state", "effect", "stability", "badge", "effect_property", "effect_size",
          "specificity", "dependence", "dependent_on", "warnings")  # fmt: skip
_LEVELS = {"instance": "what a window has", "timestamp": "what a place in it has"}


def show(source: data.Source, run: str) -> None:
    """The section: factors, the chosen one's traversal and effects, and the leak matrix."""
    leakage = series_data.leakage(source, run)
    if not leakage.num_rows:
        st.subheader("Factors and leakage", anchor=False)
        widgets.empty("Nothing has been computed yet about this run's factors, and what its vectors tell of windows:",
                      f"distaff factors {run}")  # fmt: skip
        return
    factors = series_data.latents(source, run)
    if factors.num_rows:
        _factors(source, run, factors)
    else:
        st.subheader("Factors", anchor=False)
        st.info(
            "This model has no latents to move: there are no traversals and no effects, only what its vectors tell."
        )
    _leakage(leakage, run)


def _factors(source: data.Source, run: str, factors: pa.Table) -> None:
    table = factors.select(_INDEX)
    widgets.heading("Factors", table, f"{run}-factors",
                    help="The latents of the model with their evidence; passive ones tell nothing of a window.")  # fmt: skip
    widgets.table(table, {c: definitions.latent_column(c, table) for c in table.column_names}, key="factors")
    names = factor_parts.labels(factors)
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        factor = int(
            st.selectbox("Look at the factor", list(names), key=f"factor-{run}", format_func=lambda k: names[k])
        )
    traversal = series_data.traversal(source, run, factor)
    effects = data.of_factor(source, "factor_effects", run, factor)
    if not traversal.num_rows:
        right.caption("It is the same for every window: there is nowhere to move it to.")
        return
    right.caption("Left: the mean window as this latent alone moves, from its low values (light) to its high ones (dark); "
                  "dashed where no window is as far out. Right: what that changes in windows.")  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        widgets.heading("Traversal", traversal, f"{run}-traversal-{factor}")
        widgets.chart(series_charts.traversal(traversal), key="traversal", alt="The mean window as the latent moves")
    with right:
        widgets.heading("Effects", effects, f"{run}-effects-{factor}",
                        help="From the latent's 1 % to its 99 % quantile, in deviations of the property over windows "
                        "(a phase: of all phases, 0.29 turns), with 95 % bootstrap intervals; "
                        "grey: could be chance.")  # fmt: skip
        figure = factor_charts.effects(effects.to_pylist(), of="windows")
        widgets.chart(figure, key="latent-effects", alt="Change of each property of windows")


def _leakage(table: pa.Table, run: str) -> None:
    widgets.heading("Leakage", table, f"{run}-leakage",
                    help="What a linear probe reads from each representation on windows it was not fitted to: accuracy of "
                    "classes, R² of numbers. In brackets: what chance reaches, or shuffled windows.")  # fmt: skip
    rows = table.to_pylist()
    two = series_data.two_by_two(rows)
    if two:
        st.caption("In short: the mean score above chance, as a share of what there is above chance. A vector of the whole "
                   "window that also tells places, or one of a place that also tells the window, leaks.")  # fmt: skip
        names = list(dict.fromkeys(name for name, _ in two))
        short = pa.table(
            {"representation": names, **{level: [two.get((name, level)) for name in names] for level in _LEVELS}}
        )
        columns = {level: st.column_config.NumberColumn(said, format="percent", help=f"Mean over concepts: {said}")
                   for level, said in _LEVELS.items()}  # fmt: skip
        columns["representation"] = st.column_config.TextColumn(
            "vectors of", help="Windows, patches, or a segment of latents"
        )
        widgets.table(short, columns, key="two-by-two")
    figure = series_charts.leakage(rows)
    widgets.chart(figure, key="leakage", alt="Scores of probes for each representation and concept")
    most = max(row["windows"] for row in rows)
    st.caption(f"Probed on {most:,} windows; where there are enough, those that the encoder was not trained on.")
