"""Cached reads. Every cached function takes the state of what it reads, so that new data is seen at once.

The state is made of the live generations, which change whenever something is published. Frames are never part of a key:
Streamlit hashes large ones from a sample.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import streamlit as st

from distaff_data.workspace import Workspace, default_root

if TYPE_CHECKING:
    from distaff.board.board import Board
    from distaff.recommenders.base import Recommender
    from distaff.recommenders.explain import Explained
    from distaff_dashboards.ui.breakdown import Floats

_USERS_OFFERED = 200
_ENOUGH = 20  # training interactions of a user whose mix says something
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
AUDIT_TABLES: Mapping[str, tuple[str, str]] = {
    "blind_spots": ("cohort, factor, data_share, list_share, ratio, low, high, finding", "cohort, ratio"),
    "blind_spot_cohorts": ("cohort, users, kl, split, lens", "cohort <> 'everyone', kl DESC"),
    "blind_spot_examples": ("factor, user_id, data_share, list_share", "factor, abs(list_share - data_share) DESC"),
    "calibrations": ("weight, factor, list_share", "weight, factor"),
    "calibration_costs": ("weight, kl, recall, churn, users", "weight"),
}
_TITLES = (
    "(SELECT id, any_value(value) AS title FROM attributes "
    "WHERE dataset = ? AND entity = 'item' AND name = 'title' GROUP BY id)"
)


@dataclass(frozen=True)
class Source:
    """A workspace and the state of the part of it that is read: the key of every cached read."""

    root: str
    state: str

    @property
    def workspace(self) -> Workspace:
        """The workspace itself."""
        return Workspace.open(self.root)


@dataclass(frozen=True)
class Explanation:
    """A user's list and what each intent adds to its scores: ``parts`` is ``(n_items, K)``."""

    items: list[str]
    titles: list[str]
    scores: Floats
    parts: Floats


def everything() -> Source:
    """The whole workspace: its state changes with every publication and every run.

    Raises:
        InputError: There is no workspace.
    """
    workspace = Workspace.open(default_root())
    sql = "SELECT (SELECT max(written_at) FROM publications) AS published, (SELECT max(written_at) FROM runs) AS run"
    return Source(str(workspace.root), json.dumps(workspace.warehouse.rows(sql), default=str))


def part(*names: str) -> Source:
    """What was published for some runs and datasets: its state changes only with them and with notes on them."""
    workspace = Workspace.open(default_root())
    sql = (
        "SELECT target, generation FROM publications "
        "WHERE list_contains(?, regexp_extract(target, '^[^/]*/(.*)$', 1)) ORDER BY target"
    )
    noted = "SELECT max(written_at) AS noted FROM factor_notes WHERE list_contains(?, run)"
    state = [workspace.warehouse.rows(each, [list(names)]) for each in (sql, noted)]
    return Source(str(workspace.root), json.dumps(state, default=str))


@st.cache_data(max_entries=4, show_spinner=False)
def datasets(source: Source) -> list[dict[str, Any]]:
    """Datasets that have a board, newest first: ``dataset, kind, facts, runs`` (finished ones)."""
    found = source.workspace.warehouse.rows(
        "SELECT d.dataset, d.kind, d.facts, count(r.run) AS runs FROM datasets d "
        "LEFT JOIN runs r ON r.dataset = d.dataset AND r.status = 'done' "
        "GROUP BY d.dataset, d.kind, d.facts, d.created_at ORDER BY count(r.run) = 0, d.created_at DESC, d.dataset"
    )
    return [row | {"facts": json.loads(row["facts"] or "{}")} for row in found]


@st.cache_data(max_entries=16, show_spinner="Comparing runs ...")
def board(source: Source, dataset: str) -> Board:
    """The board of a dataset."""
    from distaff.board.board import board as make

    return make(source.workspace, dataset)


@st.cache_data(max_entries=4, show_spinner=False)
def runs_with_factors(source: Source) -> list[dict[str, Any]]:
    """Runs on interactions with factors, models before controls, newest first: ``run, model, control, dataset, seed``."""
    return source.workspace.warehouse.rows(
        "SELECT run, model, control, dataset, seed FROM runs WHERE run IN (SELECT run FROM factors) "
        "AND dataset IN (SELECT dataset FROM datasets WHERE kind = 'interactions') "
        "ORDER BY control, started_at DESC, run"
    )


