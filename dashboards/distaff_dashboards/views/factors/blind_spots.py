"""*Blind spots*: what people take and are not shown, for everyone and by cohort, and what re-ranking would cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.factors import audit_table, audited_by, factors_of
from distaff_dashboards.reads.source import Source, published_for, row_of
from distaff_dashboards.ui import address, definitions, places, widgets, wording
from distaff_dashboards.ui.labels import factor_labels, with_names
from distaff_dashboards.views.choices import choose_run
from distaff_dashboards.views.factors import charts


@widgets.page(
    places.BLIND_SPOTS,
    "Which tastes do the lists hide from people, or push at them? A finding holds over all factors and groups at "
    "once; it says what is shown less than it is taken, not why.",
)
def blind_spots_page() -> None:
    """Draw the page."""
    chosen = choose_run(places.BLIND_SPOTS, "interactions", "audit")
    if chosen is None:
        return
    run, dataset = str(chosen["run"]), str(chosen["dataset"])
    lens = audited_by(published_for(run, dataset), run)
    source = published_for(run, lens, dataset)
    names = factor_labels(factors_of(source, lens))
    cohorts = audit_table(source, "blind_spot_cohorts", run)
    left, right = st.columns([1, 2.4], vertical_alignment="bottom")
    with left:
        cohort = address.choose("Cohort", cohorts["cohort"].to_list(), key="cohort", scope=run,
                                help=definitions.EVIDENCE["cohort"])  # fmt: skip
    if cohort is None:
        return
    right.caption(wording.escape(_describe(row_of(cohorts, "cohort", cohort), run, lens)))
    spots = with_names(audit_table(source, "blind_spots", run), names)
    seen_by = {"dataset": dataset, "run": lens}
    _ratios(spots.filter(pl.col("cohort") == cohort), seen_by, f"{run}-{cohort}")
    left, right = st.columns([2, 3], gap="large")
    with left:
        _cohorts(cohorts, run)
    with right:
        _examples(audit_table(source, "blind_spot_examples", run), names, seen_by, run)
    _calibration(source, run, spots.filter(pl.col("cohort") == "everyone"))


def _describe(cohort: Mapping[str, Any], run: str, lens: str) -> str:
    lens_of = "" if lens == run else f", by the factors of {lens}"
    return f"{cohort['users']:,} users, {cohort['split']} interactions{lens_of}; divergence {cohort['kl']:.4f} nats"


def _ratios(spots: pl.DataFrame, seen_by: Mapping[str, str], name: str) -> None:
    widgets.heading("Shown against taken", spots.drop("name"), f"{name}-blind-spots",
                    help="Share of the lists over share of what was taken, with a 95 % bootstrap interval over users, on a "
                    "log axis. Left of 1: suppressed.")  # fmt: skip
    flagged = spots.filter(pl.col("finding").is_not_null())
    if flagged.is_empty():
        st.success("No factor is shown much less or more than it is taken.")
    else:
        low, high = flagged.row(0, named=True), flagged.row(-1, named=True)
        extremes = []
        if low["finding"] == "suppressed":
            extremes.append(f"most suppressed {low['name']} ({low['ratio']:.2f} of its share)")
        if high["finding"] == "exaggerated":
            extremes.append(f"most exaggerated {high['name']} ({high['ratio']:.2f} times)")
        st.warning(wording.escape("Blind spots: " + "; ".join(extremes)))
    left, right = st.columns([3, 2], gap="large")
    with left:
        widgets.chart(charts.ratios(spots), key="ratios", alt="Ratio of shown to taken by factor")
    with right:
        table = spots.select("name", "data_share", "list_share", "ratio", "finding", "factor")
        st.caption("Click a row to open the factor.")
        widgets.links(
            table,
            definitions.evidence_columns(table.drop("factor")) | {"factor": None},
            lambda row: (places.FACTOR, {**seen_by, "factor": str(row["factor"])}),
            key="spots",
        )


def _cohorts(cohorts: pl.DataFrame, run: str) -> None:
    table = cohorts.select("cohort", "users", "kl")
    widgets.heading("Cohorts", table, f"{run}-cohorts", help=definitions.EVIDENCE["cohort"])
    widgets.table(table, definitions.evidence_columns(table), key="cohorts", height=320)


def _examples(examples: pl.DataFrame, names: Mapping[int, str], seen_by: Mapping[str, str], run: str) -> None:
    widgets.heading("Whom it concerns", examples, f"{run}-blind-spot-users",
                    help="Users whose lists are furthest from what they took, for the factors with a finding.")  # fmt: skip
    if examples.is_empty():
        st.info("No factor has a finding.")
        return
    table = with_names(examples, names).select("name", "user_id", "data_share", "list_share")
    st.caption("Click a row to open the person.")
    widgets.links(
        table,
        definitions.evidence_columns(table),
        lambda row: (places.PERSON, {**seen_by, "user": str(row["user_id"])}),
        key="examples",
        height=320,
    )


def _calibration(source: Source, run: str, everyone: pl.DataFrame) -> None:
    costs = audit_table(source, "calibration_costs", run)
    if costs.is_empty():
        widgets.empty("What would re-ranking towards people's own mixes cost? Measure it:",
                      f"distaff blind-spots {run} --calibrate 0.5")  # fmt: skip
        return
    widgets.heading("Calibrated re-ranking, and its cost", costs, f"{run}-calibration", help="Each person's list is "
                    "re-ranked from the best 100 items towards the person's own mix of factors. Choose its weight "
                    "on validation interactions.")  # fmt: skip
    if costs["split"][0] is not None:  # of older runs nothing says so
        st.caption(f"Measured on {costs['split'][0]} interactions")
    weights = costs["weight"].to_list()
    weight = st.select_slider("Weight of calibration", weights, value=weights[len(weights) // 2], key="calibrate",
                              help="0 leaves the lists, 1 ignores the scores")  # fmt: skip
    before, after = row_of(costs, "weight", weights[0]), row_of(costs, "weight", weight)
    cards = (
        ("Recall@20", f"{after['recall']:.4f}", f"{after['recall'] - before['recall']:+.4f}", "recall"),
        ("Divergence (nats)", f"{after['kl']:.4f}", f"{after['kl'] - before['kl']:+.4f}", "kl"),
        ("New items", f"{after['churn']:.0%}", None, "churn"),
    )
    for column, (label, value, change, key) in zip(st.columns(3), cards, strict=True):
        column.metric(
            label,
            value,
            change,
            delta_color="inverse" if key == "kl" else "normal",
            help=wording.escape(definitions.EVIDENCE[key]),
            border=True,
        )
    shares = audit_table(source, "calibrations", run)
    table = everyone.select("factor", "name", taken="data_share")
    for name, of_weight in (("before", weights[0]), ("after", weight)):
        list_shares = shares.filter(pl.col("weight") == of_weight).select("factor", pl.col("list_share").alias(name))
        table = table.join(list_shares, on="factor", how="left", maintain_order="left")
    widgets.chart(charts.calibration(table), key="calibration", alt="Shares taken, shown, and shown after re-ranking")
