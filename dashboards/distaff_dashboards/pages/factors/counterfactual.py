"""Counterfactual lists: a person's list beside the list that other weights of factors would give."""

from __future__ import annotations

import streamlit as st

from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import widgets, wording
from distaff_data.errors import DistaffError

_LIST = 15
_FURTHER = 3  # sliders beside the factor's own


def counterfactual(source: data.Source, run: str, dataset: str, factor: int, names: dict[int, str]) -> None:
    """Sliders on factors and both lists side by side."""
    users = data.users_of_factor(source, run, dataset, factor)
    if not users:
        return
    st.subheader("What if", anchor=False, help="Multiplies the exact part of a factor in every score of a person's list: "
                 "0 takes the factor away, 2 doubles it.")  # fmt: skip
    left, right = st.columns([1, 2], gap="large")
    with left:
        user = widgets.choose("Person", users, key="person", open_ended=True,
                              help="First those in whom this factor is strongest. Type any other id.")  # fmt: skip
        shares = data.user_mix(source, run, user)
        if shares is None:
            st.warning(wording.escape(f"This run does not know a user {user!r}."))
            return
        strongest = [k for k in sorted(range(len(shares)), key=lambda k: -shares[k]) if k != factor][:_FURTHER]
        weights = {
            k: st.slider(wording.escape(names.get(k, str(k))), 0.0, 4.0, 0.0 if k == factor else 1.0, 0.25,
                         key=f"weight-{k}", help=f"{shares[k]:.1%} of this person's mix")
            for k in (factor, *strongest)
        }  # fmt: skip
    with right:
        try:
            table = data.reranked(source, run, dataset, user, weights, _LIST)
        except DistaffError as error:
            st.info(wording.escape(str(error)))
            return
        rows = table.to_pylist()
        new = sum(r["after"] is not None and r["change"] is None for r in rows)
        widgets.heading(f"List of {user}", table, f"{run}-counterfactual-{user}",
                        help="Left as it is, right under the weights; change counts the places an item rose.")  # fmt: skip
        st.caption(f"{new} of {len(rows)} items are new: {new / max(len(rows), 1):.0%} churn.")
        columns = {
            "rank": st.column_config.NumberColumn("rank", help="Place in the list"),
            "before": st.column_config.TextColumn("as it is", help="The list with every factor as the person holds it"),
            "after": st.column_config.TextColumn("after", help="The list under the weights"),
            "change": st.column_config.NumberColumn("change", help="Places risen; empty for a new item", format="%+d"),
        }
        widgets.table(table, columns, key="counterfactual")
