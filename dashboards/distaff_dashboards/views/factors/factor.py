"""*Factor*: everything known about one factor, and what a person says and asks about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads.factors import (
    attribute_lifts,
    examples,
    factor_table,
    factors_of,
    has_item_attributes,
    members,
)
from distaff_dashboards.reads.source import Source, published_for, row_of
from distaff_dashboards.ui import definitions, places, widgets, wording
from distaff_dashboards.ui.charts import effect_intervals, top_items
from distaff_dashboards.ui.labels import factor_labels, with_names
from distaff_dashboards.ui.places import PagePlace
from distaff_dashboards.views.choices import choose_factor, choose_run, run_link
from distaff_dashboards.views.factors import charts
from distaff_dashboards.views.factors.counterfactual import counterfactual
from distaff_dashboards.views.factors.relevance import choose_weight, most_relevant
from distaff_data.errors import DistaffError
from distaff_data.workspace import Workspace, default_root

_ITEMS = 20
_ATTRIBUTES = 12
_EFFECTS = 10
_CERTAIN = 0.05  # adjusted p value under which a lift counts as more than chance


@widgets.page(
    places.FACTOR,
    "What is this factor about, what does it do to people's lists, and is it real? Trust what is beyond its control "
    "and what other seeds find again; a name is only what its items share.",
)
def factor_page() -> None:
    """Draw the page."""
    chosen = choose_run(places.FACTOR, "interactions", "factors")
    if chosen is None:
        return
    run, dataset = str(chosen["run"]), str(chosen["dataset"])
    source = published_for(run, dataset)
    factors = factors_of(source, run)
    names = factor_labels(factors)
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        factor = choose_factor(names, run)
    if factor is None:
        return
    with right:
        weight = choose_weight()
    row = row_of(factors, "factor", factor)
    _facts(row)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _items(members(source, run, dataset, factor), weight, chosen, f"{run}-factor-{factor}")
    with right:
        _attributes(source, run, dataset, factor)
    _effect_card(source, run, factor)
    left, right = st.columns(2, gap="large")
    with left:
        _stability(source, run, factor, row)
    with right:
        _independence(source, chosen, factor, names)
    _examples(source, chosen, factor)
    _editor(run, row, names)
    counterfactual(source, run, dataset, factor, names)


def _facts(row: Mapping[str, Any]) -> None:
    """Draw badges, numbers and warnings of the factor."""
    colours = {"stable": "green", "split": "orange", "seed-specific": "red", "active": "green", "passive": "red"}
    badges = [b for b in (row["badge"], row["state"]) if b]
    marks = " ".join(f":{colours.get(b, 'gray')}-badge[{b}]" for b in badges)
    marks += " :gray-badge[hidden]" if row["hidden"] else ""
    if row["merged_into"] is not None:
        marks += f" :gray-badge[merged into {row['merged_into']}]"
    if marks:
        st.markdown(marks)
    with st.container(horizontal=True, gap="large"):  # they wrap where there is no room for all
        for name in ("effect", "activity", "stability", "specificity", "popularity", "user_activity"):
            value = row[name]
            text = "–" if value is None else f"{value:.1%}" if name in ("effect", "activity") else f"{value:.2f}"
            meaning = wording.escape(definitions.EVIDENCE[name])
            st.metric(definitions.heading_of(name), text, help=meaning, width="content")
    if row["warnings"]:
        st.warning("Not to be trusted as it stands: " + wording.escape("; ".join(row["warnings"])))
    if row["note"]:
        st.info(wording.escape(row["note"]))


def _items(items: pl.DataFrame, weight: float, run: Mapping[str, Any], name: str) -> None:
    top = most_relevant(items, weight, _ITEMS)
    widgets.heading(
        "Items",
        top,
        name,
        help="Coloured: the item's share of this factor. Grey: its share of all behaviour. Click a bar to open the item.",
    )
    if top.is_empty():
        st.info("No item belongs to this factor.")
        return
    place = widgets.clicked(top_items(top, "title"), key=f"items-{name}", alt="Items of the factor by relevance")
    if place is not None:
        places.ITEM.go(run_link(run) | {"item": top["item_id"][place]})


def _attributes(source: Source, run: str, dataset: str, factor: int) -> None:
    attributes = attribute_lifts(source, run).filter(pl.col("factor") == factor).drop("factor")
    widgets.heading(
        "What the items share",
        attributes,
        f"{run}-factor-{factor}-attributes",
        help="Attribute values that are more frequent in this factor than among items as popular as its own.",
    )
    if attributes.is_empty():
        if has_item_attributes(source, dataset):
            st.info(
                "No attribute value is more frequent here than popularity and chance explain, so the factor has no name."
            )
        else:
            widgets.empty(
                "Nothing is known about the items of this dataset. Add attributes, then compute the evidence again:",
                f"distaff ingest items {dataset} FILE...",
                f"distaff factors {run}",
            )
        return
    labelled = attributes.head(_ATTRIBUTES).select(
        "lift",
        "share",
        label=pl.format("{}: {}", "name", "value"),
        sure=(pl.col("q_value") < _CERTAIN).fill_null(False),
    )
    widgets.chart(charts.attribute_lift(labelled), key="attributes", alt="Lift of attribute values")


def _effect_card(source: Source, run: str, factor: int) -> None:
    effects = factor_table(source, "factor_effects", run, factor)
    widgets.heading("Effect card", effects, f"{run}-factor-{factor}-effects", help="Users are moved from the 1 % to the "
                    "99 % quantile of the factor's share; shown is how their lists change, with a 95 % interval over "
                    "users. Grey ones are within what the control, with the ends swapped, gives.")  # fmt: skip
    if effects.is_empty():
        st.info("Too few users hold any of this factor to measure what moving it does.")
        return
    specific = effects.filter(pl.col("specificity").is_not_null())
    if not specific["holds"].any():
        st.info("Moving this factor changes no property beyond what its control gives: no effect card.")
        return
    ladder = factor_table(source, "factor_ladders", run, factor)
    left, right = st.columns([2, 3], gap="large")
    largest = specific.head(_EFFECTS)
    with left:
        widgets.chart(effect_intervals(largest), key="effects", alt="Effects with intervals")
    with right:
        options = pl.concat([largest["property"].head(1), ladder["property"]]).unique(maintain_order=True).to_list()
        name = st.selectbox("Along the ladder", options, key="property", help="Mean over users at each rung. Hollow "
                            "points are out of range: no user's share is as far out.")  # fmt: skip
        steps = ladder.filter(pl.col("property") == name)
        widgets.chart(charts.ladder(steps, name), key="ladder", alt="Property along the ladder")
    with st.expander(f"All {effects.height} properties"):
        widgets.table(effects, definitions.evidence_columns(effects), key="effects-table")


def _stability(source: Source, run: str, factor: int, row: Mapping[str, Any]) -> None:
    matches = factor_table(source, "factor_stability", run, factor)
    widgets.heading("Other seeds", matches, f"{run}-factor-{factor}-stability", help=definitions.EVIDENCE["badge"])
    if matches.is_empty():
        st.info(
            "No other seed tells whether this factor is stable. Train more: `distaff train MODEL DATASET --seeds 5`"
        )
        return
    kinds = {"stable": "Other seeds find it, one to one.", "split": "Other seeds cut it into several factors.",
             "seed-specific": "Other seeds do not find it, so it is not named by itself."}  # fmt: skip
    null = ", ".join(f"{row[f'{name}_null']:.2f}" for name in ("stability", "split", "subspace"))
    st.markdown(f"**{kinds[row['badge']]}** By chance: {null} for match, split and subspace.")
    st.caption("Click a row to open the partner.")
    widgets.links(matches, definitions.evidence_columns(matches), _partner, key=f"stability-{run}-{factor}")


def _partner(row: Mapping[str, Any]) -> tuple[PagePlace, dict[str, str]] | None:
    factor = {} if row["partner"] is None else {"factor": str(row["partner"])}
    return places.FACTOR, {"run": str(row["other_run"]), **factor}


def _independence(source: Source, chosen: Mapping[str, Any], factor: int, names: Mapping[int, str]) -> None:
    run = str(chosen["run"])
    dependences = factor_table(source, "factor_dependences", run, factor)
    widgets.heading("Depends on", dependences, f"{run}-factor-{factor}-dependence",
                    help=definitions.EVIDENCE["dependence"])  # fmt: skip
    if dependences.is_empty():
        st.info("There is no other factor to depend on.")
        return
    labelled = with_names(dependences, names, "other").select("name", "dependence", "correlation", "other")
    st.caption("Click a row to open the other factor.")
    widgets.links(
        labelled,
        definitions.evidence_columns(labelled.drop("other")) | {"other": None},
        lambda row: (places.FACTOR, run_link(chosen) | {"factor": str(row["other"])}),
        key=f"dependence-{run}-{factor}",
    )


def _examples(source: Source, chosen: Mapping[str, Any], factor: int) -> None:
    run, dataset = str(chosen["run"]), str(chosen["dataset"])
    st.subheader("Examples by activation", anchor=False, help="Not only the top: what the factor holds at every level.")
    entity = st.segmented_control("Of", ["items", "users"], default="items", key="entity", required=True)[:-1]
    bins = factor_table(source, "factor_histograms", run, factor).filter(pl.col("entity") == entity)
    banded = examples(source, run, dataset, factor, entity)
    left, right = st.columns([2, 3], gap="large")
    with left:
        widgets.heading("Histogram", bins, f"{run}-factor-{factor}-{entity}-histogram",
                        help="How many hold how much of the factor, in 50 bins; the counts are on a log axis.")  # fmt: skip
        widgets.chart(charts.histogram(bins, entity), key="histogram", alt="Histogram of activations")
    with right:
        widgets.heading("Bands", banded, f"{run}-factor-{factor}-{entity}-bands",
                        help="The top 20, then some of each tenth of all, from the highest down.")  # fmt: skip
        bands = banded["band"].unique().sort().to_list()
        band = st.select_slider("Band", bands, format_func=_band_name, key="band") if len(bands) > 1 else 0
        table = banded.filter(pl.col("band") == band).select("rank", "title", "share", "id")
        st.caption(f"Click a row to open the {entity}.")
        widgets.links(
            table,
            definitions.evidence_columns(table.drop("id")) | {"id": None},
            lambda row: (
                places.ITEM if entity == "item" else places.PERSON,
                run_link(chosen) | {entity: str(row["id"])},
            ),
            key="bands",
            height=280,
        )


def _band_name(band: int) -> str:
    return "top" if band == 0 else f"{100 - 10 * band}-{110 - 10 * band} %"


def _editor(run: str, row: Mapping[str, Any], names: Mapping[int, str]) -> None:
    """Draw the form for what the analyst says; the platform writes it, and carries it over to later runs."""
    st.subheader("Your word on it", anchor=False, help="Kept apart from the model, and carried over to later runs on this "
                 "dataset whose factors match. The same: distaff note RUN FACTOR")  # fmt: skip
    if row["match"] is not None:
        st.caption(wording.escape(f"Carried over from {row['origin']}, correlation {row['match']:.2f}."))
    factor = int(row["factor"])
    choices = [factor, *(k for k in names if k != factor)]
    partner = row["merged_into"] if row["merged_into"] in names else factor
    with st.form(f"note-{run}-{factor}", border=True):
        left, right = st.columns([1, 1])
        own_name = row["name"] if row["name"] != row["automatic_name"] else ""
        name = left.text_input("Name", own_name, placeholder=row["automatic_name"], key=f"name-{factor}", max_chars=80)
        merged = left.selectbox("Show together with", choices, index=choices.index(partner), key=f"merge-{factor}",
                                format_func=lambda k: "itself" if k == factor else names[k])  # fmt: skip
        note = right.text_area("Note", row["note"] or "", key=f"note-{factor}", max_chars=2000, height=120)
        hidden = right.checkbox("Hide from the index", row["hidden"], key=f"hide-{factor}")
        if st.form_submit_button("Save"):
            try:
                _annotate(run, factor, name=name, note=note, hidden=hidden, merged_into=merged)
            except DistaffError as error:
                st.error(wording.escape(str(error)))
            else:
                st.rerun()


def _annotate(run: str, factor: int, **note: Any) -> None:
    """Write down what an analyst says about a factor.

    Raises:
        InputError: The platform refuses it.
    """
    from distaff.factors.intents.notes import annotate

    annotate(Workspace.open(default_root()), run, factor, **note)
