"""Samples: built-in datasets whose truth is known, loaded into a workspace."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from distaff_data.arrays import Floats
from distaff_data.errors import UnknownNameError
from distaff_data.ingest.publish import check_new, number_entities, publish_interactions
from distaff_data.ingest.refine import refine
from distaff_data.ingest.staging import EVENTS
from distaff_data.planted.incidents import planted_incidents
from distaff_data.planted.interactions import EVENT_SCHEMA, SPLIT, Planted, planted_interactions
from distaff_data.planted.series import planted_series
from distaff_data.splits.interactions import parse_split
from distaff_data.tables.incidents import publish_incidents
from distaff_data.tables.reports import IncidentsReport, IngestReport, SeriesReport
from distaff_data.tables.series import publish_series
from distaff_data.warehouse import Publication, Scratch
from distaff_data.workspace import Workspace

_CATEGORIES = (
    *("space opera", "slow cooking", "noir crime", "alpine hiking", "modular synths", "garden design"),
    *("chess", "vintage cameras", "board games", "trail running", "linocut", "sourdough"),
)


def sample_series(workspace: Workspace, name: str, replace: bool, parameters: dict[str, Any]) -> SeriesReport:
    """Generate, divide and store series as a dataset, the truth beside it.

    ``parameters`` are those of :func:`planted_series`.
    """
    planted = planted_series(**parameters)
    data = planted.series(name)
    truth = pl.DataFrame({"entity": pl.Series(data.entity_ids), **planted.factors}).unpivot(
        index="entity", variable_name="factor", value_name="value"
    )
    with workspace.warehouse.lock(f"dataset/{name}"):
        check_new(workspace.warehouse, name, replace=replace)
        return publish_series(
            workspace.warehouse,
            data,
            source="planted-series",
            format="planted",
            split=SPLIT,
            settings={"knobs": planted.parameters},
            beside=lambda publication: publication.append("truth_factors", truth, dataset=name),
        )


def sample(
    workspace: Workspace, kind: str, *, name: str | None = None, replace: bool = False, **parameters: float
) -> IngestReport | IncidentsReport | SeriesReport:
    """Load a built-in dataset, its truth stored beside it.

    Args:
        workspace: Where to.
        kind: One of ``SAMPLES``.
        name: Name of the dataset; the kind when None.
        replace: Replace a dataset of that name.
        parameters: Arguments of the generator.

    Raises:
        UnknownNameError: No such built-in dataset, or no such parameter.
        InputError: A parameter out of its range, or a dataset name that is taken.
    """
    if kind not in SAMPLES:
        raise UnknownNameError("built-in dataset", kind, SAMPLES)
    return SAMPLES[kind](workspace, kind if name is None else name, replace, parameters)


def _typed(generator: Callable[..., object], parameters: dict[str, float]) -> dict[str, Any]:
    """Return parameters of a generator in the types of its defaults.

    Raises:
        UnknownNameError: It has no such parameter.
    """
    defaults = {name: p.default for name, p in inspect.signature(generator).parameters.items()}
    typed = {name: default for name, default in defaults.items() if isinstance(default, int | float)}
    for name in parameters:
        if name not in typed:
            raise UnknownNameError("parameter", name, typed)
    return {name: type(typed[name])(value) for name, value in parameters.items()}


def _sample_incidents(workspace: Workspace, name: str, replace: bool, parameters: dict[str, float]) -> IncidentsReport:
    planted = planted_incidents(**_typed(planted_incidents, parameters), dataset=name)
    with workspace.warehouse.lock(f"dataset/{name}"):
        check_new(workspace.warehouse, name, replace=replace)
        return publish_incidents(
            workspace.warehouse, planted, source="planted-incidents", settings={"knobs": parameters}
        )


def _sample_series(workspace: Workspace, name: str, replace: bool, parameters: dict[str, float]) -> SeriesReport:
    return sample_series(workspace, name, replace, _typed(planted_series, parameters))


def _sample_interactions(workspace: Workspace, name: str, replace: bool, parameters: dict[str, float]) -> IngestReport:
    planted = planted_interactions(**_typed(planted_interactions, parameters))
    warehouse = workspace.warehouse
    with warehouse.lock(f"dataset/{name}"), Scratch(workspace.scratch, []) as scratch:
        check_new(warehouse, name, replace=replace)
        _stage(scratch, planted)
        split, seed = parse_split(SPLIT), planted.parameters.seed
        refined = refine(scratch, given_split=False, split=split, seed=seed, min_rating=None, min_interactions=0)
        facts = {**number_entities(scratch), **vars(refined)}
        settings = {"format": "planted", "split": SPLIT, "seed": seed, "knobs": asdict(planted.parameters)}
        generation = publish_interactions(
            warehouse,
            scratch,
            name,
            source="planted-interactions",
            settings=settings,
            facts=facts,
            beside=lambda publication: _publish_truth(publication, scratch, planted, name),
        )
    return IngestReport(name, generation, "planted", {}, SPLIT, **facts)


SAMPLES: dict[
    str, Callable[[Workspace, str, bool, dict[str, float]], IngestReport | IncidentsReport | SeriesReport]
] = {
    "planted-incidents": _sample_incidents,
    "planted-interactions": _sample_interactions,
    "planted-series": _sample_series,
}


def _stage(scratch: Scratch, planted: Planted) -> None:
    """Stage the table ``events`` as ingestion makes it; ``planted_events`` keeps the intents."""
    for entity, ids in (("user", planted.user_ids), ("item", planted.item_ids)):
        batch = pa.record_batch({f"{entity}_id": ids, "position": pa.array(range(len(ids)), pa.int64())})
        scratch.stage_arrow(f"planted_{entity}s", batch.schema, [batch])
    scratch.stage_arrow("planted_events", EVENT_SCHEMA, planted.events())
    scratch.execute(EVENTS)
    scratch.execute("""
        INSERT INTO events
        SELECT user_id, item_id, NULL, time, NULL, e.row
        FROM planted_events e
        JOIN planted_users u ON u.position = e.user JOIN planted_items i ON i.position = e.item
    """)


def _publish_truth(publication: Publication, scratch: Scratch, planted: Planted, name: str) -> None:
    publication.append("truths", _shares(planted.user_ids, planted.theta), dataset=name, entity="user")
    publication.append("truths", _shares(planted.item_ids, planted.phi), dataset=name, entity="item")
    behind = """
        SELECT user_id, item_id, intent
        FROM kept JOIN planted_events e ON e.row = kept.seq
        JOIN user_codes c ON c.code = u JOIN item_codes d ON d.code = i
    """
    publication.append("truth_events", scratch.stream(behind), dataset=name)
    publication.target(f"items/{name}").append("attributes", _attributes(planted), dataset=name, entity="item")


def _attributes(planted: Planted) -> pl.DataFrame:
    """Return each item's category, and a title of category and id, as rows ``id, name, value``."""
    names = pl.Series([_category_name(intent) for intent in range(planted.parameters.n_intents)])
    items = pl.DataFrame({"id": pl.Series(planted.item_ids), "category": names.gather(planted.category)})
    capitalised = pl.col("category").str.head(1).str.to_uppercase() + pl.col("category").str.slice(1)
    titled = items.with_columns(title=pl.format("{} {}", capitalised, "id"))
    return titled.unpivot(index="id", variable_name="name", value_name="value")


def _category_name(intent: int) -> str:
    repeat, place = divmod(intent, len(_CATEGORIES))
    return _CATEGORIES[place] + (f" {repeat + 1}" if repeat else "")


def _shares(ids: pa.StringArray, shares: Floats) -> pl.DataFrame:
    """Return ids with their rows of shares ``(n, K)``."""
    return pl.DataFrame({"id": pl.Series(ids), "shares": shares.astype(np.float32)})
