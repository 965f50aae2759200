"""Queries of one process share a database and what was listed of a table's log, and see nothing stale or of each other."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from distaff_data.warehouse import Warehouse, engine
from distaff_data.warehouse.places import Place


def publish(warehouse: Warehouse, *users: str) -> None:
    with warehouse.publish("recommendations/run") as out:
        out.append("recommendations", [{"user_id": user, "rank": 1} for user in users], run="run")


def listed(warehouse: Warehouse) -> list[str]:
    return [str(row["user_id"]) for row in warehouse.rows("SELECT user_id FROM recommendations ORDER BY user_id")]


def test_views_and_zones_of_a_session_are_its_own() -> None:
    with engine.session() as first, engine.session() as second:
        first.execute("CREATE TEMP VIEW mine AS SELECT 1 AS a")
        first.execute("SET TimeZone = 'Asia/Tokyo'")
        with pytest.raises(duckdb.CatalogException):
            second.execute("SELECT a FROM mine")
        assert second.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
    with engine.session() as third:
        assert third.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


def test_every_commit_is_seen_by_the_next_query(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "warehouse")
    assert listed(warehouse) == []
    for n in range(5):
        publish(warehouse, *(f"user{i}" for i in range(n + 1)))
        assert len(listed(warehouse)) == n + 1
        assert len(listed(Warehouse(tmp_path / "warehouse"))) == n + 1
    warehouse.erase("recommendations", "user_id = ?", ["user0"])
    assert listed(warehouse) == ["user1", "user2", "user3", "user4"]
    warehouse.expunge("recommendations", "user_id = ?", ["user0"])
    assert listed(warehouse) == ["user1", "user2", "user3", "user4"]


def test_another_warehouse_in_the_same_place_is_read_anew(tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    for user in ("ann", "bob", "cy"):
        warehouse = Warehouse.create(root)
        publish(warehouse, user)
        assert listed(warehouse) == [user]
        shutil.rmtree(root)


def test_a_session_that_is_kept_shows_each_query_its_own_warehouse(tmp_path: Path) -> None:
    ann, bob = (Warehouse.create(tmp_path / name) for name in ("ann", "bob"))
    publish(ann, "ann")
    publish(bob, "bob", "bert")
    for _ in range(3):
        assert listed(ann) == ["ann"]
        assert listed(bob) == ["bert", "bob"]
    with ann.stream("SELECT user_id FROM recommendations", rows=1) as begun:  # and is not read to its end
        assert listed(bob) == ["bert", "bob"]
        publish(ann, "amy")
        assert listed(ann) == ["amy"]
        assert begun.read_next_batch()["user_id"].to_pylist() == ["ann"]
    with pytest.raises(duckdb.Error):
        ann.rows("SELECT no_column FROM recommendations")
    assert listed(ann) == ["amy"]


def test_a_table_that_is_gone_is_no_empty_one(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "warehouse")
    publish(warehouse, "ann")
    assert Place(str(warehouse.root)).files("recommendations")
    shutil.rmtree(warehouse.root / "recommendations")
    with pytest.raises(Exception, match="recommendations"):
        Place(str(warehouse.root)).files("recommendations")


def test_threads_ask_at_once(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "warehouse")
    publish(warehouse, "ann", "bob")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: listed(warehouse), range(40)))
    assert answers == [["ann", "bob"]] * 40


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking with threads, which is what is tried here
def test_a_forked_child_has_a_database_of_its_own() -> None:
    with engine.kept() as (con, _):
        con.execute("SELECT 1")
    child = os.fork()
    if child == 0:
        with engine.kept() as (anew, _):
            answer = anew.execute("SELECT 41 + 1").fetchone()
        os._exit(0 if answer == (42,) and anew is not con else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
