"""*Intents*: what a run's intents are, how far to trust them, and what they do for one person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from distaff_dashboards import charts, data, evidence, widgets, wording
from distaff_data.errors import DistaffError

_ITEMS = 20
_ATTRIBUTES = 12
_LIST = 10
_SHOWN = 0.005  # smallest share with a bar of its own
_CERTAIN = 0.05  # false-discovery rate under which a lift counts as more than chance


@widgets.page("Intents", "What drives choices, with the evidence for and against each intent.")
def show() -> None:
    """The page."""
    everything = data.everything()
    runs = {str(row["run"]): row for row in data.runs_with_factors(everything)}
    if not runs:
        _none(data.any_run(everything))
        return
    left, right = st.columns([2.2, 3], vertical_alignment="bottom")
    with left:
        run = widgets.choose("Run", list(runs), key="run", help="Models first, then controls; newest first.")
    dataset = str(runs[run]["dataset"])
    source = data.part(run, dataset)
    factors = data.factors(source, run)
    right.caption(wording.escape(_summary(runs[run], factors)))
    _index(factors, run)
    names = {
        int(f): intent_label(int(f), n)
        for f, n in zip(*(factors[c].to_pylist() for c in ("factor", "name")), strict=True)
    }
    left, right = st.columns([2, 3], gap="large")
    with left:
        factor = _choose_intent(names)
    with right:
        weight = _relevance()
    _one_intent(source, run, dataset, factor, weight, factors)
    _one_user(source, run, dataset, factor, names)


def intent_label(factor: int, name: str | None) -> str:
    """An intent's stable number with its name, when it has one."""
    return f"{factor}: {name}" if name and name != "unnamed" else f"{factor} (unnamed)"


def _none(run: str | None) -> None:
    if run is None:
        widgets.empty(
            "No run is finished in this workspace yet. Train a model with intents, then compute their evidence:",
            "distaff train dccf DATASET",
            "distaff factors RUN",
        )
    else:
        widgets.empty("No run has its intents computed yet. Do it for a run of dccf, nmf, varimax or puresvd:",
                      f"distaff factors {run}")  # fmt: skip


def _summary(run: dict[str, Any], factors: pa.Table) -> str:
    warned = sum(bool(warnings) for warnings in factors["warnings"].to_pylist())
    stability = [value for value in factors["stability"].to_pylist() if value is not None]
    said = f"{run['model']}{' (a control)' if run['control'] else ''} on {run['dataset']}, seed {run['seed']}: "
    said += f"{factors.num_rows} intents, {warned} with warnings, "
    return said + (f"median stability {np.median(stability):.2f}" if stability else "stability unknown with one seed")


def _choose_intent(names: dict[int, str]) -> int:
    """The chosen intent, kept in the URL by its number: a bound select box would keep its label, which may change."""
    linked = st.query_params.get("intent", "")
    if "intent" not in st.session_state and linked.isdigit():
        st.session_state["intent"] = int(linked)
    if st.session_state.get("intent") not in names:
        st.session_state["intent"] = next(iter(names))
    chosen = int(st.selectbox("Intent", list(names), key="intent", format_func=lambda k: names[k]))
    st.query_params["intent"] = str(chosen)
    return chosen


def _index(factors: pa.Table, run: str) -> None:
    widgets.heading(
        "Index",
        factors,
        f"{run}-intents",
        help="Ordered by effect: what happens to people's lists when the intent is removed. Click a row to open it.",
    )

    def open_selected() -> None:
        rows: Sequence[int] = st.session_state["index"]["selection"]["rows"]
        if rows:
            st.session_state["intent"] = factors["factor"][rows[0]].as_py()

    widgets.table(
        factors,
        _index_columns(factors),
        key="index",
        on_select=open_selected,
        selection_mode="single-row",
    )


def _index_columns(factors: pa.Table) -> dict[str, Any]:
    def bar(label: str, meaning: str) -> Any:
        top = pa.compute.max(factors[label]).as_py() or 1.0
        return st.column_config.ProgressColumn(
            label, help=meaning, format="percent", min_value=0, max_value=top, color=charts.ACCENT
        )

    def real(label: str, meaning: str) -> Any:
        return st.column_config.NumberColumn(label, help=meaning, format="%.2f")

    return {
        "factor": st.column_config.NumberColumn("intent", help="Stable number of the intent within the run"),
        "name": st.column_config.TextColumn("name", help="From the attributes its items share; never from its number"),
        "effect": bar("effect", "Share of the top-20 lists' items that leave when the intent is removed"),
        "activity": bar("activity", "Mean share over users: how much behaviour the intent carries"),
        "stability": real("stability", "Match with the same model's intents under other seeds; above 0.9 is stable"),
        "purity": real("purity", "Share of the commonest attribute value among the top items"),
        "popularity": real(
            "popularity", "Rank correlation with item popularity; beyond 0.5 it mostly shows popularity"
        ),
        "user_activity": real(
            "user activity", "Rank correlation with how active users are; beyond 0.5 it mostly shows that"
        ),
        "warnings": st.column_config.ListColumn("warnings", help="Reasons not to trust the intent as it stands"),
    }


def _relevance() -> float:
    return st.slider(
        "Relevance: from what is special to the intent to what is frequent in it",
        0.0,
        1.0,
        evidence.RELEVANCE,
        0.05,
        key="relevance",
        bind="query-params",
        help="0 ranks items by lift, 1 by their share of the intent, which mostly shows what is popular everywhere. "
        "0.3 was the best mix in our measurements.",
    )


