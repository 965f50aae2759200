"""*Person*: what drives one person's choices, and why they are recommended what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads import people
from distaff_dashboards.reads.factors import factors_of
from distaff_dashboards.reads.source import Source, published_for
from distaff_dashboards.ui import address, charts, places, widgets, wording
from distaff_dashboards.ui.breakdown import Breakdown, break_down, contribution_matrix
from distaff_dashboards.ui.labels import factor_labels, with_names
from distaff_dashboards.ui.places import PagePlace
from distaff_dashboards.views.choices import choose_factor, choose_run, describe, run_link
from distaff_data.errors import DistaffError

_LIST = 10
_BARS = 8
_SHOWN = 0.005  # smallest share with a bar of its own


@widgets.page(
    places.PERSON,
    "What drives this person, and why are they recommended what they are? The parts of a score are the model's own "
    "and add up to it exactly; whether its intents are real is said on their pages.",
)
def person_page() -> None:
    """Draw the page."""
    chosen = choose_run(places.PERSON, "interactions", "factors")
    if chosen is None:
        return
    run, dataset = str(chosen["run"]), str(chosen["dataset"])
    source = published_for(run, dataset)
    factors = factors_of(source, run)
    names = factor_labels(factors)
    left, middle, right = st.columns([2, 2, 2.6], vertical_alignment="bottom")
    with left:
        factor = choose_factor(names, run)
    if factor is None:
        return
    users = people.users_of_factor(source, run, dataset, factor)
    if not users:
        st.info("This run has no user shares.")
        return
    with middle:
        user = address.choose(
            "User",
            users,
            key="user",
            scope=dataset,
            open_ended=True,
            help="First those in whom the chosen factor is strongest. Type any other id.",
        )
    right.caption(describe(chosen, factors))
    if user is not None:
        _one_user(source, chosen, user, names)


def _one_user(source: Source, chosen: Mapping[str, Any], user: str, names: Mapping[int, str]) -> None:
    run, dataset = str(chosen["run"]), str(chosen["dataset"])
    mix = people.user_mix(source, run, user)
    if mix.is_empty():
        st.warning(wording.escape(f"This run does not know a user {user!r}. Choose one from the list or check the id."))
        return
    left, right = st.columns([2, 3], gap="large")
    with right:
        colours = _recommendations(source, chosen, user, names)
    with left:
        _mix(chosen, user, with_names(mix, names), colours)
        history = people.history(source, dataset, user)
        if chosen["words"]:
            places.WORDS.link("Why, in words", **run_link(chosen), user=user)
        with st.expander(f"What this person took: {history.height} items"):
            widgets.heading(
                "History", history, f"{run}-history-{user}", help="Newest first. Click a row to open the item."
            )
            widgets.links(
                history,
                {"item_id": "item", "title": "title"},
                lambda row: _item_of(chosen, row["item_id"]),
                key="history",
            )


def _item_of(chosen: Mapping[str, Any], item: object) -> tuple[PagePlace, dict[str, str]]:
    return places.ITEM, run_link(chosen) | {"item": str(item)}


def _mix(chosen: Mapping[str, Any], user: str, mix: pl.DataFrame, colours: Mapping[int, str]) -> None:
    table = mix.select(intent="factor", name="name", share="share")
    widgets.heading("Mix of intents", table, f"mix-{user}", help="This person's share of each intent; they sum to 1. "
                    "Click a bar to open the factor.")  # fmt: skip
    top = table.head(_BARS).filter(pl.col("share") >= _SHOWN)
    labels, shares = top["name"].to_list(), top["share"].to_list()
    bars = [colours.get(intent, charts.OTHER) for intent in top["intent"]]
    if table.height > top.height:
        labels.append(f"{table.height - top.height} other intents")
        shares.append(table["share"].tail(table.height - top.height).sum())
        bars.append(charts.REST)
    place = widgets.clicked(charts.mix(labels, shares, bars), key=f"mix-{user}", alt="The person's mix of intents")
    if place is not None and place < top.height:
        places.FACTOR.go(run_link(chosen) | {"factor": str(top["intent"][place])})


def _recommendations(source: Source, chosen: Mapping[str, Any], user: str, names: Mapping[int, str]) -> dict[int, str]:
    """Draw the list; return the colour of each intent it names."""
    run, dataset = str(chosen["run"]), str(chosen["dataset"])
    try:
        contributions = people.contributions(source, run, dataset, user, _LIST)
    except DistaffError as error:
        st.subheader("Recommendations", anchor=False)
        st.info(wording.escape(str(error)))
        return {}
    split = break_down(*contribution_matrix(contributions), columns=len(charts.INTENTS))
    colours = dict(zip(split.factors, charts.INTENTS, strict=False))
    table = share_table(contributions, split, names)
    widgets.heading(
        "Recommendations, and what each intent adds",
        table,
        f"{run}-recommendations-{user}",
        help="Each bar is the item's score. At most three intents are named for an item; the rest belongs to none.",
    )
    widgets.chart(
        charts.contributions(table["title"].to_list(), split, names, colours),
        key="contributions",
        alt="Scores by intent",
    )
    columns = {
        "item_id": None,
        "rank": st.column_config.NumberColumn("rank", help="Place in the list"),
        "title": st.column_config.TextColumn("item", help="Title, or the item's id"),
        "score": st.column_config.NumberColumn(
            "score", format="%.3f", help="The model's score, comparable within a person"
        ),
    }
    meaning = "Share of the score; negative where it pulls the item down; empty where it counts among the others"
    shares = {n: st.column_config.NumberColumn(n, format="percent", help=meaning) for n in table.columns[4:]}
    st.caption("Click a row to open the item.")
    widgets.links(table, columns | shares, lambda row: _item_of(chosen, row["item_id"]), key="recommendations")
    return colours


def share_table(contributions: pl.DataFrame, split: Breakdown, names: Mapping[int, str]) -> pl.DataFrame:
    """Return a list with its scores split: ``rank, item_id, title, score``, shares of named intents, others and rest.

    Empty where an intent is not named for the item.
    """
    items = contributions.select("rank", "item_id", "title", "score").unique(maintain_order=True)
    named, other, rest = split.shares()
    shares = [pl.Series(names.get(k, str(k)), named[:, n]).replace(0.0, None) for n, k in enumerate(split.factors)]
    return items.with_columns(*shares, pl.Series("other intents", other), pl.Series("rest", rest))
