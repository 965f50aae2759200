"""*Intents*: what drives one person's choices, and why they are recommended what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import streamlit as st

from distaff_dashboards.pages.factors import parts as factor_parts
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import breakdown as evidence
from distaff_dashboards.ui import charts, widgets, wording
from distaff_data.errors import DistaffError

_LIST = 10
_SHOWN = 0.005  # smallest share with a bar of its own


@widgets.page("Intents", "One person: the mix of intents, what is recommended, and what each intent adds to it.")
def show() -> None:
    """The page."""
    left, middle, right = st.columns([2, 2, 2.6], vertical_alignment="bottom")
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
    right.caption(factor_parts.said(facts, factors))
    _one_user(source, run, dataset, factor, names)


def _one_user(source: data.Source, run: str, dataset: str, factor: int, names: dict[int, str]) -> None:
    users = data.users_of_factor(source, run, dataset, factor)
    if not users:
        st.info("This run has no user shares.")
        return
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
