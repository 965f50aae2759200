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
    from distaff.board import Board
    from distaff.recommender import Recommender
    from distaff_dashboards.evidence import Floats

_USERS_OFFERED = 200
_ENOUGH = 20  # training interactions of a user whose mix says something
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
    """What was published for some runs and datasets: its state changes only with them."""
    workspace = Workspace.open(default_root())
    sql = (
        "SELECT target, generation FROM publications "
        "WHERE list_contains(?, regexp_extract(target, '^[^/]*/(.*)$', 1)) ORDER BY target"
    )
    return Source(str(workspace.root), json.dumps(workspace.warehouse.rows(sql, [list(names)])))


@st.cache_data(max_entries=4, show_spinner=False)
def datasets(source: Source) -> list[dict[str, Any]]:
    """Datasets of interactions, newest first: ``dataset, facts, runs`` (finished ones)."""
    found = source.workspace.warehouse.rows(
        "SELECT d.dataset, d.facts, count(r.run) AS runs FROM datasets d "
        "LEFT JOIN runs r ON r.dataset = d.dataset AND r.status = 'done' WHERE d.kind = 'interactions' "
        "GROUP BY d.dataset, d.facts, d.created_at ORDER BY count(r.run) = 0, d.created_at DESC, d.dataset"
    )
    return [row | {"facts": json.loads(row["facts"] or "{}")} for row in found]


@st.cache_data(max_entries=16, show_spinner="Comparing runs ...")
def board(source: Source, dataset: str) -> Board:
    """The board of a dataset."""
    from distaff.board import board as make

    return make(source.workspace, dataset)


@st.cache_data(max_entries=4, show_spinner=False)
def runs_with_factors(source: Source) -> list[dict[str, Any]]:
    """Runs with published factors, models before controls, newest first: ``run, model, control, dataset, seed``."""
    return source.workspace.warehouse.rows(
        "SELECT run, model, control, dataset, seed FROM runs WHERE run IN (SELECT run FROM factors) "
        "ORDER BY control, started_at DESC, run"
    )


@st.cache_data(max_entries=4, show_spinner=False)
def any_run(source: Source) -> str | None:
    """Some finished run, newest first; None when there is none."""
    found = source.workspace.warehouse.rows(
        "SELECT run FROM runs WHERE status = 'done' AND study IS NULL ORDER BY started_at DESC LIMIT 1"
    )
    return str(found[0]["run"]) if found else None


@st.cache_data(max_entries=32, show_spinner=False)
def factors(source: Source, run: str) -> pa.Table:
    """The factors of a run, the one with the largest effect first."""
    return source.workspace.warehouse.query(
        "SELECT factor, name, activity, effect, stability, purity, popularity, user_activity, warnings FROM factors "
        "WHERE run = ? ORDER BY effect DESC NULLS LAST, activity DESC NULLS LAST, factor",
        [run],
    )


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
    from distaff.recommender import Recommender
    from distaff.runs import model_folder

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
    items = items or found.score([user], top_k=top_k)["item_id"].to_pylist()
    row = found.data.user_positions([user])
    columns = found.data.item_positions(items)
    with torch.inference_mode():
        scores = found.predict(row)[0, columns].double().numpy()
        parts = [found.intent_scores(row, k)[0, columns].double().numpy() for k in range(n_factors)]
    named = _titles(source, dataset, items)
    return Explanation(items, [named.get(i, i) for i in items], scores, np.stack(parts, axis=1))


def _titles(source: Source, dataset: str, items: list[str]) -> Mapping[str, str]:
    sql = f"SELECT id, title FROM {_TITLES} t WHERE list_contains(?, id)"
    return {row["id"]: row["title"] for row in source.workspace.warehouse.rows(sql, [dataset, items])}
