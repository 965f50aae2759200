"""Rows that are taken out are in no generation, no older file and no log, and nobody else's rows are touched."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from distaff_data.schema import TABLES
from distaff_data.warehouse import Warehouse
from distaff_data.workspace import Workspace

GONE = "mallory@example.org"
WHERE = "list_contains(?, user_id) AND list_contains(?, run)"
OF = [[GONE], ["r0", "r1"]]


def publish(warehouse: Warehouse, run: str, *users: str) -> None:
    with warehouse.publish(f"recommendations/{run}") as publication:
        rows = [{"user_id": user, "rank": 1, "item_id": "i"} for user in users]
        publication.append("recommendations", rows, run=run)


@pytest.fixture
def warehouse(workspace: Workspace) -> Warehouse:
    """Lists of two runs, one of them replaced, and of a run that nobody asks about."""
    publish(workspace.warehouse, "r0", "a", GONE, "z")
    publish(workspace.warehouse, "r0", "a", GONE, "z", "z2")
    publish(workspace.warehouse, "r1", GONE)
    publish(workspace.warehouse, "other", "a", GONE)
    return workspace.warehouse


def users(warehouse: Warehouse, run: str) -> list[str]:
    rows = warehouse.rows("SELECT user_id FROM recommendations WHERE run = ? ORDER BY user_id", [run])
    return [str(row["user_id"]) for row in rows]


def told(file: Path) -> bytes:
    raw = file.read_bytes()
    if raw[:4] == b"PAR1":
        raw += str(pq.read_table(file).to_pylist()).encode() + str(pq.read_metadata(file).to_dict()).encode()
    return raw


def test_rows_go_from_every_generation_and_other_rows_stay(warehouse: Warehouse) -> None:
    assert warehouse.erase("recommendations", WHERE, OF) == 3
    assert (users(warehouse, "r0"), users(warehouse, "r1")) == (["a", "z", "z2"], [])
    assert users(warehouse, "other") == ["a", GONE]
    assert warehouse.erase("recommendations", WHERE, OF) == 0


def test_older_versions_and_the_log_go_and_the_table_goes_on(warehouse: Warehouse) -> None:
    folder = warehouse.root / "recommendations"
    stray = folder / "part-00000-never-committed.parquet"
    shutil.copy(next(file for file in folder.glob("*.parquet") if GONE.encode() in told(file)), stray)
    half = folder / "part-00000-half-written.parquet"
    half.write_bytes(b"PAR1 and no more")  # of a writer that may be alive
    everyone = [[GONE], ["r0", "r1", "other"]]
    warehouse.erase("recommendations", WHERE, everyone)
    assert warehouse.expunge("recommendations", WHERE, everyone) > 0
    assert half.exists()
    half.unlink()
    assert [file for file in folder.rglob("*") if file.is_file() and GONE.encode() in told(file)] == []
    publish(warehouse, "r1", "b")
    assert users(warehouse, "r1") == ["b"]
    assert users(warehouse, "r0") == ["a", "z", "z2"]


def test_writers_at_the_same_moment_lose_nothing(warehouse: Warehouse) -> None:
    wrong: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(6):
                publish(warehouse, f"new{number}", "a", "b")
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    taken = 0
    while thread.is_alive() or not taken:
        taken += warehouse.erase("recommendations", WHERE, OF)
        publish(warehouse, "r1", GONE)
    thread.join()
    warehouse.erase("recommendations", WHERE, OF)
    assert wrong == []
    assert users(warehouse, "r1") == []
    assert [users(warehouse, f"new{number}") for number in range(6)] == [["a", "b"]] * 6


def test_every_column_of_users_ids_is_marked() -> None:
    named = {name: table.person for name, table in TABLES.items() if table.person is not None}
    expected = {
        name: column
        for name, table in TABLES.items()
        for column in ("user_id", "unit", "id")
        if column in table.arrow.names
    }
    assert named == expected
