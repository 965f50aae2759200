"""Two runs on one dataset beside each other: figures, settings, lists and factors."""

from __future__ import annotations

import json

import polars as pl

from distaff_dashboards.reads.factors import TITLES
from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached
from distaff_dashboards.ui import wording
from distaff_dashboards.ui.board_tables import ordered

_FIGURES = """
SELECT metric, any_value(value) FILTER (WHERE run = $1) AS this, any_value(value) FILTER (WHERE run = $2) AS other
FROM metrics WHERE split = 'valid' AND run IN ($1, $2) GROUP BY metric
"""
_SHARED = """
WITH lists AS (SELECT run, user_id, item_id FROM recommendations WHERE run IN ($1, $2) AND rank <= $3)
SELECT user_id, count(*) FILTER (WHERE n = 2) AS shared, max(listed) AS listed FROM (
    SELECT user_id, item_id, count(*) AS n FROM lists GROUP BY user_id, item_id
) JOIN (SELECT user_id, count(*) FILTER (WHERE run = $1) AS listed, count(DISTINCT run) AS runs FROM lists GROUP BY user_id)
USING (user_id) WHERE runs = 2 GROUP BY user_id ORDER BY shared, user_id
"""
_BESIDE = f"""
SELECT rank, any_value(coalesce(t.title, r.item_id)) FILTER (WHERE run = ?) AS this,
    any_value(coalesce(t.title, r.item_id)) FILTER (WHERE run = ?) AS other
FROM recommendations r LEFT JOIN {TITLES} t ON t.id = r.item_id
WHERE r.run IN (?, ?) AND r.user_id = ? AND rank <= ? GROUP BY rank ORDER BY rank
"""


@cached(max_entries=64, show_spinner=False)
def figures(source: Source, run: str, other: str) -> pl.DataFrame:
    """Return what both scored on validation, in the order of the board: ``metric, this, other, difference``."""
    table = ordered(source.frame(_FIGURES, [run, other]))
    return table.with_columns(difference=pl.col("this") - pl.col("other"))


@cached(max_entries=64, show_spinner=False)
def settings(source: Source, run: str, other: str) -> pl.DataFrame:
    """Return the settings, seed and model that are not the same: ``setting, this, other``, values as people type them."""
    sql = "SELECT model, seed, fitted_on, dataset_generation, config FROM runs WHERE run = ?"
    this, that = (_flat(source.frame(sql, [name]).row(0, named=True)) for name in (run, other))
    names = [name for name in {**this, **that} if this.get(name) != that.get(name)]
    rows = [(name, this.get(name), that.get(name)) for name in names]
    return pl.DataFrame(rows, {"setting": pl.String, "this": pl.String, "other": pl.String}, orient="row")


@cached(max_entries=16, show_spinner=False)
def shared(source: Source, run: str, other: str, top_k: int) -> pl.DataFrame:
    """Return how many items the lists of each person share, those whose lists differ most first.

    Returns:
        ``user_id, shared, listed``; empty where one of the runs has published no lists.
    """
    return source.frame(_SHARED, [run, other, top_k])


@cached(max_entries=64, show_spinner=False)
def beside(source: Source, run: str, other: str, dataset: str, user: str, top_k: int) -> pl.DataFrame:
    """Return both lists of a person: ``rank, this, other``, items by their titles."""
    return source.frame(_BESIDE, [run, other, dataset, run, other, user, top_k])


@cached(max_entries=16, show_spinner="Matching factors ...")
def matched(source: Source, run: str, other: str) -> pl.DataFrame:
    """Return the partner of each factor, by the correlation of item shares, the best match first.

    Returns:
        ``factor, partner, match``; a factor without a partner has none. Empty where one of the runs has no factors.
    """
    import torch

    from distaff.factors.stability import partners

    schema = {"factor": pl.Int64, "partner": pl.Int64, "match": pl.Float64}
    sql = "SELECT id, shares FROM loadings WHERE run = ? AND entity = 'item'"
    both = source.frame(sql, [run]).join(source.frame(sql, [other]), on="id", suffix="_other").sort("id")
    if both.is_empty():
        return pl.DataFrame(schema=schema)
    ours, theirs = (torch.tensor(both[name].to_list()) for name in ("shares", "shares_other"))
    partner, match = partners(ours, theirs)
    table = pl.DataFrame({"factor": range(len(partner)), "partner": partner, "match": match}, schema=schema)
    return table.with_columns(partner=pl.col("partner").replace(-1, None)).sort("match", descending=True)


def _flat(row: dict[str, object]) -> dict[str, str]:
    config = json.loads(str(row.pop("config")))
    return {name: wording.plain(value) for name, value in {**row, **config}.items()}
