"""Attacks through SQL: what a person types, and what stands in names and ids."""

from __future__ import annotations

import csv
import os
import resource
import time
from pathlib import Path

import pytest

from distaff.forgetting import forget
from distaff.recommenders.score import score_run
from distaff.runs import training
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_interactions
from distaff_data.tables.interactions import load_interactions
from distaff_data.warehouse import engine
from distaff_data.workspace import Workspace

HOSTILE = "x' OR '1'='1"
IDS = [HOSTILE, '"; DROP TABLE interactions; --', "%", "?", "$1", "{0}", "\\", "]]>", "a\u202eb"]


@pytest.fixture
def shop(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Ten users whose ids and items are attacks."""
    with (tmp_path / "log.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerows([["user", "item"], *([user, item] for user in [*IDS, "last"] for item in IDS)])
    ingest_interactions(workspace, "shop", tmp_path / "log.csv", split="random:0.6,0.2,0.2")
    return workspace


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('{root}/distaff.toml')",
        "COPY (SELECT 1) TO '{root}/out.csv'",
        "ATTACH '{root}/x.duckdb' AS x",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SELECT 1; SELECT 2",
        "INSERT INTO interactions SELECT * FROM interactions",
        "SELECT getenv('DISTAFF_TEST_SECRET')",
    ],
)
def test_typed_sql_reads_the_tables_and_nothing_else(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.setenv("DISTAFF_TEST_SECRET", "hunter2")
    before = sorted(os.listdir(workspace.root))
    with pytest.raises(InputError) as caught:
        workspace.warehouse.select(sql.format(root=workspace.root))
    assert "hunter2" not in str(caught.value)
    assert sorted(os.listdir(workspace.root)) == before


def test_extensions_are_neither_installed_nor_loaded_by_themselves(workspace: Workspace) -> None:
    names = ("autoinstall_known_extensions", "autoload_known_extensions", "python_enable_replacements")
    with engine.connect() as con:
        found = con.execute(
            "SELECT name, value FROM duckdb_settings() WHERE list_contains(?, name)", [names]
        ).fetchall()
    assert dict(found) == dict.fromkeys(names, "false")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list(range || repeat('x', 1000)) FROM range(100000000)",
        "SELECT length(repeat('x', 4000000000))",
        "SELECT generate_series(1, 1000000000)",
        "SELECT list_reduce(range(1, 100000000), lambda a, b: a + b)",
        "SELECT lpad('x', 2000000000, 'y')",
        "SELECT repeat('x', 1000000) FROM range(1000)",
    ],
)
def test_statement_that_would_fill_the_memory_is_stopped(workspace: Workspace, sql: str) -> None:
    """Also inside one expression, of which DuckDB counts no byte: its memory limit alone let these take 8 GB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    started = time.monotonic()
    with pytest.raises(InputError, match=r"failed|longer than|memory|larger than"):
        workspace.warehouse.select(sql, seconds=3)
    assert time.monotonic() - started < 60, "the review's ran on for 86 s and more, past a limit of 60"
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # KiB, of the largest child so far
    assert after == before or after < (2 << 20) + (512 << 10)


def test_expression_that_never_looks_at_the_clock_is_killed_at_the_deadline(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="longer than 1 s"):
        workspace.warehouse.select("SELECT list_reduce(range(1, 30000000), lambda a, b: a + b)", seconds=1)


def test_ids_are_data_wherever_they_go(shop: Workspace) -> None:
    data = load_interactions(shop.warehouse, "shop")
    assert sorted(data.user_ids.to_pylist()) == sorted([*IDS, "last"])
    run = training.train(shop, "popularity", "shop", device="cpu").run
    score_run(shop, run, top_k=2)
    listed = shop.warehouse.rows("SELECT DISTINCT user_id FROM recommendations")
    assert {row["user_id"] for row in listed} <= {*IDS, "last"}


def test_forgetting_a_hostile_id_forgets_nobody_else(shop: Workspace) -> None:
    training.train(shop, "popularity", "shop", device="cpu")
    forget(shop, [HOSTILE], "shop")
    data = load_interactions(shop.warehouse, "shop")
    assert sorted(data.user_ids.to_pylist()) == sorted([*(i for i in IDS if i != HOSTILE), "last"])
    with pytest.raises(InputError, match="nobody"):
        forget(shop, ["nobody') OR true --"], "shop")


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a;b", "a b", "", "ä", "a/b", "a\nb", "x" * 65])
def test_dataset_names_are_plain(workspace: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "log.csv").write_text("user,item\n1,2\n")
    with pytest.raises(InputError, match="name"):
        ingest_interactions(workspace, name, tmp_path / "log.csv")
