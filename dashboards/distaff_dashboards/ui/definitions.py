"""Meanings of every number about factors and causes, and the looks of their columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.ui.charts import ACCENT

EVIDENCE: Mapping[str, str] = {
    "factor": "Stable number of the factor within the run",
    "name": "The analyst's own name, or else from attributes that its items share more than items as popular do; never from "
    "its number",
    "words": "Its two most relevant words, where the model has words: a description, no name that a test stands behind",
    "effect": "Share of the top-20 lists' items that leave when the factor is removed",
    "activity": "Mean share over users: how much behaviour the factor carries",
    "state": "Passive for a user with less than a tenth of an equal share of the scores' spread; active: for at most 5 % of "
    "users, passive: for 95 %, mixed: in between, which is usual where people hold few factors",
    "passive_users": "Share of users for whom the factor is passive",
    "badge": "Stable: other seeds find it one to one (correlation 0.8 or more). Split: a non-negative mix of their factors "
    "makes it up. Seed-specific: neither. All against shuffled items; empty with one seed",
    "stability": "Median correlation with the partner factor under other seeds",
    "split": "R² of a non-negative mix of another seed's factors: one thing, cut into several",
    "subspace": "R² of any linear mix of another seed's factors: the same space, with other axes",
    "stability_null": "What 95 % of matches stay below when items are shuffled",
    "split_null": "What 95 % of splits stay below when items are shuffled",
    "subspace_null": "What 95 % of subspace R² stay below when items are shuffled",
    "effect_property": "What moving the factor changes most in people's lists; empty when nothing is beyond the control",
    "effect_size": "That change, from the 1 % to the 99 % quantile of the factor's user share",
    "effect_low": "Lower end of its 95 % paired bootstrap interval over users",
    "effect_high": "Upper end of its 95 % paired bootstrap interval over users",
    "specificity": "Largest effect over the sum of all effects, in absolute values: 1 when nothing else changes",
    "purity": "Share of the commonest attribute value that is more frequent than chance",
    "popularity": "Correlation with the logarithm of item popularity; beyond 0.5 it mostly shows popularity",
    "user_activity": "Correlation with the logarithm of how active users are; beyond 0.5 it mostly shows that",
    "dependence": "Bias-corrected squared distance correlation of users' shares with another factor's: around 0 when "
    "independent, 1 when one determines the other",
    "dependent_on": "The factor it depends on most",
    "correlation": "Rank correlation of users' shares, for the direction",
    "warnings": "Reasons not to trust the factor as it stands",
    "note": "The analyst's note",
    "merged_into": "The factor it is shown together with",
    "hidden": "Left out of the index",
    "effective_per_user": "Mean over users of exp(entropy of the mix): how many factors a person holds",
    "effective_overall": "exp(entropy of the mean mix): how many factors are in use at all",
    "property": "Share of an attribute value in the lists, their mean popularity rank, or churn from the lowest rung",
    "low": "Lower end of the 95 % interval",
    "high": "Upper end of the 95 % interval",
    "consistency": "Share of the ladder's steps that go the effect's way",
    "p_value": "How often the control, with ends swapped at random, gives as much on any property of any factor",
    "holds": "Beyond the control, with an interval that leaves out 0",
    "other_run": "Run of the same configuration with another seed",
    "partner": "One-to-one partner there",
    "match": "Correlation of item shares with the partner",
    "rank": "Place in the list or band",
    "title": "Title, or the own id",
    "share": "Share of the factor",
    "cohort": "Users of one attribute value, or a third of the users by activity",
    "users": "Users with held-out interactions",
    "user_id": "The user's own id",
    "kl": "Kullback-Leibler divergence of the lists' factor shares from those of what was taken, in nats",
    "data_share": "Mean posterior share over what was taken",
    "list_share": "Mean posterior share over top-20 lists",
    "ratio": "Share of the lists over share of what was taken",
    "finding": "Suppressed: below 0.8 with an interval below 1. Exaggerated: above 1.25 with an interval above 1. Either "
    "holds over all factors and cohorts at once",
    "recall": "Share of a user's held-out items that are among the first 20",
    "churn": "Share of the lists' items that are new",
}
CAUSES: Mapping[str, str] = {
    "rank": "Place in the ranking; 1 is most to blame",
    "entity": "The entity to blame",
    "metric": "Its metric to blame; the KPI itself is not ranked",
    "score": "What the ranking is by; comparable within one incident only",
    "own": "How far the metric is from its own normal; of a control, its score",
    "propagated": "What its place in the causal graph adds to the score; empty without a graph",
    "since": "When the metric left its normal, from the onset on; empty where it did not",
    "path": "Metrics from the cause to the KPI over the causal graph",
    "new_edges": "Its effects since the onset that were none before",
    "known": "Whether the dataset names this entity as a true cause; for judging only, no model sees it",
}
LATENTS: Mapping[str, str] = {
    **EVIDENCE,
    "factor": "Stable number of the latent within the run",
    "name": "What moving it changes most; never from its number",
    "segment": "The segment it belongs to; empty where latents are not parted",
    "activity": "Share of the nats that all latents tell of a window",
    "state": "Passive where it tells nothing of a window: active for at most 5 % of windows, passive for 95 %, or mixed",
    "effect": "Share of what is decoded that changes when the latent is held at its mean",
    "effect_property": "What moving it changes most in windows; empty when nothing is beyond the control",
    "effect_size": "That change from its 1 % to its 99 % quantile, in deviations over windows",
    "dependence": "Bias-corrected squared distance correlation with another latent: around 0 when independent",
    "dependent_on": "The latent it depends on most",
}
_HEADINGS = {"since": "left normal", "new_edges": "new edges", "known": "true cause",
             "user_activity": "user activity", "effect_property": "moves most", "effect_size": "by", "data_share": "taken",
             "list_share": "shown", "dependent_on": "depends on", "kl": "KL (nats)", "p_value": "p",
             "other_run": "other run", "words": "words (untested)",
             "user_id": "user", "passive_users": "passive users"}  # fmt: skip
_BARS = ("effect", "activity", "share", "data_share", "list_share")
_TEXTS = (
    "name",
    "words",
    "state",
    "segment",
    "badge",
    "effect_property",
    "note",
    "property",
    "other_run",
    "title",
    "cohort",
    "user_id",
    "finding",
)
_WHOLE = ("factor", "dependent_on", "partner", "merged_into", "rank", "users")
_UNSEEN = ("automatic_name", "origin", "match", "split_null", "subspace_null", "stability_null", "hidden", "passive_users",
           "effect_low", "effect_high", "split", "subspace")  # fmt: skip


def heading_of(name: str) -> str:
    """Return how a column is called on the screen."""
    return _HEADINGS.get(name, name.replace("_", " "))


def evidence_columns(table: pl.DataFrame) -> dict[str, Any]:
    """Return the look and definition of every column of evidence; what few want of the index is in its export only."""
    is_index = "automatic_name" in table.columns
    return {
        name: None if is_index and name in _UNSEEN else _column(name, EVIDENCE.get(name), table)
        for name in table.columns
    }


def latent_columns(table: pl.DataFrame) -> dict[str, Any]:
    """Return the look and definition of every column of evidence about latents."""
    return {name: _column(name, LATENTS[name], table) for name in table.columns}


def _column(name: str, meaning: str | None, table: pl.DataFrame) -> Any:
    label = heading_of(name)
    if name == "warnings":
        return st.column_config.ListColumn(label, help=meaning)
    if name in _BARS:
        top = table.select(pl.col(name).max()).item() or 1.0
        return st.column_config.ProgressColumn(
            label, help=meaning, format="percent", min_value=0, max_value=top, color=ACCENT
        )
    if name in _TEXTS:
        return st.column_config.TextColumn(label, help=meaning)
    if name == "holds":
        return st.column_config.CheckboxColumn(label, help=meaning)
    pattern = "%d" if name in _WHOLE else "%.3f" if name in ("p_value", "kl", "effect_size") else "%.2f"
    return st.column_config.NumberColumn(label, help=meaning, format=pattern)


def cause_columns(table: pl.DataFrame, unit: str) -> dict[str, Any]:
    """Return the look and definition of every column of a ranking of causes; ``unit`` is that of times."""
    return {name: _cause_column(name, unit) for name in table.columns}


def _cause_column(name: str, unit: str) -> Any:
    label, meaning = heading_of(name), CAUSES[name]
    if name == "known":
        return st.column_config.CheckboxColumn(label, help=meaning)
    if name in ("path", "new_edges"):
        return st.column_config.ListColumn(label, help=meaning, width="large")
    if name == "entity":  # the metric's name has it
        return None
    if name == "metric":
        return st.column_config.TextColumn(label, help=meaning, width="large")
    if name == "since":
        return st.column_config.NumberColumn(f"{label} ({unit})", help=meaning, format="%+.3g")
    return st.column_config.NumberColumn(label, help=meaning, format="%d" if name == "rank" else "%.3g")
