"""Items: what is known of them, who takes them, whose lists they are in, and what is like them."""

from __future__ import annotations

from typing import Any

import polars as pl

from distaff_dashboards.reads.factors import TITLES, shares_of
from distaff_dashboards.reads.people import model
from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached

_OFFERED = 200
_SHOWN = 200  # rows of a table of people
_SIMILAR = 12


@cached(max_entries=16, show_spinner=False)
def offered(source: Source, dataset: str) -> pl.DataFrame:
    """Return the items that most people take, to choose from: ``item_id, title``."""
    return source.frame(
        f"SELECT i.item_id, coalesce(t.title, i.item_id) AS title FROM items i LEFT JOIN {TITLES} t ON t.id = i.item_id "
        "WHERE i.dataset = ? ORDER BY i.n_train DESC, i.item_id LIMIT ?",
        [dataset, dataset, _OFFERED],
    )


@cached(max_entries=256, show_spinner=False)
def item_facts(source: Source, dataset: str, item: str) -> dict[str, Any] | None:
    """Return an item's ``title`` and ``n_train``; None where the dataset does not have it."""
    found = source.frame(
        f"SELECT coalesce(t.title, i.item_id) AS title, i.n_train FROM items i LEFT JOIN {TITLES} t ON t.id = i.item_id "
        "WHERE i.dataset = ? AND i.item_id = ?",
        [dataset, dataset, item],
    )
    return None if found.is_empty() else found.row(0, named=True)


@cached(max_entries=256, show_spinner=False)
def attributes(source: Source, dataset: str, item: str) -> pl.DataFrame:
    """Return what is known of an item: ``name, value``."""
    return source.frame(
        "SELECT name, value FROM attributes WHERE dataset = ? AND entity = 'item' AND id = ? AND name <> 'title' "
        "ORDER BY name, value",
        [dataset, item],
    )


@cached(max_entries=256, show_spinner=False)
def item_shares(source: Source, run: str, item: str) -> pl.DataFrame:
    """Return an item's share of each factor of a run, largest first: ``factor, share``; empty where it has none."""
    return shares_of(source, run, "item", item)


@cached(max_entries=256, show_spinner=False)
def takers(source: Source, dataset: str, item: str) -> pl.DataFrame:
    """Return who took an item in training, who takes fewest things first, as it says most of them: ``user_id, items``."""
    return source.frame(
        "SELECT x.user_id, u.n_train AS items FROM interactions x "
        "JOIN users u ON u.dataset = x.dataset AND u.user_id = x.user_id "
        "WHERE x.dataset = ? AND x.item_id = ? AND x.split = 'train' ORDER BY u.n_train, x.user_id LIMIT ?",
        [dataset, item, _SHOWN],
    )


@cached(max_entries=256, show_spinner=False)
def listed(source: Source, run: str, item: str) -> pl.DataFrame:
    """Return whose published lists have an item, where it stands highest first: ``user_id, rank``."""
    return source.frame(
        "SELECT user_id, rank FROM recommendations WHERE run = ? AND item_id = ? ORDER BY rank, user_id LIMIT ?",
        [run, item, _SHOWN],
    )


@cached(max_entries=256, show_spinner="Looking for similar items ...")
def similar(source: Source, run: str, dataset: str, item: str) -> pl.DataFrame:
    """Return the items most like one, by the run's own model: ``item_id, title, score``.

    Raises:
        InputError: There is no saved model, or it does not know the item.
    """
    found = model(source, run).similar_items([item], _SIMILAR)
    near = found.select(pl.col("similar_item_id").cast(pl.String).alias("item_id"), pl.col("score").cast(pl.Float64))
    titles = source.frame(f"SELECT id AS item_id, title FROM {TITLES} t WHERE list_contains(?, id)",
                          [dataset, near["item_id"].to_list()])  # fmt: skip
    titled = near.join(titles, on="item_id", how="left", maintain_order="left")
    return titled.select("item_id", pl.col("title").fill_null(pl.col("item_id")), "score")