def _one_intent(source: data.Source, run: str, dataset: str, factor: int, weight: float, factors: pa.Table) -> None:
    row = factors.filter(pa.compute.equal(factors["factor"], factor)).to_pylist()[0]
    if row["warnings"]:
        st.warning("Not to be trusted as it stands: " + wording.escape("; ".join(row["warnings"])))
    members = data.members(source, run, dataset, factor)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _items(members, weight, f"{run}-intent-{factor}")
    with right:
        _attributes(source, run, dataset, factor)


def _items(members: pa.Table, weight: float, name: str) -> None:
    shown = most_relevant(members, weight)
    widgets.heading(
        "Items", shown, name, help="Coloured: the item's share of this intent. Grey: its share of all behaviour."
    )
    if not shown.num_rows:
        st.info("No item belongs to this intent.")
        return
    columns = (shown[c].to_pylist() for c in ("title", "probability", "lift"))
    widgets.chart(charts.top_items(*columns), key="items", alt="Items of the intent by relevance")


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
        f"{run}-intent-{factor}-attributes",
        help="Attribute values that are more frequent in this intent than in all behaviour.",
    )
    if not attributes.num_rows:
        if data.has_item_attributes(source, dataset):
            st.info("No attribute value is more frequent here than chance explains, so the intent has no name.")
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


def _one_user(source: data.Source, run: str, dataset: str, factor: int, names: dict[int, str]) -> None:
    st.divider()
    users = data.users_of_factor(source, run, dataset, factor)
    if not users:
        st.info("This run has no user shares.")
        return
    st.header("One person", anchor=False)
    place, _ = st.columns([2, 3])
    with place:
        user = widgets.choose(
            "User",
            users,
            key="user",
            open_ended=True,
            help="First those in whom the chosen intent is strongest. Type any other id.",
        )
    shares = data.user_mix(source, run, user)
    if shares is None:
        st.warning(wording.escape(f"This run does not know a user {user!r}. Choose one from the list or check the id."))
        return
    left, right = st.columns([2, 3], gap="large")
    with right:
        colours = _recommendations(source, run, dataset, user, names, len(shares))
    with left:
        _mix(user, shares, names, colours)
        taken = data.history(source, dataset, user)
        with st.expander(f"What this person took: {taken.num_rows} items"):
            widgets.heading("History", taken, f"{run}-history-{user}")
            widgets.table(taken, {"item_id": "item", "title": "title"}, key="history")


def _mix(user: str, shares: Sequence[float], names: dict[int, str], colours: dict[int, str]) -> None:
    order = sorted(range(len(shares)), key=lambda k: -shares[k])
    whole = pa.table(
        {"intent": order, "name": [names.get(k, str(k)) for k in order], "share": [shares[k] for k in order]}
    )
    widgets.heading("Mix of intents", whole, f"mix-{user}", help="This person's share of each intent; they sum to 1.")
    top = [k for k in order[:8] if shares[k] >= _SHOWN]
    labels, values = [names.get(k, str(k)) for k in top], [shares[k] for k in top]
    bars = [colours.get(k, charts.OTHER) for k in top]
    if len(order) > len(top):
        labels.append(f"{len(order) - len(top)} other intents")
        values.append(sum(shares[k] for k in order[len(top) :]))
        bars.append(charts.REST)
    widgets.chart(charts.mix(labels, values, bars), key="mix", alt="The person's mix of intents")


def _recommendations(
    source: data.Source, run: str, dataset: str, user: str, names: dict[int, str], n_factors: int
) -> dict[int, str]:
    """Draw the list; returns the colour of each intent it names."""
    try:
        found = data.explain(source, run, dataset, user, n_factors, _LIST)
    except DistaffError as error:
        st.subheader("Recommendations", anchor=False)
        st.info(wording.escape(str(error)))
        return {}
    split = evidence.break_down(found.parts, found.scores, columns=len(charts.INTENTS))
    colours = dict(zip(split.intents, charts.INTENTS, strict=False))
    table = share_table(found, split, names)
    widgets.heading(
        "Recommendations, and what each intent adds",
        table,
        f"{run}-recommendations-{user}",
        help="Each bar is the item's score. At most three intents are named for an item; the rest belongs to none.",
    )
    widgets.chart(
        charts.contributions(found.titles, split, names, colours), key="contributions", alt="Scores by intent"
    )
    columns = {
        "item_id": None,
        "rank": st.column_config.NumberColumn("rank", help="Place in the list"),
        "title": st.column_config.TextColumn("item", help="Title, or the item's id"),
        "score": st.column_config.NumberColumn(
            "score", format="%.3f", help="The model's score, comparable within a person"
        ),
    }
    help_ = "Share of the score; negative where it pulls the item down; empty where it counts among the others"
    shares = {n: st.column_config.NumberColumn(n, format="percent", help=help_) for n in table.column_names[4:]}
    widgets.table(table, columns | shares, key="recommendations")
    return colours


def share_table(found: data.Explanation, split: evidence.Breakdown, names: dict[int, str]) -> pa.Table:
    """A list with its scores split: ``rank, item_id, title, score``, shares of named intents, others and rest.

    Empty where an intent is not named for the item.
    """
    parts, other, rest = split.shares()
    columns: dict[str, Any] = {
        "rank": list(range(1, len(found.items) + 1)),
        "item_id": found.items,
        "title": found.titles,
        "score": found.scores,
    }
    columns |= {names.get(k, str(k)): _blank(parts[:, n]) for n, k in enumerate(split.intents)}
    return pa.table(columns | {"other intents": other, "rest": rest})


def _blank(values: evidence.Floats) -> pa.Array:
    return pa.array(values, mask=values == 0)
