"""Puts a small dataset into a workspace straight through the warehouse, without ingestion."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from distaff_data.datasets.interactions import Interactions
from distaff_data.splits import SPLITS
from distaff_data.workspace import Workspace


def publish(
    workspace: Workspace, data: Interactions, categories: list[str] | None = None, *, timed: bool = False
) -> None:
    """Publish ``data`` under its name; ``categories`` gives each item, by position, its category.

    With times everybody's training comes first, then validation, then the test.
    """
    with workspace.warehouse.publish(f"dataset/{data.name}") as publication:
        publication.append("datasets", [{"kind": "interactions", "facts": "{}"}], dataset=data.name)
        for number, split in enumerate(SPLITS):
            matrix = data.split(split)
            columns = {
                "user_id": data.user_ids.take(pa.array(matrix.row_index().numpy())),
                "item_id": data.item_ids.take(pa.array(matrix.indices.numpy())),
            }
            rows = pa.table(columns | ({"time": 1e6 * number + np.arange(matrix.nnz)} if timed else {}))
            publication.append("interactions", rows, dataset=data.name, split=split)
        for table, column, ids in (("users", "user_id", data.user_ids), ("items", "item_id", data.item_ids)):
            publication.append(table, pa.table({column: ids, "position": np.arange(len(ids))}), dataset=data.name)
        if categories is not None:
            values = pa.table({"id": data.item_ids, "value": categories})
            publication.append("attributes", values, dataset=data.name, entity="item", name="category")
