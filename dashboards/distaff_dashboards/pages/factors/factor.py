"""*Factor*: everything known about one factor, and what a person says and asks about it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import streamlit as st

from distaff_dashboards.pages.factors import charts as factor_charts
from distaff_dashboards.pages.factors import parts as factor_parts
from distaff_dashboards.pages.factors.counterfactual import counterfactual
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import breakdown as evidence
from distaff_dashboards.ui import charts, definitions, widgets, wording
from distaff_data.errors import DistaffError

_ITEMS = 20
_ATTRIBUTES = 12
_EFFECTS = 10
_CERTAIN = 0.05  # false-discovery rate under which a lift counts as more than chance


@widgets.page("Factor", "One factor: what it holds, what it does, how far to trust it.")
def show() -> None:
    """The page."""
    left, middle, right = st.columns([2, 2, 3], vertical_alignment="bottom")
    with left:
        chosen = factor_parts.choose_run()
    if chosen is None:
        return
    run, facts = chosen
    dataset = str(facts["dataset"])
    source = data.part(run, dataset)
    factors = data.factors(source, run)
    names = factor_parts.labels(factors)
    with middle:
        factor = factor_parts.choose_factor(names)
    with right:
        weight = _relevance()
    row = factors.filter(pa.compute.equal(factors["factor"], factor)).to_pylist()[0]
    _facts(row)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _items(data.members(source, run, dataset, factor), weight, f"{run}-factor-{factor}")
    with right:
        _attributes(source, run, dataset, factor)
    _effect_card(source, run, factor)
    left, right = st.columns(2, gap="large")
    with left:
        _stability(source, run, factor, row, names)
    with right:
        _independence(source, run, factor, names)
    _examples(source, run, dataset, factor)
    _editor(run, row, names)
    counterfactual(source, run, dataset, factor, names)


def _facts(row: dict[str, Any]) -> None:
    """Badges, numbers and warnings of the factor."""
    colours = {"stable": "green", "split": "orange", "seed-specific": "red", "active": "green", "passive": "red"}
    badges = [b for b in (row["badge"], row["state"]) if b]
    marks = " ".join(f":{colours.get(b, 'gray')}-badge[{b}]" for b in badges)
    marks += " :gray-badge[hidden]" if row["hidden"] else ""
    if row["merged_into"] is not None:
        marks += f" :gray-badge[merged into {row['merged_into']}]"
    if marks:
        st.markdown(marks)
    for column, name in zip(st.columns(6), ("effect", "activity", "stability", "specificity", "popularity", "user_activity"),
                            strict=True):  # fmt: skip
        value = row[name]
        text = "–" if value is None else f"{value:.1%}" if name in ("effect", "activity") else f"{value:.2f}"
        column.metric(definitions.heading_of(name), text, help=wording.escape(definitions.EVIDENCE[name]))
    if row["warnings"]:
        st.warning("Not to be trusted as it stands: " + wording.escape("; ".join(row["warnings"])))
    if row["note"]:
        st.info(wording.escape(row["note"]))


def _relevance() -> float:
    return st.slider(
        "Relevance: from what is special to the factor to what is frequent in it",
        0.0,
        1.0,
        evidence.RELEVANCE,
        0.05,
        key="relevance",
        bind="query-params",
        help="0 ranks items by lift, 1 by their share of the factor, which mostly shows what is popular everywhere. "
        "0.3 was the best mix in our measurements.",
    )


def _items(members: pa.Table, weight: float, name: str) -> None:
    shown = most_relevant(members, weight)
    widgets.heading(
        "Items", shown, name, help="Coloured: the item's share of this factor. Grey: its share of all behaviour."
    )
    if not shown.num_rows:
        st.info("No item belongs to this factor.")
        return
    columns = (shown[c].to_pylist() for c in ("title", "probability", "lift"))
    widgets.chart(charts.top_items(*columns), key="items", alt="Items of the factor by relevance")


def most_relevant(members: pa.Table, weight: float) -> pa.Table:
    """The most relevant items: ``item_id, title, probability, lift, relevance``."""
    probability, lift = (members[c].to_numpy().astype(float) for c in ("probability", "lift"))
    best = evidence.top_items(probability, lift, weight, _ITEMS)
    score = evidence.relevance(probability, lift, weight)[best]
    return members.take(best).append_column("relevance", pa.array(score))


def _attributes(source: data.Source, run: str, dataset: str, factor: int) -> None:
    attributes = data.factor_attributes(source, run, factor)
    widgets.heading(
        "What the items share",
        attributes,
        f"{run}-factor-{factor}-attributes",
        help="Attribute values that are more frequent in this factor than in all behaviour.",
    )
    if not attributes.num_rows:
        if data.has_item_attributes(source, dataset):
            st.info("No attribute value is more frequent here than chance explains, so the factor has no name.")
        else:
            widgets.empty(
                "Nothing is known about the items of this dataset. Add attributes, then compute the evidence again:",
                f"distaff ingest items {dataset} FILE...",
                f"distaff factors {run}",
            )
        return
    top = attributes.slice(0, _ATTRIBUTES)
    labels = [f"{n}: {v}" for n, v in zip(top["name"].to_pylist(), top["value"].to_pylist(), strict=True)]
    sure = [q is not None and q < _CERTAIN for q in top["q_value"].to_pylist()]
    figure = charts.attribute_lift(labels, top["lift"].to_pylist(), top["share"].to_pylist(), sure)
    widgets.chart(figure, key="attributes", alt="Lift of attribute values")


def _effect_card(source: data.Source, run: str, factor: int) -> None:
    effects = data.of_factor(source, "factor_effects", run, factor)
    widgets.heading("Effect card", effects, f"{run}-factor-{factor}-effects", help="Users are moved from the 1 % to the "
                    "99 % quantile of the factor's share; shown is how their lists change, with a 95 % interval over "
                    "users. Grey ones are within what the control, with the ends swapped, gives.")  # fmt: skip
    if not effects.num_rows:
        st.info("Too few users hold any of this factor to measure what moving it does.")
        return
    rows = effects.to_pylist()
    if not any(r["holds"] and r["specificity"] is not None for r in rows):
        st.info("Moving this factor changes no property beyond what its control gives: no effect card.")
        return
    ladder = data.of_factor(source, "factor_ladders", run, factor)
    left, right = st.columns([2, 3], gap="large")
    shown = [r for r in rows if r["specificity"] is not None][:_EFFECTS]
    with left:
        widgets.chart(factor_charts.effects(shown), key="effects", alt="Effects with intervals")
    with right:
        properties = list(dict.fromkeys(ladder["property"].to_pylist()))
        first = shown[0]["property"]
        options = [first, *(p for p in properties if p != first)]
        property_ = st.selectbox("Along the ladder", options, key="property", help="Mean over users at each rung. Hollow "
                                 "points are out of range: no user's share is as far out.")  # fmt: skip
        steps = ladder.filter(pa.compute.equal(ladder["property"], property_))
        widgets.chart(factor_charts.ladder(steps.to_pylist(), property_), key="ladder", alt="Property along the ladder")
    columns = {name: definitions.evidence_column(name, effects) for name in effects.column_names}
    with st.expander(f"All {effects.num_rows} properties"):
        widgets.table(effects, columns, key="effects-table")


def _stability(source: data.Source, run: str, factor: int, row: dict[str, Any], names: dict[int, str]) -> None:
    found = data.of_factor(source, "factor_stability", run, factor)
    widgets.heading("Other seeds", found, f"{run}-factor-{factor}-stability", help=definitions.EVIDENCE["badge"])
    if not found.num_rows:
        st.info(
            "No other seed tells whether this factor is stable. Train more: `distaff train MODEL DATASET --seeds 5`"
        )
        return
    kinds = {"stable": "Other seeds find it, one to one.", "split": "Other seeds cut it into several factors.",
             "seed-specific": "Other seeds do not find it, so it is not named by itself."}  # fmt: skip
    null = ", ".join(f"{row[f'{name}_null']:.2f}" for name in ("stability", "split", "subspace"))
    st.markdown(f"**{kinds[row['badge']]}** By chance: {null} for match, split and subspace.")
    columns = {name: definitions.evidence_column(name, found) for name in found.column_names}
    widgets.table(found, columns, key="stability")


def _independence(source: data.Source, run: str, factor: int, names: dict[int, str]) -> None:
    found = data.of_factor(source, "factor_dependences", run, factor)
    widgets.heading("Depends on", found, f"{run}-factor-{factor}-dependence", help=definitions.EVIDENCE["dependence"])
    if not found.num_rows:
        st.info("There is no other factor to depend on.")
        return
    labelled = found.append_column("name", pa.array([names.get(o, str(o)) for o in found["other"].to_pylist()]))
    labelled = labelled.select(["name", "dependence", "correlation"])
    columns = {name: definitions.evidence_column(name, labelled) for name in labelled.column_names}
    widgets.table(labelled, columns, key="dependence")


def _examples(source: data.Source, run: str, dataset: str, factor: int) -> None:
    st.subheader("Examples by activation", anchor=False, help="Not only the top: what the factor holds at every level.")
    entity = st.segmented_control("Of", ["items", "users"], default="items", key="entity", required=True)[:-1]
    histogram = data.of_factor(source, "factor_histograms", run, factor)
    mine = histogram.filter(pa.compute.equal(histogram["entity"], entity))
    found = data.examples(source, run, dataset, factor, entity)
    left, right = st.columns([2, 3], gap="large")
    with left:
        widgets.heading("Histogram", mine, f"{run}-factor-{factor}-{entity}-histogram",
                        help="How many hold how much of the factor, in 50 bins; the counts are on a log axis.")  # fmt: skip
        figure = factor_charts.histogram(
            mine["low"].to_pylist(), mine["high"].to_pylist(), mine["count"].to_pylist(), entity
        )
        widgets.chart(figure, key="histogram", alt="Histogram of activations")
    with right:
        widgets.heading("Bands", found, f"{run}-factor-{factor}-{entity}-bands",
                        help="The top 20, then some of each tenth of all, from the highest down.")  # fmt: skip
        bands = sorted(set(found["band"].to_pylist()))
        band = st.select_slider("Band", bands, format_func=_band_name, key="band") if len(bands) > 1 else 0
        shown = found.filter(pa.compute.equal(found["band"], band)).select(["rank", "title", "share"])
        columns = {name: definitions.evidence_column(name, shown) for name in shown.column_names}
        widgets.table(shown, columns, key="bands", height=280)


def _band_name(band: int) -> str:
    return "top" if band == 0 else f"{100 - 10 * band}-{110 - 10 * band} %"


def _editor(run: str, row: dict[str, Any], names: dict[int, str]) -> None:
    """What the analyst says; written by the platform, and carried over to later runs."""
    st.subheader("Your word on it", anchor=False, help="Kept apart from the model, and carried over to later runs on this "
                 "dataset whose factors match. The same: distaff note RUN FACTOR")  # fmt: skip
    if row["match"] is not None:
        st.caption(wording.escape(f"Carried over from {row['origin']}, correlation {row['match']:.2f}."))
    factor = int(row["factor"])
    others = [factor, *(k for k in names if k != factor)]
    now = row["merged_into"] if row["merged_into"] in names else factor
    with st.form(f"note-{run}-{factor}", border=True):
        left, right = st.columns([1, 1])
        own = row["name"] if row["name"] != row["automatic_name"] else ""
        name = left.text_input("Name", own, placeholder=row["automatic_name"], key=f"name-{factor}", max_chars=80)
        merged = left.selectbox("Show together with", others, index=others.index(now), key=f"merge-{factor}",
                                format_func=lambda k: "itself" if k == factor else names[k])  # fmt: skip
        note = right.text_area("Note", row["note"] or "", key=f"note-{factor}", max_chars=2000, height=120)
        hidden = right.checkbox("Hide from the index", row["hidden"], key=f"hide-{factor}")
        if st.form_submit_button("Save"):
            try:
                data.annotate(run, factor, name=name, note=note, hidden=hidden, merged_into=merged)
            except DistaffError as error:
                st.error(wording.escape(str(error)))
            else:
                st.rerun()
