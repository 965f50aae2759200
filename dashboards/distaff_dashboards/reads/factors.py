"""Factors of recommenders with their evidence, as runs published them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached

FACTOR_TABLES: Mapping[str, tuple[str, str]] = {
    "factor_effects": (
        "property, effect, low, high, consistency, specificity, p_value, holds",
        "specificity IS NULL, abs(effect) DESC, property",
    ),
    "factor_ladders": ("property, rung, label, level, out_of_range, value, low, high", "property, rung"),
    "factor_stability": ("other_run, partner, match, split, subspace", "match DESC, other_run"),
    "factor_dependences": ("other, dependence, correlation", "dependence DESC, other"),
    "factor_histograms": ("entity, bin, low, high, count", "entity, bin"),
}
"""Tables with rows of one factor: the columns that pages read, and their order."""

AUDIT_TABLES: Mapping[str, tuple[str, str]] = {
    "blind_spots": ("cohort, factor, data_share, list_share, ratio, low, high, finding", "cohort, ratio"),
    "blind_spot_cohorts": ("cohort, users, kl, split, lens", "cohort <> 'everyone', kl DESC"),
    "blind_spot_examples": ("factor, user_id, data_share, list_share", "factor, abs(list_share - data_share) DESC"),
    "calibrations": ("weight, factor, list_share", "weight, factor"),
    "calibration_costs": ("weight, kl, recall, churn, users, split", "weight"),
}
"""Tables of the audit of a run's lists, likewise."""

TITLES = (
    "(SELECT id, any_value(value) AS title FROM attributes "
    "WHERE dataset = ? AND entity = 'item' AND name = 'title' GROUP BY id)"
)
"""Subquery for the titles of a dataset's items; takes the dataset as its parameter."""


@cached(max_entries=32, show_spinner=False)
def factors_of(source: Source, run: str) -> pl.DataFrame:
    """Return a run's factors with all evidence and what analysts say, the one with the largest effect first."""
    return source.frame(
        "SELECT f.factor, coalesce(n.name, f.name) AS name, f.effect, f.activity, f.state, f.badge, f.stability, "
        "f.effect_property, f.effect_size, f.effect_low, f.effect_high, f.specificity, f.purity, f.popularity, "
        "f.user_activity, f.dependence, f.dependent_on, f.passive_users, f.split, f.subspace, f.stability_null, "
        "f.split_null, f.subspace_null, f.warnings, n.note, n.merged_into, coalesce(n.hidden, false) AS hidden, "
        "f.name AS automatic_name, f.words, n.origin, n.match FROM factors f "
        "LEFT JOIN factor_notes n ON n.run = f.run AND n.factor = f.factor WHERE f.run = ? "
        "ORDER BY f.effect DESC NULLS LAST, f.activity DESC NULLS LAST, f.factor",
        [run],
    )


@cached(max_entries=32, show_spinner=False)
def summary(source: Source, run: str) -> dict[str, Any]:
    """Return what holds for all factors of a run: its row of ``factor_summaries``; or nothing."""
    table = source.frame(
        "SELECT effective_per_user, effective_overall, seeds_compared, attribution_concentration, attribution_shuffled, "
        "attribution_low, attribution_high, attribution_p_value FROM factor_summaries WHERE run = ?",
        [run],
    )
    return {} if table.is_empty() else table.row(0, named=True)


@cached(max_entries=256, show_spinner=False)
def factor_table(source: Source, table: str, run: str, factor: int) -> pl.DataFrame:
    """Return a factor's rows of one of the :data:`FACTOR_TABLES`."""
    columns, order = FACTOR_TABLES[table]
    return source.frame(f"SELECT {columns} FROM {table} WHERE run = ? AND factor = ? ORDER BY {order}", [run, factor])


@cached(max_entries=32, show_spinner=False)
def audited_by(source: Source, run: str) -> str:
    """Return the run by whose factors a run's lists were audited."""
    return str(source.frame("SELECT any_value(lens) AS lens FROM blind_spot_cohorts WHERE run = ?", [run]).item())


@cached(max_entries=32, show_spinner=False)
def audit_table(source: Source, table: str, run: str) -> pl.DataFrame:
    """Return a run's rows of one of the :data:`AUDIT_TABLES`."""
    columns, order = AUDIT_TABLES[table]
    return source.frame(f"SELECT {columns} FROM {table} WHERE run = ? ORDER BY {order}", [run])


@cached(max_entries=64, show_spinner=False)
def examples(source: Source, run: str, dataset: str, factor: int, entity: str) -> pl.DataFrame:
    """Return users or items of every band: ``band, rank, id, title, share, band_low, band_high``."""
    return source.frame(
        "SELECT e.band, e.rank, e.id, coalesce(t.title, e.id) AS title, e.share, e.band_low, e.band_high "
        f"FROM factor_examples e LEFT JOIN {TITLES} t ON t.id = e.id AND e.entity = 'item' "
        "WHERE e.run = ? AND e.factor = ? AND e.entity = ? ORDER BY e.band, e.rank",
        [dataset, run, factor, entity],
    )


@cached(max_entries=64, show_spinner=False)
def members(source: Source, run: str, dataset: str, factor: int) -> pl.DataFrame:
    """Return the items of a factor by rank: ``item_id, title, probability, lift``."""
    return source.frame(
        "SELECT m.item_id, coalesce(t.title, m.item_id) AS title, m.probability, m.lift FROM factor_members m "
        f"LEFT JOIN {TITLES} t ON t.id = m.item_id WHERE m.run = ? AND m.factor = ? ORDER BY m.rank",
        [dataset, run, factor],
    )


@cached(max_entries=64, show_spinner=False)
def factor_words(source: Source, run: str, factor: int) -> pl.DataFrame:
    """Return the words of a factor by rank: ``word, probability, lift``."""
    return source.frame(
        "SELECT word, probability, lift FROM factor_words WHERE run = ? AND factor = ? ORDER BY rank", [run, factor]
    )


@cached(max_entries=16, show_spinner=False)
def attribute_lifts(source: Source, run: str) -> pl.DataFrame:
    """Return attribute values that factors have more of than chance: ``factor, name, value, share, lift, q_value``."""
    return source.frame(
        "SELECT factor, name, value, share, lift, q_value FROM factor_attributes WHERE run = ? "
        "ORDER BY factor, lift DESC, name, value",
        [run],
    )


@cached(max_entries=16, show_spinner=False)
def has_item_attributes(source: Source, dataset: str) -> bool:
    """Tell whether anything but titles is known about a dataset's items."""
    sql = "SELECT 1 FROM attributes WHERE dataset = ? AND entity = 'item' AND name <> 'title' LIMIT 1"
    return not source.frame(sql, [dataset]).is_empty()


def shares_of(source: Source, run: str, entity: str, name: str) -> pl.DataFrame:
    """Return the share of each factor in a user or an item, largest first: ``factor, share``; empty where it has none."""
    shares = source.frame("SELECT shares FROM loadings WHERE run = ? AND entity = ? AND id = ?", [run, entity, name])
    return (
        shares.select(share=pl.col("shares").explode())
        .with_row_index("factor")
        .select(pl.col("factor").cast(pl.Int64), "share")
        .sort("share", descending=True, maintain_order=True)
    )
