"""The list of datasets: each one's entry, kind and live generation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.warehouse import Publication, Warehouse


def append_entry(
    publication: Publication,
    dataset: str,
    kind: str,
    *,
    source: str,
    settings: Mapping[str, object],
    facts: Mapping[str, object],
) -> None:
    """Append a dataset's entry to the list of datasets.

    Args:
        publication: The publication of its rows, which the entry appears with.
        dataset: Its name.
        kind: ``interactions``, ``series`` or ``incidents``.
        source: The files it came from.
        settings: How it was read, filtered and split.
        facts: Counts taken while reading.
    """
    entry = {
        "dataset": dataset,
        "kind": kind,
        "source": source,
        "settings": json.dumps(settings),
        "facts": json.dumps(facts),
        "created_at": datetime.now(UTC),
    }
    publication.append("datasets", [entry])


def live_generation(warehouse: Warehouse, dataset: str, kind: str) -> str:
    """Return the live generation of a dataset that has to be of ``kind``.

    Raises:
        UnknownNameError: There is no such dataset.
        InputError: The dataset is of another kind.
    """
    stored = kind_of(warehouse, dataset)
    if stored != kind:
        raise InputError(f"dataset {dataset!r} holds {stored}, not {kind}")
    rows = warehouse.rows("SELECT generation FROM datasets WHERE dataset = ?", [dataset])
    return str(rows[0]["generation"])


def kind_of(warehouse: Warehouse, dataset: str) -> str:
    """Return the kind of a dataset: interactions, series or incidents.

    Raises:
        UnknownNameError: There is no such dataset.
    """
    kinds = {row["dataset"]: row["kind"] for row in warehouse.rows("SELECT dataset, kind FROM datasets")}
    if dataset not in kinds:
        raise UnknownNameError("dataset", dataset, kinds)
    return str(kinds[dataset])
