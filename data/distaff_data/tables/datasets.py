"""A dataset's kind and live generation, as the table of datasets has them."""

from __future__ import annotations

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.warehouse import Warehouse


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
