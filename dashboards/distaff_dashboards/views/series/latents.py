"""The latents of a model of series with their evidence, and what its representations tell of windows."""

from __future__ import annotations

import polars as pl
import streamlit as st

from distaff_dashboards.reads.factors import factor_table
from distaff_dashboards.reads.source import Source
from distaff_dashboards.ui import definitions, widgets
from distaff_dashboards.ui.charts import effect_intervals
from distaff_dashboards.ui.labels import factor_labels
from distaff_dashboards.views.series import charts, reads

_INDEX = ("factor", "name", "segment", "activity", "state", "effect", "stability", "badge", "effect_property", "effect_size",
          "specificity", "dependence", "dependent_on", "warnings")  # fmt: skip
_LEVELS = {"instance": "what a window has", "timestamp": "what a place in it has"}


def latents_section(source: Source, run: str) -> None:
    """Draw the section: factors, the chosen one's traversal and effects, and the leak matrix."""
    probes = reads.leakage(source, run)
    if probes.is_empty():
        st.subheader("Factors and leakage", anchor=False)
        widgets.empty("Nothing has been computed yet about this run's factors, and what its vectors tell of windows:",
                      f"distaff factors {run}")  # fmt: skip
        return
    latents = reads.latents_of(source, run)
    if latents.is_empty():
        st.subheader("Factors", anchor=False)
        st.info(
            "This model has no latents to move: there are no traversals and no effects, only what its vectors tell."
        )
    else:
        _latents(source, run, latents)
    _leakage(probes, run)


def _latents(source: Source, run: str, latents: pl.DataFrame) -> None:
    table = latents.select(_INDEX)
    widgets.heading("Factors", table, f"{run}-factors",
                    help="The latents of the model with their evidence; passive ones tell nothing of a window.")  # fmt: skip
    widgets.table(table, definitions.latent_columns(table), key="factors")
    names = factor_labels(latents)
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        factor = int(
            st.selectbox("Look at the factor", list(names), key=f"factor-{run}", format_func=lambda k: names[k])
        )
    traversal = reads.traversal(source, run, factor)
    effects = factor_table(source, "factor_effects", run, factor)
    if traversal.is_empty():
        right.caption("It is the same for every window: there is nowhere to move it to.")
        return
    right.caption("Left: the mean window as this latent alone moves, from its low values (light) to its high ones (dark); "
                  "dashed where no window is as far out. Right: what that changes in windows.")  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        widgets.heading("Traversal", traversal, f"{run}-traversal-{factor}")
        widgets.chart(charts.traversal(traversal), key="traversal", alt="The mean window as the latent moves")
    with right:
        widgets.heading("Effects", effects, f"{run}-effects-{factor}",
                        help="From the latent's 1 % to its 99 % quantile, in deviations of the property over windows "
                        "(a phase: of all phases, 0.29 turns), with 95 % bootstrap intervals; "
                        "grey: could be chance.")  # fmt: skip
        widgets.chart(
            effect_intervals(effects, subject="windows"), key="latent-effects", alt="Change of each property of windows"
        )


def _leakage(probes: pl.DataFrame, run: str) -> None:
    widgets.heading("Leakage", probes, f"{run}-leakage",
                    help="What a linear probe reads from each representation on windows it was not fitted to: accuracy of "
                    "classes, R² of numbers. In brackets: what chance reaches, or shuffled windows.")  # fmt: skip
    means = reads.two_by_two(probes)
    if not means.is_empty():
        st.caption("In short: the mean score above chance, as a share of what there is above chance. A vector of the whole "
                   "window that also tells places, or one of a place that also tells the window, leaks.")  # fmt: skip
        columns = {level: st.column_config.NumberColumn(meaning, format="percent", help=f"Mean over concepts: {meaning}")
                   for level, meaning in _LEVELS.items()}  # fmt: skip
        columns["representation"] = st.column_config.TextColumn(
            "vectors of", help="Windows, patches, or a segment of latents"
        )
        widgets.table(means, columns, key="two-by-two")
    widgets.chart(charts.leakage(probes), key="leakage", alt="Scores of probes for each representation and concept")
    n_windows = probes.select(pl.col("windows").max()).item()
    st.caption(f"Probed on {n_windows:,} windows; where there are enough, those that the encoder was not trained on.")
