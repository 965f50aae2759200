"""A table that is kept from one call to the next is read on, and is never taken for what it no longer is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from distaff_data.errors import DamagedError
from distaff_data.schema import TABLES
from distaff_data.warehouse import Warehouse, handles
from distaff_data.workspace import Workspace

TABLE = "recommendations"


def publish(warehouse: Warehouse, *users: str) -> None:
    for user in users:
        with warehouse.publish(f"recommendations/{user}") as publication:
            publication.append(TABLE, [{"user_id": user}])


def users(warehouse: Warehouse) -> list[str]:
    return [row["user_id"] for row in warehouse.rows(f"SELECT user_id FROM {TABLE} ORDER BY user_id")]


def test_a_table_is_opened_once_however_often_it_is_written_and_read(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, opened = workspace.warehouse, []
    publish(warehouse, "a")
    monkeypatch.setattr(handles, "DeltaTable", lambda path: opened.append(path) or DeltaTable(path))
    for user in "bcd":
        publish(warehouse, user)
        assert users(warehouse)[-1] == user
    assert opened == []


def test_what_another_process_wrote_meanwhile_is_seen_and_kept(workspace: Workspace) -> None:
    warehouse, code = workspace.warehouse, (
        "import sys; from pathlib import Path; from distaff_data.warehouse import Warehouse\n"
        "with Warehouse.open(Path(sys.argv[1])).publish('recommendations/b') as publication:\n"
        "    publication.append('recommendations', [{'user_id': 'b'}])\n"
    )  # fmt: skip
    publish(warehouse, "a")
    assert users(warehouse) == ["a"]
    subprocess.run([sys.executable, "-c", code, str(warehouse.root)], check=True)
    assert users(warehouse) == ["a", "b"]
    publish(warehouse, "c")
    assert users(warehouse) == ["a", "b", "c"]
    assert warehouse.erase(TABLE, "user_id = ?", ["b"]) == 1
    publish(warehouse, "d")
    assert users(warehouse) == ["a", "c", "d"]


def test_threads_that_write_at_once_lose_nothing(workspace: Workspace) -> None:
    names = [[f"{thread}{number}" for number in range(6)] for thread in "abc"]
    threads = [threading.Thread(target=publish, args=(workspace.warehouse, *own)) for own in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert users(workspace.warehouse) == sorted(name for own in names for name in own)


def test_a_table_that_was_replaced_at_its_place_is_read_anew(workspace: Workspace) -> None:
    warehouse = workspace.warehouse
    publish(warehouse, "a", "b")
    assert users(warehouse) == ["a", "b"]
    kept = warehouse.rows("SELECT generation FROM publications ORDER BY target")[0]["generation"]
    folder = warehouse.root / TABLE
    shutil.rmtree(folder)
    DeltaTable.create(str(folder), schema=TABLES[TABLE].arrow)
    assert users(warehouse) == []
    warehouse.append(TABLE, [{"user_id": "c"}], generation=kept)
    assert users(warehouse) == ["c"]
    assert DeltaTable(str(folder)).version() == 1


def test_a_table_whose_older_versions_went_is_read_anew(workspace: Workspace) -> None:
    warehouse = workspace.warehouse
    publish(warehouse, "a", "b")
    assert users(warehouse) == ["a", "b"]
    warehouse.erase(TABLE, "user_id = 'a'")
    warehouse.expunge(TABLE, "user_id = 'a'")
    assert len(list((warehouse.root / TABLE).glob("*.parquet"))) == 1
    publish(warehouse, "c")
    assert users(warehouse) == ["b", "c"]


@pytest.mark.parametrize("newest", [False, True])
def test_a_commit_that_was_damaged_meanwhile_is_told(workspace: Workspace, newest: bool) -> None:
    warehouse = workspace.warehouse
    publish(warehouse, "a", "b")
    assert users(warehouse) == ["a", "b"]
    commit = sorted((warehouse.root / TABLE / "_delta_log").glob("*.json"))[-1 if newest else 0]
    os.truncate(commit, 20)
    with pytest.raises(DamagedError, match=TABLE):
        users(warehouse)
    with pytest.raises(DamagedError, match=TABLE):
        publish(warehouse, "c")


def test_a_write_that_failed_leaves_a_table_that_can_be_written(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    warehouse = workspace.warehouse
    publish(warehouse, "a")

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("distaff_data.warehouse.store.write_deltalake", refuse)
        with pytest.raises(OSError, match="No space"):
            publish(warehouse, "b")
    publish(warehouse, "c")
    assert users(warehouse) == ["a", "c"]
    write_deltalake(
        str(warehouse.root / TABLE), DeltaTable(str(warehouse.root / TABLE)).to_pyarrow_table(), mode="append"
    )
    assert users(warehouse) == ["a", "a", "c", "c"]
