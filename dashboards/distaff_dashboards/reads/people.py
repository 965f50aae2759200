"""People: their mixes of factors, what they took, why they are recommended what they are, and what else they could be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from distaff_dashboards.reads.factors import TITLES, shares_of
from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached

if TYPE_CHECKING:
    from distaff.recommenders.base import Recommender
    from distaff.recommenders.explain import Explained

_USERS_OFFERED = 200
_ENOUGH = 20  # training interactions of a user whose mix says something


@cached(max_entries=64, show_spinner=False)
def users_of_factor(source: Source, run: str, dataset: str, factor: int) -> list[str]:
    """Return users to offer: those in whom the factor is strongest, with enough training interactions to tell first."""
    users = source.frame(
        "SELECT l.id FROM loadings l LEFT JOIN (SELECT user_id, n_train FROM users WHERE dataset = ?) u "
        "ON u.user_id = l.id WHERE l.run = ? AND l.entity = 'user' "
        "ORDER BY coalesce(u.n_train, 0) >= ? DESC, l.shares[?] DESC NULLS LAST, l.id LIMIT ?",
        [dataset, run, _ENOUGH, factor + 1, _USERS_OFFERED],
    )
    return users["id"].to_list()


@cached(max_entries=256, show_spinner=False)
def user_mix(source: Source, run: str, user: str) -> pl.DataFrame:
    """Return a user's share of each factor, largest first: ``factor, share``; empty for a user the run does not know."""
    return shares_of(source, run, "user", user)


@cached(max_entries=256, show_spinner=False)
def history(source: Source, dataset: str, user: str) -> pl.DataFrame:
    """Return what a user took in training, newest first: ``item_id, title``."""
    return source.frame(
        "SELECT x.item_id, coalesce(t.title, x.item_id) AS title FROM interactions x "
        f"LEFT JOIN {TITLES} t ON t.id = x.item_id WHERE x.dataset = ? AND x.user_id = ? AND x.split = 'train' "
        "ORDER BY x.time DESC NULLS LAST, title LIMIT 200",
        [dataset, dataset, user],
    )


@st.cache_resource(max_entries=2, show_spinner="Loading the model ...")
def model(source: Source, run: str) -> Recommender:
    """Return a run's saved model; shared between sessions, and only read.

    Raises:
        InputError: There is no saved model.
    """
    from distaff.recommenders.base import Recommender
    from distaff.runs.records import model_folder

    return Recommender.load(model_folder(source.workspace, run))


@cached(max_entries=4, show_spinner=False)
def words(source: Source, run: str) -> list[str]:
    """Return every word that a run's model knows; none where it knows no words."""
    spoken = model(source, run).words
    return [] if spoken is None else [str(word) for word in spoken.vocabulary.to_pylist()]


@cached(max_entries=256, show_spinner="Splitting the scores ...")
def contributions(source: Source, run: str, dataset: str, user: str, top_k: int) -> pl.DataFrame:
    """Return a user's list with what each factor adds to each score, by rank and factor.

    Returns:
        ``rank, item_id, title, score, factor, part``.

    Raises:
        InputError: There is no saved model, or it does not know the user.
        UnsupportedError: The model's scores cannot be split by factors.
    """
    from distaff.recommenders.explain import contributions

    table = contributions(model(source, run), user, k=top_k)
    title = pl.col("item_id").replace(_titles(source, dataset, table["item_id"].unique().to_list()))
    return table.select("rank", "item_id", title.alias("title"), "score", "factor", "part")


@cached(max_entries=256, show_spinner="Looking for reasons ...")
def explanation(source: Source, run: str, user: str, top_k: int) -> Explained:
    """Return a user's list, and why each item is on it: by factors, words and items they took.

    Raises:
        InputError: There is no saved model, or it does not know the user.
        UnsupportedError: The model's scores cannot be split by factors.
    """
    from distaff.recommenders.explain import explain_with

    return explain_with(source.workspace, model(source, run), run, user, top_k=top_k)


@cached(max_entries=256, show_spinner="Re-ranking ...")
def steered(
    source: Source,
    run: str,
    dataset: str,
    user: str,
    factors: Mapping[int, float],
    words: Mapping[str, float],
    top_k: int,
) -> pl.DataFrame:
    """Return a user's list beside the list under other weights: ``rank, before, after, change``, items by their titles.

    Args:
        source: The state of the run and its dataset.
        run: The run.
        dataset: Its dataset.
        user: The user's id.
        factors: What multiplies the part of a factor in every score; the others keep 1.
        words: What is added to a word's weight, in units of the user's strongest word.
        top_k: Length of the lists.

    Raises:
        InputError: There is no saved model, or it does not know the user.
        UnsupportedError: The model's scores cannot be split by factors.
    """
    from distaff.recommenders.steer import steer

    lists = steer(model(source, run), user, factors=factors, words=words, k=top_k)
    items = {*lists.before["item_id"], *lists.after["item_id"]}
    return lists.side_by_side(_titles(source, dataset, sorted(items)))


def _titles(source: Source, dataset: str, items: list[str]) -> dict[str, str]:
    return dict(
        source.frame(f"SELECT id, title FROM {TITLES} t WHERE list_contains(?, id)", [dataset, items]).iter_rows()
    )
