"""*Factors*: the index of a run's factors with all evidence, and which attribute values they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import streamlit as st

from distaff_dashboards.pages.factors import charts as factor_charts
from distaff_dashboards.pages.factors import parts as factor_parts
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import definitions, widgets, wording

_FACTOR = "screens/factor.py"
_HEATED = 24  # attribute values in the heatmap


@widgets.page("Factors", "Every factor of a run with the evidence for and against it.")
def show() -> None:
    """The page."""
    left, right = st.columns([2.2, 3], vertical_alignment="bottom")
    with left:
        chosen = factor_parts.choose_run()
    if chosen is None:
        return
    run, facts = chosen
    source = data.part(run, str(facts["dataset"]))
    factors = data.factors(source, run)
    right.caption(factor_parts.said(facts, factors))
    _cards(data.summary(source, run), factors)
    _index(factors, run)
    _heatmap(data.lifts(source, run), factor_parts.labels(factors), run)


def _cards(summary: dict[str, Any], factors: pa.Table) -> None:
    """Numbers about all factors together."""
    if not summary:
        return
    badges = factors["badge"].to_pylist()
    warned = sum(bool(w) for w in factors["warnings"].to_pylist())
    stable = "–" if not summary["seeds_compared"] else f"{badges.count('stable')} of {len(badges)}"
    cards = (
        ("Effective a user", f"{summary['effective_per_user']:.1f}", definitions.EVIDENCE["effective_per_user"]),
        ("Effective overall", f"{summary['effective_overall']:.1f}", definitions.EVIDENCE["effective_overall"]),
        ("Stable", stable, definitions.EVIDENCE["badge"]),
        ("With warnings", f"{warned} of {len(badges)}", definitions.EVIDENCE["warnings"]),
    )
    for column, (label, value, meaning) in zip(st.columns(4), cards, strict=True):
        column.metric(label, value, help=wording.escape(meaning), border=True)


def _index(factors: pa.Table, run: str) -> None:
    hidden = sum(factors["hidden"].to_pylist())
    widgets.heading("Index", factors, f"{run}-factors", help="Ordered by effect: what happens to people's lists when "
                    "the factor is removed. Click a column to sort, a row to open the factor.")  # fmt: skip
    shown = factors
    if hidden and not st.toggle(f"Show {hidden} hidden", key="show-hidden"):
        shown = factors.filter(pa.compute.invert(factors["hidden"]))
    columns = {name: definitions.evidence_column(name, shown) for name in shown.column_names}
    event = widgets.table(shown, columns, key="index", on_select="rerun", selection_mode="single-row")
    rows: Sequence[int] = event["selection"]["rows"]
    if rows:
        chosen = shown["factor"][rows[0]].as_py()
        st.session_state["intent"] = chosen
        st.switch_page(_FACTOR, query_params={"intent": str(chosen)})  # the run stays with its bound select box


def _heatmap(lifts: pa.Table, names: dict[int, str], run: str) -> None:
    if not lifts.num_rows:
        return
    widgets.heading("Attribute values and factors", lifts, f"{run}-lifts", help="Lift: how many times as frequent a "
                    "value is in the factor as in all behaviour. Empty where chance explains it.")  # fmt: skip
    values = [f"{n}: {v}" for n, v in zip(lifts["name"].to_pylist(), lifts["value"].to_pylist(), strict=True)]
    rows = list(zip(lifts["factor"].to_pylist(), values, lifts["lift"].to_pylist(), strict=True))
    best: dict[str, float] = {}
    for _, value, lift in rows:
        best[value] = max(best.get(value, 0.0), lift)
    kept = sorted(best, key=lambda value: -best[value])[:_HEATED]
    figure = factor_charts.heatmap({(f, v): lift for f, v, lift in rows if v in kept}, names, kept)
    widgets.chart(figure, key="heatmap", alt="Lift of attribute values by factor")