@st.cache_data(max_entries=4, show_spinner=False)
def runs_with_words(source: Source) -> list[dict[str, Any]]:
    """Runs whose factors have words, newest first: ``run, dataset``."""
    return source.workspace.warehouse.rows(
        "SELECT run, dataset FROM runs WHERE run IN (SELECT run FROM factor_words) ORDER BY started_at DESC, run"
    )


@st.cache_data(max_entries=64, show_spinner=False)
def factor_words(source: Source, run: str, factor: int) -> pa.Table:
    """Words of a factor by rank: ``word, probability, lift``."""
    return source.workspace.warehouse.query(
        "SELECT word, probability, lift FROM factor_words WHERE run = ? AND factor = ? ORDER BY rank", [run, factor]
    )


@st.cache_data(max_entries=4, show_spinner=False)
def any_run(source: Source) -> str | None:
    """Some finished run on interactions, newest first; None when there is none."""
    found = source.workspace.warehouse.rows(
        "SELECT run FROM runs WHERE status = 'done' AND study IS NULL "
        "AND dataset IN (SELECT dataset FROM datasets WHERE kind = 'interactions') ORDER BY started_at DESC LIMIT 1"
    )
    return str(found[0]["run"]) if found else None


@st.cache_data(max_entries=32, show_spinner=False)
def factors(source: Source, run: str) -> pa.Table:
    """The factors of a run with all evidence and what analysts say, the one with the largest effect first."""
    return source.workspace.warehouse.query(
        "SELECT f.factor, coalesce(n.name, f.name) AS name, f.effect, f.activity, f.state, f.badge, f.stability, "
        "f.effect_property, f.effect_size, f.effect_low, f.effect_high, f.specificity, f.purity, f.popularity, "
        "f.user_activity, f.dependence, f.dependent_on, f.passive_users, f.split, f.subspace, f.stability_null, "
        "f.split_null, f.subspace_null, f.warnings, n.note, n.merged_into, coalesce(n.hidden, false) AS hidden, "
        "f.name AS automatic_name, n.origin, n.match FROM factors f "
        "LEFT JOIN factor_notes n ON n.run = f.run AND n.factor = f.factor WHERE f.run = ? "
        "ORDER BY f.effect DESC NULLS LAST, f.activity DESC NULLS LAST, f.factor",
        [run],
    )


@st.cache_data(max_entries=32, show_spinner=False)
def summary(source: Source, run: str) -> dict[str, Any]:
    """What holds for all factors of a run: ``effective_per_user, effective_overall, seeds_compared``; empty if unknown."""
    found = source.workspace.warehouse.rows(
        "SELECT effective_per_user, effective_overall, seeds_compared FROM factor_summaries WHERE run = ?", [run]
    )
    return found[0] if found else {}


@st.cache_data(max_entries=256, show_spinner=False)
def of_factor(source: Source, table: str, run: str, factor: int) -> pa.Table:
    """A factor's rows of one of the tables in ``FACTOR_TABLES``."""
    columns, order = FACTOR_TABLES[table]
    sql = f"SELECT {columns} FROM {table} WHERE run = ? AND factor = ? ORDER BY {order}"
    return source.workspace.warehouse.query(sql, [run, factor])


@st.cache_data(max_entries=64, show_spinner=False)
def examples(source: Source, run: str, dataset: str, factor: int, entity: str) -> pa.Table:
    """Users or items of every band: ``band, rank, id, title, share, band_low, band_high``."""
    return source.workspace.warehouse.query(
        "SELECT e.band, e.rank, e.id, coalesce(t.title, e.id) AS title, e.share, e.band_low, e.band_high "
        f"FROM factor_examples e LEFT JOIN {_TITLES} t ON t.id = e.id AND e.entity = 'item' "
        "WHERE e.run = ? AND e.factor = ? AND e.entity = ? ORDER BY e.band, e.rank",
        [dataset, run, factor, entity],
    )


@st.cache_data(max_entries=16, show_spinner=False)
def lifts(source: Source, run: str) -> pa.Table:
    """Attribute values that any factor has more of than chance: ``factor, name, value, share, lift, q_value``."""
    return source.workspace.warehouse.query(
        "SELECT factor, name, value, share, lift, q_value FROM factor_attributes WHERE run = ? "
        "ORDER BY factor, lift DESC, name, value",
        [run],
    )


