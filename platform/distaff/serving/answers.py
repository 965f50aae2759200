"""Answers to what may be asked of a served run, as plain values."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from distaff.incidents.tables import case_dict, read_diagnoses
from distaff.recommenders.base import Recommender
from distaff.recommenders.explain import explain
from distaff.serving.served import Served
from distaff_data.errors import InputError, UnknownNameError, UnsupportedError
from distaff_data.workspace import Workspace

MOST = 1000  # items of a list
Id = Annotated[str, Field(min_length=1, max_length=1024)]


class History(BaseModel):
    """Items that somebody took, of whom the model knows nothing else."""

    model_config = ConfigDict(extra="forbid")
    history: Annotated[list[Id], Field(min_length=1, max_length=10_000)]
    k: Annotated[int, Field(ge=1, le=MOST)] = 10


def known(served: Served, user: str, k: int) -> dict[str, Any]:
    """Return a user's list from what is published.

    Raises:
        InputError: Nothing is, or this user has no list.
    """
    if served.lists is None:
        raise UnsupportedError(f"run {served.run!r} is of {served.kind}, which has no lists")
    found = served.lists.of(user, k)
    if found is None and served.lists.generation is None:
        raise InputError(f"no lists are published of run {served.run!r}; make them with: distaff score {served.run}")
    if found is None:
        raise UnknownNameError("user with a list", user, ())
    return {"run": served.run, "generation": served.lists.generation, "user": user, "items": _titled(served, found)}


def new(served: Served, asked: History) -> dict[str, Any]:
    """Return a list for a history; see :meth:`~distaff.recommenders.base.Recommender.recommend_new`."""
    rows = _model(served)._recommend_new({"new": asked.history}, asked.k).to_pylist()
    return {"run": served.run, "items": _titled(served, [_listed(row, "item_id") for row in rows])}


def similar(served: Served, item: str, k: int) -> dict[str, Any]:
    """Return the items most similar to one."""
    model = _model(served)
    rows = list(model.similar_items([item], k).iter_rows(named=True))
    return {
        "run": served.run,
        "item": item,
        "items": _titled(served, [_listed(row, "similar_item_id") for row in rows]),
    }


def why(served: Served, user: str, item: str | None, k: int) -> dict[str, Any]:
    """Return why a user is recommended what they are."""
    model = _model(served)
    explained = explain(model, user, item=item, top_k=k, titles=served.titles, run=served.run, names=served.factors)
    return explained.as_dict()


def forecasts(workspace: Workspace, served: Served, entity: str | None, channel: str | None) -> dict[str, Any]:
    """Return the published forecasts of a run: of all entities and channels, or of one."""
    rows = workspace.warehouse.rows(
        "SELECT entity, channel, step, time, value, low, high FROM forecasts WHERE run = ? "
        "AND entity = coalesce(?, entity) AND channel = coalesce(?, channel) ORDER BY entity, channel, step",
        [served.run, entity, channel],
    )
    if not rows:
        raise InputError(f"no such forecast of run {served.run!r}; make forecasts with: distaff forecast {served.run}")
    return {"run": served.run, "forecasts": finite(rows)}


def diagnosis(workspace: Workspace, served: Served, case: str | None) -> dict[str, Any]:
    """Return one published diagnosis of a run: that of a case, or of the incident that began last."""
    found = read_diagnoses(workspace.warehouse, served.run)
    if case is not None and case not in found:
        raise UnknownNameError("case", case, found)
    if not found:
        raise InputError(f"run {served.run!r} has published no diagnosis")
    last = max(found.values(), key=lambda each: -math.inf if each.trigger is None else each.trigger)
    return {"run": served.run, **finite(case_dict(last if case is None else found[case]))}


def finite(value: Any) -> Any:
    """Return a value with null for numbers that JSON cannot say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _model(served: Served) -> Recommender:
    if served.model is None:
        raise UnsupportedError(f"run {served.run!r} is of {served.kind}, which recommends nothing")
    return served.model


def _listed(row: dict[str, Any], column: str) -> dict[str, Any]:
    return {"rank": row["rank"], "item": row[column], "score": row["score"]}


def _titled(served: Served, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "title": served.titles[row["item"]]} if row["item"] in served.titles else row for row in items]
