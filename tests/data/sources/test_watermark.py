"""Reading on from a mark: rows of equal stamps, stamps that are none, change their kind, or have no order that ends."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_interactions
from distaff_data.tables.reports import IngestReport
from distaff_data.workspace import Workspace

QUERY = "SELECT u AS user_id, i AS item_id, r AS rating, stamp FROM sales"
ROWS: list[tuple[Any, ...]] = [(f"u{k % 5}", f"i{k % 7}", 1.0, k // 2) for k in range(30)]  # two rows to a stamp


class Shop:
    """A database of sales, and the dataset that is read from it."""

    def __init__(self, workspace: Workspace, file: Path, rows: list[tuple[Any, ...]]) -> None:
        self.workspace, self.file = workspace, file
        self.run("CREATE TABLE sales (u, i, r, stamp)")
        self.sell(*rows)

    def run(self, statement: str, rows: list[tuple[Any, ...]] | None = None) -> None:
        """Run a statement, once or for every row."""
        con = sqlite3.connect(self.file)
        with con:
            con.execute(statement) if rows is None else con.executemany(statement, rows)
        con.close()

    def sell(self, *rows: tuple[Any, ...]) -> None:
        """Add rows."""
        self.run("INSERT INTO sales VALUES (?, ?, ?, ?)", list(rows))

    def read(self, **settings: Any) -> IngestReport:
        """Read what is new."""
        return ingest_interactions(self.workspace, "shop", self.file, query=QUERY, since="stamp", **settings)

    def users(self) -> set[str]:
        """Return the users of the dataset."""
        return {row["user_id"] for row in self.workspace.warehouse.rows("SELECT user_id FROM interactions")}


@pytest.fixture
def shop(workspace: Workspace, tmp_path: Path) -> Shop:
    return Shop(workspace, tmp_path / "shop.db", ROWS)


def test_rows_that_came_at_the_moment_of_the_mark_are_read_whatever_their_number(shop: Shop) -> None:
    first = shop.read().generation
    assert shop.read().generation == first
    shop.sell(("x", "y", 1.0, 14))
    shop.read()
    assert "x" in shop.users()
    shop.run("DELETE FROM sales WHERE u = 'x'")
    shop.sell(("late", "y", 1.0, 14))  # as many rows at the mark as before
    shop.read()
    assert "late" in shop.users()
    shop.run("UPDATE sales SET r = 5.0 WHERE u = 'late'")  # the same rows, another opinion
    shop.read()
    (row,) = shop.workspace.warehouse.rows("SELECT rating FROM interactions WHERE user_id = 'late'")
    assert row["rating"] == 5.0
    assert shop.read().generation == shop.workspace.warehouse.live("dataset/shop")


def test_a_row_without_a_stamp_is_refused_whenever_it_comes(shop: Shop) -> None:
    shop.read()
    shop.sell(("x", "y", 1.0, None))
    with pytest.raises(InputError, match="stamp: a value is missing"):
        shop.read()
    shop.run("DELETE FROM sales WHERE stamp IS NULL")
    shop.sell(("x", "y", 1.0, 20))
    shop.read()
    assert "x" in shop.users()


def test_a_source_that_ends_before_the_mark_is_not_taken_for_one_without_news(shop: Shop) -> None:
    shop.read()
    shop.run("DELETE FROM sales WHERE stamp > 5")  # restored from a backup, or numbered anew
    with pytest.raises(InputError, match="ends before 14, where the last reading ended; begin anew with --replace"):
        shop.read()
    shop.read(replace=True)
    assert shop.read().generation == shop.workspace.warehouse.live("dataset/shop")


@pytest.mark.parametrize("stamp", ["2026-01-01", "x", "99", math.inf, "9999-12-31", b"7"])
def test_stamps_without_one_order_are_refused(shop: Shop, stamp: object) -> None:
    shop.read()
    before = shop.workspace.warehouse.live("dataset/shop")
    shop.sell(("x", "y", 1.0, stamp))
    with pytest.raises(InputError, match="stamp") as refused:
        shop.read()
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="stamp"):
        shop.read(replace=True)
    assert shop.workspace.warehouse.live("dataset/shop") == before


@pytest.mark.parametrize(
    ("stamps", "problem"),
    [
        (["9", "10"], "numbers written as text"),
        (["2026-01-01", "9999-12-31"], "no end"),
        ([1.0, math.inf], "infinite"),
        ([1, "2026-01-01"], "mixture"),
    ],
)
def test_a_column_that_would_hide_later_rows_is_no_mark(
    workspace: Workspace, tmp_path: Path, stamps: list[object], problem: str
) -> None:
    shop = Shop(workspace, tmp_path / "shop.db", [(f"u{n}", "i", 1.0, stamp) for n, stamp in enumerate(stamps)])
    with pytest.raises(InputError, match=problem):
        shop.read()


def test_texts_are_compared_as_they_were_when_the_mark_was_set(workspace: Workspace, tmp_path: Path) -> None:
    shop = Shop(workspace, tmp_path / "shop.db", [])
    shop.run("DROP TABLE sales")
    shop.run("CREATE TABLE sales (u, i, r, stamp TEXT COLLATE NOCASE)")
    shop.sell(("a", "i", 1.0, "B-1"), ("b", "i", 1.0, "a-1"))  # by their bytes a-1 is greater, without case B-1
    shop.read()
    shop.sell(("c", "i", 1.0, "b-0"))
    shop.read()
    assert shop.users() == {"a", "b", "c"}


def test_ids_that_would_be_written_in_another_way_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    shop = Shop(workspace, tmp_path / "shop.db", [(k % 5, k % 7, 1.0, k) for k in range(30)])
    shop.read()
    shop.sell((3.0, 8, 2.0, 51), (4, 8, 2.0, 52))  # with a fraction in the column 4 would be read as 4.0, somebody else
    with pytest.raises(InputError, match="user_id: some ids are numbers with a point"):
        shop.read()
    assert shop.users() == {"0", "1", "2", "3", "4"}


def test_a_delta_table_is_held_to_the_same(workspace: Workspace, tmp_path: Path) -> None:
    from deltalake import write_deltalake

    table = tmp_path / "sales"

    def append(*rows: tuple[str, str, int | None]) -> None:
        frame = pl.DataFrame(rows, schema={"user": pl.String, "item": pl.String, "stamp": pl.Int64}, orient="row")
        write_deltalake(table, frame.to_arrow(), mode="append")

    append(("a", "i", 1), ("b", "i", 2))
    ingest_interactions(workspace, "shop", table, since="stamp")
    append(("c", "i", None))
    with pytest.raises(InputError, match="a value is missing"):
        ingest_interactions(workspace, "shop", table, since="stamp")