@st.cache_data(max_entries=8, show_spinner=False)
def runs_with_audit(source: Source) -> list[dict[str, Any]]:
    """Runs with published blind spots, models first, newest first: ``run, model, control, dataset, lens, split``."""
    return source.workspace.warehouse.rows(
        "SELECT r.run, r.model, r.control, r.dataset, any_value(c.lens) AS lens, any_value(c.split) AS split "
        "FROM runs r JOIN blind_spot_cohorts c ON c.run = r.run GROUP BY r.run, r.model, r.control, r.dataset, r.started_at "
        "ORDER BY r.control, r.started_at DESC, r.run"
    )


@st.cache_data(max_entries=32, show_spinner=False)
def audit_table(source: Source, table: str, run: str) -> pa.Table:
    """A run's rows of one of the tables in ``AUDIT_TABLES``."""
    columns, order = AUDIT_TABLES[table]
    return source.workspace.warehouse.query(f"SELECT {columns} FROM {table} WHERE run = ? ORDER BY {order}", [run])


@st.cache_data(max_entries=128, show_spinner="Re-ranking ...")
def reranked(source: Source, run: str, dataset: str, user: str, weights: Mapping[int, float], top_k: int) -> pa.Table:
    """A user's list beside the list under other weights: ``rank, before, after, change``, items by title.

    Raises:
        InputError: There is no saved model, or it does not know the user.
        UnsupportedError: The model's scores cannot be split.
    """
    from distaff.recommenders.steer import steer

    found = steer(model(source, run), user, factors=weights, k=top_k, exclude=("train", "valid"))
    items = [*found.before["item_id"], *found.after["item_id"]]
    return found.side_by_side(_titles(source, dataset, items)).to_arrow()


def annotate(run: str, factor: int, **said: Any) -> None:
    """Write down what an analyst says about a factor: the only thing that the dashboard writes.

    Raises:
        InputError: The platform refuses it.
    """
    from distaff.factors.intents.notes import annotate as write

    write(Workspace.open(default_root()), run, factor, **said)


@st.cache_data(max_entries=64, show_spinner=False)
def members(source: Source, run: str, dataset: str, factor: int) -> pa.Table:
    """Items of a factor by rank: ``item_id, title, probability, lift``."""
    return source.workspace.warehouse.query(
        "SELECT m.item_id, coalesce(t.title, m.item_id) AS title, m.probability, m.lift FROM factor_members m "
        f"LEFT JOIN {_TITLES} t ON t.id = m.item_id WHERE m.run = ? AND m.factor = ? ORDER BY m.rank",
        [dataset, run, factor],
    )


@st.cache_data(max_entries=64, show_spinner=False)
def factor_attributes(source: Source, run: str, factor: int) -> pa.Table:
    """Attribute values of a factor, highest lift first: ``name, value, share, lift, q_value``."""
    return source.workspace.warehouse.query(
        "SELECT name, value, share, lift, q_value FROM factor_attributes WHERE run = ? AND factor = ? "
        "ORDER BY lift DESC, name, value",
        [run, factor],
    )


@st.cache_data(max_entries=16, show_spinner=False)
def has_item_attributes(source: Source, dataset: str) -> bool:
    """Whether anything but titles is known about a dataset's items."""
    sql = "SELECT 1 FROM attributes WHERE dataset = ? AND entity = 'item' AND name <> 'title' LIMIT 1"
    return bool(source.workspace.warehouse.rows(sql, [dataset]))


@st.cache_data(max_entries=64, show_spinner=False)
def users_of_factor(source: Source, run: str, dataset: str, factor: int) -> list[str]:
    """Users to offer: those in whom the factor is strongest, with enough training interactions to tell first."""
    found = source.workspace.warehouse.rows(
        "SELECT l.id FROM loadings l LEFT JOIN (SELECT user_id, n_train FROM users WHERE dataset = ?) u "
        "ON u.user_id = l.id WHERE l.run = ? AND l.entity = 'user' "
        "ORDER BY coalesce(u.n_train, 0) >= ? DESC, l.shares[?] DESC NULLS LAST, l.id LIMIT ?",
        [dataset, run, _ENOUGH, factor + 1, _USERS_OFFERED],
    )
    return [str(row["id"]) for row in found]


