"""Iceberg tables as sources: the snapshot of their newest metadata, and nothing that lies outside their folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from object_store import SECRET, object_store

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_interactions
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace

memory = pytest.importorskip("pyiceberg.catalog.memory", reason="needs pyiceberg: pip install 'distaff[iceberg]'")
ORDERS = [(f"u{u}", f"i{i}", 100 * u + i) for u in range(8) for i in range(6) if (u + i) % 3]


def orders(rows: list[tuple[str, str, int]]) -> pa.Table:
    users, items, numbers = zip(*rows, strict=True)
    return pa.table({"user": users, "item": items, "number": numbers})


def table_of(folder: Path | str, rows: list[tuple[str, str, int]], **settings: str) -> Any:
    """Return a table in a warehouse of that folder."""
    catalog = memory.InMemoryCatalog("c", warehouse=str(folder), **settings)
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.orders", schema=orders(rows).schema)
    table.append(orders(rows))
    return table


def stored(workspace: Workspace) -> list[tuple[str, str]]:
    found = workspace.warehouse.rows("SELECT user_id, item_id FROM interactions ORDER BY ALL")
    return [(row["user_id"], row["item_id"]) for row in found]


def test_the_newest_snapshot_is_read_and_an_older_one_by_its_metadata(workspace: Workspace, tmp_path: Path) -> None:
    table = table_of(tmp_path, ORDERS[:20])
    before = Path(table.metadata_location.removeprefix("file://"))
    table.append(orders(ORDERS[20:]))
    table.delete("user = 'u7'")
    folder = tmp_path / "shop" / "orders"
    ingest_interactions(workspace, "now", folder, split="random:0.6,0.2,0.2")
    assert stored(workspace) == sorted((u, i) for u, i, _ in ORDERS if u != "u7")
    ingest_interactions(workspace, "now", before, split="random:0.6,0.2,0.2", replace=True)
    assert stored(workspace) == sorted((u, i) for u, i, _ in ORDERS[:20])
    (entry,) = workspace.warehouse.rows("SELECT source FROM datasets")
    assert entry["source"] == str(folder)
    assert not list(Path(workspace.scratch).glob("*"))


def test_rows_are_added_from_where_the_last_reading_ended(workspace: Workspace, tmp_path: Path) -> None:
    table = table_of(tmp_path, ORDERS[:20])
    folder, split = tmp_path / "shop" / "orders", "random:0.6,0.2,0.2"
    ingest_interactions(workspace, "d", folder, since="number", split=split)
    table.append(orders(ORDERS[20:]))
    ingest_interactions(workspace, "d", folder, since="number", split=split)
    assert stored(workspace) == sorted((u, i) for u, i, _ in ORDERS)
    assert load_interactions(workspace.warehouse, "d").n_users == 8


@pytest.mark.parametrize("outside", ["manifest list", "manifest", "data file"])
def test_a_table_cannot_name_files_outside_its_folder(workspace: Workspace, tmp_path: Path, outside: str) -> None:
    """It was moved without what it names, its metadata were changed by hand, or a writer took in a file as it lay."""
    table = table_of(tmp_path / "a", ORDERS)
    metadata = Path(table.metadata_location.removeprefix("file://"))
    folder = metadata.parents[1]
    if outside == "data file":
        pq.write_table(orders(ORDERS), tmp_path / "secret.parquet")
        table.add_files([str(tmp_path / "secret.parquet")])
    else:
        folder = tmp_path / "b" / "orders"
        shutil.copytree(metadata.parents[1], folder)
    if outside == "manifest":
        text = json.loads((folder / "metadata" / metadata.name).read_text())
        inside = Path(text["snapshots"][-1]["manifest-list"]).name
        text["snapshots"][-1]["manifest-list"] = str(folder / "metadata" / inside)
        (folder / "metadata" / metadata.name).write_text(json.dumps(text))
    with pytest.raises(InputError, match="outside its folder") as refused:
        ingest_interactions(workspace, "d", folder)
    assert "\n" not in str(refused.value)
    assert stored(workspace) == []


def test_what_is_damaged_or_asked_wrongly_is_one_line(workspace: Workspace, tmp_path: Path) -> None:
    table = table_of(tmp_path, ORDERS)
    folder = tmp_path / "shop" / "orders"
    with pytest.raises(InputError, match="no column named 'day'"):
        ingest_interactions(workspace, "d", folder, since="day")
    with pytest.raises(InputError, match="--query is for databases"):
        ingest_interactions(workspace, "d", folder, query="SELECT 1")
    for damaged in (next((folder / "data").iterdir()), next((folder / "metadata").glob("snap-*")),
                    Path(table.metadata_location.removeprefix("file://"))):  # fmt: skip
        damaged.write_bytes(damaged.read_bytes()[:60])
        with pytest.raises(InputError, match="cannot be read") as refused:
            ingest_interactions(workspace, "d", folder)
        assert "\n" not in str(refused.value)
    assert stored(workspace) == []


@pytest.mark.s3
def test_a_table_of_an_object_store_is_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_store(monkeypatch) as url:
        settings = {"s3.endpoint": os.environ["AWS_ENDPOINT_URL"], "s3.region": "us-east-1",
                    "s3.access-key-id": "tester", "s3.secret-access-key": SECRET}  # fmt: skip
        table_of(f"{url}/lake", ORDERS, **settings)
        ingest_interactions(workspace, "d", f"{url}/lake/shop/orders", split="random:0.6,0.2,0.2")
    assert stored(workspace) == sorted((u, i) for u, i, _ in ORDERS)


def test_a_folder_of_files_beside_a_folder_named_metadata_is_no_table(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "notes.json").write_text("{}")
    pq.write_table(orders(ORDERS), tmp_path / "train.parquet")
    pq.write_table(orders(ORDERS[:3]), tmp_path / "test.parquet")
    ingest_interactions(workspace, "d", tmp_path)
    assert len(stored(workspace)) >= len(ORDERS)
