"""Weighing factors and words: sliders, and a person's list beside the list under the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import streamlit as st

from distaff_dashboards.ui import widgets, wording

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 16.0, 64.0, 256.0)
HELP = "Multiplies the part attributed to a factor in every score of a person's list: 0 takes the factor away, 2 doubles it."


@dataclass(frozen=True)
class Weights:
    """Weights that a person has moved: by factor a multiplier other than 1, and by word what is added to its weight."""

    factors: dict[int, float]
    words: dict[str, float]


def sliders(
    mix: pl.DataFrame,
    names: Mapping[int, str],
    words: Sequence[str],
    *,
    key: str,
    start: Mapping[int, float] | None = None,
) -> Weights:
    """Draw a slider for each factor, and where the model knows words a choice of one; return what has been moved.

    Args:
        mix: The factors to weigh with their shares in the person: ``factor, share``.
        names: Labels of factors.
        words: Words that can be weighed.
        key: Of the widgets: the sliders start anew with another one.
        start: Where factors start; 1 when they are not named.
    """
    start = start or {}
    factors = {
        factor: float(
            st.select_slider(
                wording.escape(names.get(factor, str(factor))),
                WEIGHTS,
                start.get(factor, 1.0),
                format_func=lambda weight: f"×{weight:g}",
                key=f"weight-{key}-{factor}",
                help=f"{share:.1%} of this person's mix",
            )
        )
        for factor, share in mix.select("factor", "share").iter_rows()
    }
    moved = {factor: weight for factor, weight in factors.items() if weight != 1.0}
    if not words:
        return Weights(moved, {})
    word = st.selectbox("Word", words, index=None, key=f"word-{key}", placeholder="Any word of the model")
    amount = st.slider("More or less of the word", -2.0, 2.0, 1.0, 0.25, key=f"amount-{key}", disabled=word is None)
    return Weights(moved, {word: amount} if word and amount else {})


def side_by_side(table: pl.DataFrame, user: str, name: str) -> None:
    """Show a person's list beside the list under the weights: ``rank, before, after, change``."""
    widgets.heading(f"List of {user}", table, name,
                    help="Left as it is, right under the weights; change counts the places an item rose.")  # fmt: skip
    n_new = table.select((pl.col("after").is_not_null() & pl.col("change").is_null()).sum()).item()
    st.caption(f"{n_new} of {table.height} items are new: {n_new / max(table.height, 1):.0%} churn.")
    columns = {
        "rank": st.column_config.NumberColumn("rank", help="Place in the list"),
        "before": st.column_config.TextColumn("as it is", help="The list with every factor as the person holds it"),
        "after": st.column_config.TextColumn("after", help="The list under the weights"),
        "change": st.column_config.NumberColumn("change", help="Places risen; empty for a new item", format="%+d"),
    }
    widgets.table(table, columns, key="side-by-side")
