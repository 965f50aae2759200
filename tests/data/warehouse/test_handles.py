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
    opened: list[str] = []

    def open_and_note(path: str) -> DeltaTable:
        opened.append(path)
        return DeltaTable(path)

    publish(workspace.warehouse, "a")
    monkeypatch.setattr(handles, "DeltaTable", open_and_note)
    for user in "bcd":
        publish(workspace.warehouse, user)
        assert users(workspace.warehouse)[-1] == user
    assert opened == []


_OF_ANOTHER = """
import sys
from pathlib import Path
from distaff_data.warehouse import Warehouse
with Warehouse.open(Path(sys.argv[1])).publish("recommendations/b") as publication:
    publication.append("recommendations", [{"user_id": "b"}])
"""


@pytest.mark.processes
def test_what_another_process_wrote_meanwhile_is_seen_and_kept(workspace: Workspace) -> None:
    warehouse = workspace.warehouse
    publish(warehouse, "a")
    assert users(warehouse) == ["a"]
    subprocess.run([sys.executable, "-c", _OF_ANOTHER, str(warehouse.root)], check=True)
    assert users(warehouse) == ["a", "b"]
    publish(warehouse, "c")
    assert users(warehouse) == ["a", "b", "c"]
    assert warehouse.erase(TABLE, "user_id = ?", ["b"]) == 1
    publish(warehouse, "d")
    assert users(warehouse) == ["a", "c", "d"]


def test_threads_that_write_at_once_lose_nothing(workspace: Workspace) -> None:
    names = [[f"{thread}{number}" for number in range(6)] for thread in "abc"]
    threads = [threading.Thread(target=publish, args=(workspace.warehouse, *group)) for group in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert users(workspace.warehouse) == sorted(name for group in names for name in group)


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


def test_a_table_that_nothing_was_ever_put_into_is_not_opened(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(handles, "DeltaTable", refuse)
    assert users(workspace.warehouse) == []
    assert workspace.warehouse.erase(TABLE, "true") == 0
    assert workspace.warehouse.expunge(TABLE, "true") == 0


@pytest.mark.parametrize("size", [0, 300, -2])
def test_the_commit_that_made_a_table_is_told_when_it_is_damaged(workspace: Workspace, size: int) -> None:
    commit = workspace.warehouse.root / TABLE / "_delta_log" / "00000000000000000000.json"
    os.truncate(commit, size if size >= 0 else commit.stat().st_size + size)
    with pytest.raises(DamagedError, match=TABLE):
        users(workspace.warehouse)


def test_a_table_that_was_made_with_rows_has_them(workspace: Workspace) -> None:
    warehouse = workspace.warehouse
    publish(warehouse, "a")
    folder = warehouse.root / TABLE
    rows = DeltaTable(str(folder)).to_pyarrow_table()
    shutil.rmtree(folder)
    write_deltalake(str(folder), rows)
    assert len(list((folder / "_delta_log").iterdir())) == 1
    assert users(warehouse) == ["a"]