@st.cache_data(max_entries=256, show_spinner=False)
def user_mix(source: Source, run: str, user: str) -> list[float] | None:
    """A user's share of each factor; None for a user that the run does not know."""
    found = source.workspace.warehouse.rows(
        "SELECT shares FROM loadings WHERE run = ? AND entity = 'user' AND id = ?", [run, user]
    )
    return list(found[0]["shares"]) if found else None


@st.cache_data(max_entries=256, show_spinner=False)
def history(source: Source, dataset: str, user: str) -> pa.Table:
    """What a user took in training: ``item_id, title``."""
    return source.workspace.warehouse.query(
        "SELECT x.item_id, coalesce(t.title, x.item_id) AS title FROM interactions x "
        f"LEFT JOIN {_TITLES} t ON t.id = x.item_id WHERE x.dataset = ? AND x.user_id = ? AND x.split = 'train' "
        "ORDER BY x.time DESC NULLS LAST, title LIMIT 200",
        [dataset, dataset, user],
    )


@st.cache_resource(max_entries=2, show_spinner="Loading the model ...")
def model(source: Source, run: str) -> Recommender:
    """A run's saved model; shared between sessions, and only read."""
    from distaff.recommenders.base import Recommender
    from distaff.runs.runs import model_folder

    return Recommender.load(model_folder(source.workspace, run))


@st.cache_data(max_entries=256, show_spinner="Splitting the scores ...")
def explain(source: Source, run: str, dataset: str, user: str, n_factors: int, top_k: int) -> Explanation:
    """A user's published list, or else the list the model gives now, with what each intent adds to each score.

    Raises:
        InputError: There is no saved model, or it does not know the user.
        UnsupportedError: The model's scores cannot be split.
    """
    import torch

    warehouse = source.workspace.warehouse
    found = model(source, run)
    published = warehouse.rows(
        "SELECT item_id FROM recommendations WHERE run = ? AND user_id = ? ORDER BY rank LIMIT ?", [run, user, top_k]
    )
    items = [str(row["item_id"]) for row in published]
    items = items or found.recommend([user], top_k)["item_id"].to_list()
    row = found.data.user_positions([user])
    columns = found.data.item_positions(items)
    with torch.inference_mode():
        scores = found.predict(row)[0, columns].double().numpy()
        parts = [found.intent_scores(row, k)[0, columns].double().numpy() for k in range(n_factors)]
    named = _titles(source, dataset, items)
    return Explanation(items, [named.get(i, i) for i in items], scores, np.stack(parts, axis=1))


@st.cache_data(max_entries=4, show_spinner=False)
def words(source: Source, run: str) -> list[str]:
    """Every word that a run's model knows."""
    from distaff.recommenders.steer import worded

    return [str(word) for word in worded(model(source, run)).words.to_pylist()]


@st.cache_data(max_entries=256, show_spinner="Looking for reasons ...")
def reasons(source: Source, run: str, dataset: str, user: str, top_k: int) -> Explained:
    """Why a user is recommended what they are.

    Raises:
        InputError: There is no saved model, or it does not know the user.
    """
    from distaff.recommenders.explain import explain_with

    return explain_with(source.workspace, model(source, run), run, user, top_k=top_k)


@st.cache_data(max_entries=256, show_spinner=False)
def steered(
    source: Source, run: str, dataset: str, user: str, factors: dict[int, float], words: dict[str, float], top_k: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A user's list as it is and steered; a step of a factor is a weight of 16."""
    from distaff.recommenders.steer import steer

    weights = {factor: 16.0**steps for factor, steps in factors.items()}
    found = steer(model(source, run), user, factors=weights, words=words, k=top_k)
    lists = found.lists(run, _titles(source, dataset, [*found.before["item_id"], *found.after["item_id"]]))
    return lists["before"], lists["after"]


def _titles(source: Source, dataset: str, items: list[str]) -> Mapping[str, str]:
    sql = f"SELECT id, title FROM {_TITLES} t WHERE list_contains(?, id)"
    return {row["id"]: row["title"] for row in source.workspace.warehouse.rows(sql, [dataset, items])}


@st.cache_data(max_entries=4, show_spinner=False)
def newest_dataset(source: Source, kind: str) -> str | None:
    """The newest dataset of a kind; None when there is none."""
    found = source.workspace.warehouse.rows(
        "SELECT dataset FROM datasets WHERE kind = ? ORDER BY created_at DESC LIMIT 1", [kind]
    )
    return str(found[0]["dataset"]) if found else None
