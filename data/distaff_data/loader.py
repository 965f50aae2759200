"""Warehouse to tensors: DuckDB joins ids to positions, Arrow hands the columns over, no Python loop over rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.interactions import SPLITS, Interactions, split_matrices
from distaff_data.warehouse import Warehouse

_PAIRS = """
SELECT u.position AS row, i.position AS col, list_position(['train', 'valid', 'test'], x.split) - 1 AS code
FROM interactions x
JOIN users u ON u.user_id = x.user_id AND u.generation = x.generation
JOIN items i ON i.item_id = x.item_id AND i.generation = x.generation
WHERE x.generation = ? AND u.generation = ? AND i.generation = ?
"""


def load_interactions(warehouse: Warehouse, dataset: str) -> Interactions:
    """Load a dataset of interactions.

    Raises:
        UnknownNameError: There is no such dataset.
        InputError: The dataset is of another kind.
    """
    generation = live_generation(warehouse, dataset, "interactions")
    users = _ids(warehouse, "users", "user_id", generation)
    items = _ids(warehouse, "items", "item_id", generation)
    pairs = warehouse.query(_PAIRS, [generation] * 3)
    row, col, code = (_tensor(pairs[name]) for name in ("row", "col", "code"))
    return Interactions(
        dataset, users, items, **split_matrices(row, col, code, len(users), len(items)), generation=generation
    )


def live_generation(warehouse: Warehouse, dataset: str, kind: str) -> str:
    """The live generation of a dataset that has to be of ``kind``.

    Raises:
        UnknownNameError: There is no such dataset.
        InputError: The dataset is of another kind.
    """
    found = kind_of(warehouse, dataset)
    if found != kind:
        raise InputError(f"dataset {dataset!r} holds {found}, not {kind}")
    rows = warehouse.rows("SELECT generation FROM datasets WHERE dataset = ?", [dataset])
    return str(rows[0]["generation"])


def kind_of(warehouse: Warehouse, dataset: str) -> str:
    """What a dataset holds: interactions, series or incidents.

    Raises:
        UnknownNameError: There is no such dataset.
    """
    kinds = {row["dataset"]: row["kind"] for row in warehouse.rows("SELECT dataset, kind FROM datasets")}
    if dataset not in kinds:
        raise UnknownNameError("dataset", dataset, kinds)
    return str(kinds[dataset])


def load_attributes(warehouse: Warehouse, dataset: str, entity: str) -> pa.Table:
    """Attributes of a dataset's items or users: columns ``id, name, value``, in no particular order."""
    return warehouse.query("SELECT id, name, value FROM attributes WHERE dataset = ? AND entity = ?", [dataset, entity])


def load_titles(warehouse: Warehouse, dataset: str) -> dict[str, str]:
    """What to show people for an item id, where the dataset has titles."""
    table = load_attributes(warehouse, dataset, "item")
    titles = table.filter(pa.compute.equal(table["name"], "title"))
    return dict(zip(titles["id"].to_pylist(), titles["value"].to_pylist(), strict=True))


def _ids(warehouse: Warehouse, table: str, column: str, generation: str) -> pa.StringArray:
    rows = warehouse.query(f"SELECT {column} FROM {table} WHERE generation = ? ORDER BY position", [generation])
    return rows[column].combine_chunks()


def _tensor(column: pa.ChunkedArray) -> Tensor:
    return torch.from_numpy(column.to_numpy().astype(np.int64))


__all__ = ["SPLITS", "kind_of", "live_generation", "load_attributes", "load_interactions", "load_titles"]
