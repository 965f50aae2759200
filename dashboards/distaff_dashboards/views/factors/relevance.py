"""Relevance of items to a factor: probability weighed against lift."""

from __future__ import annotations

import polars as pl
import streamlit as st

DEFAULT_WEIGHT = 0.3  # of probability; the rest is lift (finding 9 of the factor study)


def relevance(weight: float) -> pl.Expr:
    """Return ``weight * log p(item | factor) + (1 - weight) * log lift`` of ``probability, lift``; -inf where either is 0.

    It is the platform's own relevance, as an expression: a page that only shows items need not load torch.
    """
    return weight * pl.col("probability").log() + (1 - weight) * pl.col("lift").log()


def most_relevant(members: pl.DataFrame, weight: float, n: int) -> pl.DataFrame:
    """Return the ``n`` most relevant items with their ``relevance``, best first; ties keep their order.

    Args:
        members: ``probability, lift`` of each.
        weight: Of probability, between 0 and 1.
        n: How many.
    """
    score = pl.when((pl.col("probability") > 0) & (pl.col("lift") > 0)).then(relevance(weight)).otherwise(-float("inf"))
    return members.with_columns(relevance=score).sort("relevance", descending=True, maintain_order=True).head(n)


def choose_weight() -> float:
    """Return the weight on a slider, which is part of the URL."""
    return st.slider(
        "Relevance: from what is special to the factor to what is frequent in it",
        0.0,
        1.0,
        DEFAULT_WEIGHT,
        0.05,
        key="relevance",
        bind="query-params",
        help="0 ranks items by lift, 1 by their share of the factor, which mostly shows what is popular everywhere. "
        "0.3 was the best mix in our measurements.",
    )
