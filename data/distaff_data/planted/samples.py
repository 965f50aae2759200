"""Samples: built-in datasets whose truth is known, loaded into a workspace."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from distaff_data.arrays import Floats
from distaff_data.errors import UnknownNameError
from distaff_data.ingest.publish import Description, check_new, number_entities, publish_interactions
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


def sample_series(workspace: Workspace, name: str, replace: bool, knobs: dict[str, Any]) -> SeriesReport:
    """Generate, divide and store as a dataset, the truth beside it; ``knobs`` as of :func:`planted_series`."""
    planted = planted_series(**knobs)
    data = planted.series(name)
    truth = pa.concat_tables(
        pa.table({"entity": data.entity_ids, "factor": pa.repeat(factor, data.n_entities), "value": values})
        for factor, values in planted.factors.items()
    )
    with workspace.warehouse.lock(f"dataset/{name}"):
        check_new(workspace.warehouse, name, replace=replace)
        return publish_series(
            workspace.warehouse,
            data,
            source="planted-series",
            format="planted",
            split=SPLIT,
            settings={"knobs": planted.knobs},
            beside=lambda publication: publication.append("truth_factors", truth, dataset=name),
        )


def sample(
    workspace: Workspace, kind: str, *, name: str | None = None, replace: bool = False, **knobs: float
) -> IngestReport | IncidentsReport | SeriesReport:
    """Load a built-in dataset, its truth stored beside it.

    Args:
        workspace: Where to.
        kind: One of ``SAMPLES``.
        name: Name of the dataset; the kind when None.
        replace: Replace a dataset of that name.
        knobs: Arguments of the generator.

    Raises:
        UnknownNameError: No such built-in dataset, or no such knob.
        InputError: A knob out of its range, or a dataset name that is taken.
    """
    if kind not in SAMPLES:
        raise UnknownNameError("built-in dataset", kind, SAMPLES)
    return SAMPLES[kind](workspace, kind if name is None else name, replace, knobs)


def _typed(generator: Callable[..., object], knobs: dict[str, float]) -> dict[str, Any]:
    """Knobs of a generator in the types of its defaults.

    Raises:
        UnknownNameError: It has no such knob.
    """
    defaults = {name: p.default for name, p in inspect.signature(generator).parameters.items()}
    known = {name: default for name, default in defaults.items() if isinstance(default, int | float)}
    for knob in knobs:
        if knob not in known:
            raise UnknownNameError("knob", knob, known)
    return {knob: type(known[knob])(value) for knob, value in knobs.items()}


def _sample_incidents(workspace: Workspace, name: str, replace: bool, knobs: dict[str, float]) -> IncidentsReport:
    planted = planted_incidents(**_typed(planted_incidents, knobs), dataset=name)
    with workspace.warehouse.lock(f"dataset/{name}"):
        check_new(workspace.warehouse, name, replace=replace)
        return publish_incidents(workspace.warehouse, planted, source="planted-incidents", settings={"knobs": knobs})


def _sample_series(workspace: Workspace, name: str, replace: bool, knobs: dict[str, float]) -> SeriesReport:
    return sample_series(workspace, name, replace, _typed(planted_series, knobs))


def _sample_interactions(workspace: Workspace, name: str, replace: bool, knobs: dict[str, float]) -> IngestReport:
    planted = planted_interactions(**_typed(planted_interactions, knobs))
    warehouse = workspace.warehouse
    with warehouse.lock(f"dataset/{name}"), Scratch(workspace.scratch, []) as scratch:
        check_new(warehouse, name, replace=replace)
        _stage(scratch, planted)
        split, seed = parse_split(SPLIT), planted.knobs.seed
        refined = refine(scratch, given_split=False, split=split, seed=seed, min_rating=None, min_interactions=0)
        facts = {**number_entities(scratch), **vars(refined)}
        settings = {"format": "planted", "split": SPLIT, "seed": seed, "knobs": asdict(planted.knobs)}
        generation = publish_interactions(
            warehouse,
            scratch,
            Description(name, "planted-interactions", settings, facts),
            lambda publication: _publish_truth(publication, scratch, planted, name),
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
    """The table ``events`` as ingestion makes it, and ``intents (seq, intent)`` beside it."""
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


def _attributes(planted: Planted) -> pa.Table:
    names = [_category_name(intent) for intent in range(planted.knobs.n_intents)]
    category = pa.array(names).take(pa.array(planted.category))
    title = pc.binary_join_element_wise(pc.utf8_capitalize(category), planted.item_ids, " ")
    return pa.concat_tables(
        pa.table({"id": planted.item_ids, "name": pa.repeat(name, len(values)), "value": values})
        for name, values in (("category", category), ("title", title))
    )


def _category_name(intent: int) -> str:
    repeat, place = divmod(intent, len(_CATEGORIES))
    return _CATEGORIES[place] + (f" {repeat + 1}" if repeat else "")


def _shares(ids: pa.StringArray, shares: Floats) -> pa.Table:
    flat = pa.array(shares.astype(np.float32).ravel())
    starts = pa.array(np.arange(0, shares.size + 1, shares.shape[1], dtype=np.int32))
    return pa.table({"id": ids, "shares": pa.ListArray.from_arrays(starts, flat)})
