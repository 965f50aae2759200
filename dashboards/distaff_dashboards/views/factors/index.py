"""*Factors*: the index of a run's factors with all evidence, and which attribute values they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.factors import attribute_lifts, factors_of, summary
from distaff_dashboards.reads.source import published_for
from distaff_dashboards.ui import definitions, places, widgets, wording
from distaff_dashboards.ui.labels import factor_labels
from distaff_dashboards.views.choices import choose_run, describe, run_link
from distaff_dashboards.views.factors import charts

_HEATED = 24  # attribute values in the heatmap


@widgets.page(
    places.FACTORS,
    "What kinds of taste did this run find, and which of them are real? Trust a factor that other seeds find again "
    "and that changes lists when it is moved; its warnings say what speaks against it.",
)
def factors_page() -> None:
    """Draw the page."""
    run = choose_run(places.FACTORS, "interactions", "factors")
    if run is None:
        return
    source = published_for(run["run"], run["dataset"])
    factors = factors_of(source, run["run"])
    st.caption(describe(run, factors))
    _cards(summary(source, run["run"]), factors)
    _index(factors, run)
    _heatmap(attribute_lifts(source, run["run"]), factor_labels(factors), run["run"])


def _cards(totals: Mapping[str, Any], factors: pl.DataFrame) -> None:
    """Draw numbers about all factors together."""
    if not totals:
        return
    n_stable, n_warned = factors.select(
        (pl.col("badge") == "stable").sum(), (pl.col("warnings").list.len() > 0).sum()
    ).row(0)
    stable = "–" if not totals["seeds_compared"] else f"{n_stable} of {factors.height}"
    cards = (
        ("Held by a person", f"{totals['effective_per_user']:.1f}", definitions.EVIDENCE["effective_per_user"]),
        ("In use by all", f"{totals['effective_overall']:.1f}", definitions.EVIDENCE["effective_overall"]),
        ("Stable", stable, definitions.EVIDENCE["badge"]),
        ("With warnings", f"{n_warned} of {factors.height}", definitions.EVIDENCE["warnings"]),
    )
    for column, (label, value, meaning) in zip(st.columns(4), cards, strict=True):
        column.metric(label, value, help=wording.escape(meaning), border=True)
    if totals["attribution_concentration"] is not None:
        st.caption(
            f"Scores are attributed to factors: the largest brings {totals['attribution_concentration']:.0%} of a held-out "
            f"item's score, by shuffled responsibilities {totals['attribution_shuffled']:.0%} (95 % of shuffles "
            f"{totals['attribution_low']:.0%} to {totals['attribution_high']:.0%}, p {totals['attribution_p_value']:.2f})"
        )


def _index(factors: pl.DataFrame, chosen: Mapping[str, Any]) -> None:
    run = chosen["run"]
    widgets.heading("Index", factors, f"{run}-factors", help="Ordered by effect: what happens to people's lists when "
                    "the factor is removed. Click a heading to sort, a row to open the factor.")  # fmt: skip
    n_hidden = factors["hidden"].sum()
    listed = factors
    if n_hidden and not st.toggle(f"Show {n_hidden} hidden", key="show-hidden"):
        listed = factors.filter(~pl.col("hidden"))
    st.caption("Click a row to open the factor.")
    columns = definitions.evidence_columns(listed)
    widgets.links(
        listed, columns, lambda row: (places.FACTOR, {**run_link(chosen), "factor": str(row["factor"])}), key="index"
    )


def _heatmap(lifts: pl.DataFrame, names: Mapping[int, str], run: str) -> None:
    if lifts.is_empty():
        return
    widgets.heading("Attribute values and factors", lifts, f"{run}-lifts", help="Lift: how many times as frequent a "
                    "value is in the factor as in all behaviour. Empty where chance explains it.")  # fmt: skip
    labelled = lifts.with_columns(value=pl.format("{}: {}", "name", "value"))
    largest = labelled.group_by("value", maintain_order=True).agg(pl.col("lift").max().alias("largest"))
    heated = largest.sort("largest", descending=True, maintain_order=True).head(_HEATED)
    cells = heated.join(labelled, on="value", maintain_order="left_right")
    widgets.chart(charts.heatmap(cells, names), key="heatmap", alt="Lift of attribute values by factor")
