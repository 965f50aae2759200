"""Publications, logs, migration and upkeep of the warehouse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from distaff_data.errors import InputError
from distaff_data.schema import TABLES, VERSION
from distaff_data.warehouse import Warehouse
from distaff_data.workspace import Workspace


def ids(warehouse: Warehouse, dataset: str) -> list[str]:
    rows = warehouse.rows("SELECT user_id FROM interactions WHERE dataset = ? ORDER BY user_id", [dataset])
    return [row["user_id"] for row in rows]


def publish(warehouse: Warehouse, dataset: str, users: list[str]) -> str:
    with warehouse.publish(f"dataset/{dataset}") as publication:
        publication.append("interactions", pa.table({"user_id": users}), dataset=dataset)
    return publication.generation


def test_rows_appear_when_the_block_ends_and_not_before(workspace: Workspace) -> None:
    warehouse = workspace.warehouse
    with warehouse.publish("dataset/a") as publication:
        publication.append("interactions", [{"user_id": "1"}], dataset="a")
        assert ids(warehouse, "a") == []
    assert ids(warehouse, "a") == ["1"]
    assert warehouse.live("dataset/a") == publication.generation


def test_a_block_left_by_an_exception_changes_nothing(workspace: Workspace) -> None:
    publish(workspace.warehouse, "a", ["1"])
    abandon(workspace.warehouse, "a")
    assert ids(workspace.warehouse, "a") == ["1"]


def test_a_new_generation_takes_the_place_of_the_old(workspace: Workspace) -> None:
    publish(workspace.warehouse, "a", ["1", "2"])
    publish(workspace.warehouse, "a", ["3"])
    assert ids(workspace.warehouse, "a") == ["3"]


def test_targets_of_one_block_are_replaced_apart(workspace: Workspace) -> None:
    warehouse = workspace.warehouse
    with warehouse.publish("dataset/a") as publication:
        publication.append("interactions", [{"user_id": "1"}], dataset="a")
        publication.target("items/a").append("attributes", [{"id": "x"}], dataset="a")
        assert not warehouse.rows("SELECT * FROM attributes")
    publish(warehouse, "a", ["2"])
    assert ids(warehouse, "a") == ["2"]
    assert [row["id"] for row in warehouse.rows("SELECT id FROM attributes")] == ["x"]


def test_frames_go_in_and_come_out(workspace: Workspace) -> None:
    loadings = pl.DataFrame({"id": ["a", "b"], "shares": np.array([[0.25, 0.75], [1.0, 0.0]])})
    with workspace.warehouse.publish("factors/r") as publication:
        publication.append("loadings", loadings, run="r", entity="user")
    frame = workspace.warehouse.frame("SELECT id, shares FROM loadings WHERE run = ? ORDER BY id", ["r"])
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dict(as_series=False) == {"id": ["a", "b"], "shares": [[0.25, 0.75], [1.0, 0.0]]}
    assert workspace.warehouse.frame("SELECT id FROM loadings WHERE run = 'none'").schema == {"id": pl.String}


def test_a_dropped_target_is_gone(workspace: Workspace) -> None:
    publish(workspace.warehouse, "a", ["1"])
    publish(workspace.warehouse, "b", ["2"])
    workspace.warehouse.drop("dataset/a")
    assert ids(workspace.warehouse, "a") == []
    assert ids(workspace.warehouse, "b") == ["2"]
    assert workspace.warehouse.live("dataset/a") is None


def test_a_log_shows_the_newest_row_of_each_key(workspace: Workspace) -> None:
    now = datetime.now(UTC)
    for age, status in enumerate(["running", "done"]):  # what was written last is the newest, whatever its clock says
        row = {"run": "r1", "status": status, "written_at": now - timedelta(hours=age)}
        workspace.warehouse.append("runs", [row])
    assert [row["status"] for row in workspace.warehouse.rows("SELECT status FROM runs")] == ["done"]


def test_a_column_that_the_schema_lacks_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        workspace.warehouse.append("runs", [], nonsense=1)


def test_a_stream_of_batches_is_appended_whole(workspace: Workspace) -> None:
    schema = pa.schema([("user_id", pa.string())])
    batches = (pa.record_batch([[f"{n}"]], schema=schema) for n in range(5))
    with workspace.warehouse.publish("dataset/a") as publication:
        publication.append("interactions", pa.RecordBatchReader.from_batches(schema, batches), dataset="a")
    assert ids(workspace.warehouse, "a") == ["0", "1", "2", "3", "4"]


def abandon(warehouse: Warehouse, dataset: str) -> str:
    """Append to a generation whose block ends badly; returns the generation."""
    try:
        with warehouse.publish(f"dataset/{dataset}") as publication:
            publication.append("interactions", [{"user_id": "abandoned"}], dataset=dataset)
            raise InterruptedError
    except InterruptedError:
        return publication.generation


def older(root: Path) -> None:
    """A warehouse of version 0: without the table ``loadings`` and the column ``rating``, with one live row."""
    root.mkdir()
    interactions = TABLES["interactions"].arrow
    interactions = interactions.remove(interactions.get_field_index("rating"))
    for name, table in TABLES.items():
        if name != "loadings":
            DeltaTable.create(root / name, schema=interactions if name == "interactions" else table.arrow)
    (root / "schema.json").write_text(json.dumps({"version": VERSION}))
    row = pa.table({"generation": ["g"], "dataset": ["old"], "user_id": ["1"]})
    empty = pa.table([pa.nulls(1, f.type) for f in interactions], schema=interactions)
    for name in row.column_names:
        empty = empty.set_column(interactions.get_field_index(name), interactions.field(name), row[name])
    from deltalake import write_deltalake

    write_deltalake(root / "interactions", empty, mode="append")
    Warehouse(root).append(
        "publications", [{"target": "dataset/old", "generation": "g", "written_at": datetime.now(UTC)}]
    )
    (root / "schema.json").write_text(json.dumps({"version": VERSION - 1}))


def test_an_older_warehouse_gains_tables_and_columns_when_opened(tmp_path: Path) -> None:
    older(tmp_path / "w")
    warehouse = Warehouse.open(tmp_path / "w")
    assert warehouse.rows("SELECT user_id, rating FROM interactions") == [{"user_id": "1", "rating": None}]
    assert warehouse.rows("SELECT * FROM loadings") == []
    with warehouse.publish("dataset/new") as publication:
        publication.append("interactions", [{"user_id": "2", "rating": 4.0}], dataset="new")
    assert warehouse.rows("SELECT rating FROM interactions ORDER BY user_id") == [{"rating": None}, {"rating": 4.0}]
    assert json.loads((tmp_path / "w" / "schema.json").read_text())["version"] == VERSION
    Warehouse.open(tmp_path / "w")


def test_a_newer_warehouse_is_refused(workspace: Workspace) -> None:
    root = workspace.warehouse.root
    (root / "schema.json").write_text(json.dumps({"version": VERSION + 1}))
    with pytest.raises(InputError, match="newer than this"):
        Warehouse.open(root)


def test_a_folder_without_a_warehouse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no warehouse"):
        Warehouse.open(tmp_path)


def test_reclaim_deletes_dead_generations_and_nothing_else(workspace: Workspace) -> None:
    warehouse = workspace.warehouse
    publish(warehouse, "a", ["dead"])
    live = publish(warehouse, "a", ["1"])
    other = publish(warehouse, "b", ["2"])
    abandon(warehouse, "c")
    # Generations are stamped to the second; a grace below zero makes all of them old enough.
    removed = warehouse.reclaim(timedelta(seconds=-2))
    assert removed["interactions"] > 0
    stored = DeltaTable(warehouse.root / "interactions").to_pyarrow_table()
    assert sorted(stored["generation"].to_pylist()) == sorted([live, other])
    assert ids(warehouse, "a") == ["1"]
    assert ids(warehouse, "b") == ["2"]


def test_reclaim_spares_what_was_written_or_replaced_recently(workspace: Workspace) -> None:
    warehouse = workspace.warehouse
    first = publish(warehouse, "a", ["old"])
    second = publish(warehouse, "a", ["new"])
    pending = abandon(warehouse, "a")
    warehouse.reclaim(timedelta(hours=1))
    stored = DeltaTable(warehouse.root / "interactions").to_pyarrow_table()["generation"].to_pylist()
    assert set(stored) == {first, second, pending}


def test_a_lock_is_held_by_one_at_a_time(workspace: Workspace) -> None:
    from filelock import Timeout

    with workspace.warehouse.lock("dataset/a"):
        with workspace.warehouse.lock("dataset/b"):
            pass
        with pytest.raises(Timeout):
            workspace.warehouse.lock("dataset/a").acquire(timeout=0.05)


def test_values_go_through_parameters(workspace: Workspace) -> None:
    publish(workspace.warehouse, "a'; DROP TABLE x; --", ["1"])
    assert ids(workspace.warehouse, "a'; DROP TABLE x; --") == ["1"]


def test_a_workspace_may_lie_in_folders_of_any_name(tmp_path: Path) -> None:
    warehouse = Workspace.create(tmp_path.joinpath("with space", "é", "it's", "star*", "what?", "#1", "{a}")).warehouse
    publish(warehouse, "a", ["1"])
    publish(warehouse, "a", ["2"])
    assert ids(warehouse, "a") == ["2"]
    assert warehouse.select("SELECT user_id FROM interactions").table.to_pylist() == [{"user_id": "2"}]
    warehouse.reclaim(timedelta(hours=24))


@pytest.mark.parametrize("folder", ["100%", "a[1]", "x^2", "a|b"])
def test_a_folder_that_delta_cannot_address_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(InputError, match="cannot lie under"):
        Warehouse.create(tmp_path / folder)
    assert not (tmp_path / folder).exists()
