"""Counterfactual lists: a person's list beside the list that other weights of factors would give."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import streamlit as st

from distaff_dashboards.reads import people
from distaff_dashboards.reads.source import Source
from distaff_dashboards.ui import address, weighing, wording
from distaff_data.errors import DistaffError

_LIST = 15
_FURTHER = 3  # sliders beside the factor's own


def counterfactual(source: Source, run: str, dataset: str, factor: int, names: Mapping[int, str]) -> None:
    """Draw the section: sliders on factors, and both lists side by side."""
    users = people.users_of_factor(source, run, dataset, factor)
    if not users:
        return
    st.subheader("What if", anchor=False, help=weighing.HELP)
    left, right = st.columns([1, 2], gap="large")
    with left:
        user = address.choose("Person", users, key="user", scope=dataset, open_ended=True,
                              help="First those in whom this factor is strongest. Type any other id.")  # fmt: skip
        if user is None:
            return
        mix = people.user_mix(source, run, user)
        if mix.is_empty():
            st.warning(wording.escape(f"This run does not know a user {user!r}."))
            return
        chosen = pl.col("factor") == factor
        weighed = pl.concat([mix.filter(chosen), mix.filter(~chosen).head(_FURTHER)])
        try:
            words = people.words(source, run)
        except DistaffError as error:
            right.info(wording.escape(str(error)))
            return
        weights = weighing.sliders(weighed, names, words, key=f"{run}-{user}-{factor}", start={factor: 0.0})
    with right:
        try:
            lists = people.steered(source, run, dataset, user, weights.factors, weights.words, _LIST)
        except DistaffError as error:
            st.info(wording.escape(str(error)))
            return
        weighing.side_by_side(lists, user, f"{run}-counterfactual-{user}")
