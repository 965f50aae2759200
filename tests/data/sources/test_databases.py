"""Databases as sources: what is read of them, in which types, in how much memory, and what is refused."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PASSWORD, USER, postgres

from distaff.doctor import examine
from distaff.forgetting import forget
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_incidents, ingest_interactions, ingest_series
from distaff_data.sources import Spool
from distaff_data.workspace import Workspace

ORDERS = [(f"0{user}", item, 1 + (user * item) % 5, f"2026-03-{1 + item:02d} 10:00:00") for user in range(12)
          for item in range(1, 10)]  # fmt: skip
QUERY = "SELECT customer AS user_id, product AS item_id, stars AS rating, bought_at AS time FROM orders"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as con:
        con.execute("CREATE TABLE orders (customer TEXT, product INTEGER, stars REAL, bought_at TEXT)")
        con.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", ORDERS)
    con.close()
    return file


def rows(workspace: Workspace, name: str) -> list[dict[str, object]]:
    return workspace.warehouse.rows(
        "SELECT user_id, item_id, rating, time FROM interactions WHERE dataset = ? ORDER BY ALL", [name]
    )


def csv_of_orders(tmp_path: Path) -> Path:
    file = tmp_path / "orders.csv"
    lines = [f"{user},{item},{stars},{at}" for user, item, stars, at in ORDERS]
    file.write_text("user_id,item_id,rating,time\n" + "\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("as_url", [False, True])
def test_sqlite_is_read_as_a_file_of_the_same_rows_is(
    workspace: Workspace, database: Path, tmp_path: Path, as_url: bool
) -> None:
    source = f"sqlite:///{database}" if as_url else database
    told = ingest_interactions(workspace, "db", source, query=QUERY)
    file = ingest_interactions(workspace, "file", csv_of_orders(tmp_path))
    assert rows(workspace, "db") == rows(workspace, "file")
    assert (told.train, told.valid, told.test) == (file.train, file.valid, file.test)
    (entry,) = workspace.warehouse.rows("SELECT source, settings FROM datasets WHERE dataset = 'db'")
    assert entry["source"] == str(database)
    assert json.loads(entry["settings"])["query"] == QUERY
    assert not list(workspace.scratch.iterdir())


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("DELETE FROM orders", "cannot be read"),
        ("SELECT 1; DELETE FROM orders", "cannot be read"),
        ("SELECT 1) ; DELETE FROM orders --", "cannot be read"),
        ("ATTACH '/tmp/x.db' AS x", "cannot be read"),
        ("SELECT * FROM nowhere", "no such table"),
        ("SELECT zeroblob(9) AS user_id, 1 AS item_id", "holds bytes"),
        (None, "say what is read"),
        ("SELECT customer AS user_id, product AS item_id FROM orders WHERE 0", "no interactions"),
        ("SELECT customer AS user_id, product AS item_id, 'many' AS rating FROM orders", "shop.db.*not a number"),
    ],
)
def test_what_sqlite_is_asked_wrongly_is_one_line_and_changes_nothing(
    workspace: Workspace, database: Path, query: str | None, problem: str
) -> None:
    before = database.read_bytes()
    with pytest.raises(InputError, match=problem) as refused:
        ingest_interactions(workspace, "db", database, query=query)
    assert "\n" not in str(refused.value)
    assert ".scratch" not in str(refused.value)
    assert database.read_bytes() == before
    assert workspace.warehouse.rows("SELECT * FROM datasets") == []
    assert not list(workspace.scratch.glob("*"))


def test_whole_numbers_that_fractions_would_round_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "n.db"
    with sqlite3.connect(file) as con:
        con.execute("CREATE TABLE t (u, i)")
        con.executemany("INSERT INTO t VALUES (?, ?)", [(2**60 + 1, 1), (2**60 + 2, 2)])
    con.close()
    ingest_interactions(workspace, "ids", file, query="SELECT u AS user_id, i AS item_id FROM t")
    assert [row["user_id"] for row in rows(workspace, "ids")] == [str(2**60 + 1), str(2**60 + 2)]
    with sqlite3.connect(file) as con:
        con.execute("INSERT INTO t VALUES (0.5, 3)")
    con.close()
    with pytest.raises(InputError, match="too large"):
        ingest_interactions(workspace, "ids2", file, query="SELECT u AS user_id, i AS item_id FROM t")


def test_rows_are_added_from_where_the_last_reading_ended(workspace: Workspace, database: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"query": QUERY, "since": "time", "split": "temporal:0.8,0.1,0.1"}
    ingest_interactions(workspace, "db", database, **settings)
    first = workspace.warehouse.live("dataset/db")
    assert ingest_interactions(workspace, "db", database, **settings).generation == first  # nothing is new
    late = [
        ("00", 3, 5, "2026-03-20 10:00:00"),
        ("99", 1, 2, "2026-03-10 10:00:00"),
        ("98", 1, 2, "2026-03-21 10:00:00"),
    ]
    with sqlite3.connect(database) as con:
        con.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", late)
        con.execute("DELETE FROM orders WHERE bought_at < '2026-03-05'")  # as where a source keeps the last days only
    con.close()
    ingest_interactions(workspace, "db", database, **settings)
    file = csv_of_orders(tmp_path)
    file.write_text(file.read_text() + "".join(f"{u},{i},{s},{at}\n" for u, i, s, at in late))
    ingest_interactions(workspace, "file", file, split=settings["split"])
    assert rows(workspace, "db") == rows(workspace, "file")
    splits = "SELECT user_id, item_id, split FROM interactions WHERE dataset = ? ORDER BY ALL"
    assert workspace.warehouse.rows(splits, ["db"]) == workspace.warehouse.rows(splits, ["file"])


def test_rows_are_not_added_to_what_was_read_otherwise(workspace: Workspace, database: Path) -> None:
    ingest_interactions(workspace, "db", database, query=QUERY, since="time")
    with sqlite3.connect(database) as con:
        con.execute("INSERT INTO orders VALUES ('7', 1, 3, '2026-04-01 10:00:00')")
    con.close()
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"query": QUERY + " WHERE stars > 2"}, "another query"),
        ({"seed": 1}, "another seed"),
        ({"since": "rating"}, "not read by this column"),
        ({"min_rating": 3.0}, "--since adds"),
    ]
    for wrong, problem in wrongs:
        with pytest.raises(InputError, match=problem):
            ingest_interactions(workspace, "db", database, **({"query": QUERY, "since": "time"} | wrong))
    with pytest.raises(InputError, match="no column named 'when'"):
        ingest_interactions(workspace, "other", database, query=QUERY, since="when")
    with pytest.raises(InputError, match="replace it with --replace"):
        ingest_interactions(workspace, "db", database, query=QUERY)


@pytest.mark.processes
def test_kill_while_a_source_is_read_changes_nothing_and_its_copy_is_removed(
    workspace: Workspace, database: Path
) -> None:
    ingest_interactions(workspace, "db", database, query=QUERY)
    before = workspace.warehouse.live("dataset/db")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS user_id, i AS item_id FROM n"
    code = (
        "import sys\nfrom distaff_data.ingest import ingest_interactions\nfrom distaff_data.workspace import Workspace\n"
        "ingest_interactions(Workspace.open(sys.argv[1]), 'db', sys.argv[2], query=sys.argv[3], replace=True)\n"
    )
    reading = subprocess.Popen([sys.executable, "-c", code, str(workspace.root), str(database), endless])
    deadline = time.monotonic() + 600
    while not (copies := list(workspace.scratch.glob("source-*/held.lock"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not Spool.is_abandoned(copies[0].parent)
    reading.kill()
    reading.wait()
    assert Spool.is_abandoned(copies[0].parent)
    assert workspace.warehouse.live("dataset/db") == before
    assert any(check.check == "scratch" for check in examine(workspace.root, fix=True))
    assert not list(workspace.scratch.glob("source-*"))
    ingest_interactions(workspace, "db", database, query=QUERY, replace=True)


def test_forgotten_people_do_not_come_back_with_rows_that_were_read_before(
    workspace: Workspace, database: Path
) -> None:
    ingest_interactions(workspace, "db", database, query=QUERY, since="time")
    forget(workspace, ["03"], "db")
    with sqlite3.connect(database) as con:
        con.execute("DELETE FROM orders WHERE customer = '03' AND bought_at = (SELECT max(bought_at) FROM orders)")
        con.execute("INSERT INTO orders VALUES ('new', 1, 2, '2026-04-10 10:00:00')")
    con.close()
    ingest_interactions(workspace, "db", database, query=QUERY, since="time")
    users = {row["user_id"] for row in rows(workspace, "db")}
    assert "new" in users
    assert "03" not in users


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with postgres() as port:
        import psycopg

        with psycopg.connect(url(port), password=PASSWORD, autocommit=True) as con:
            con.execute("CREATE TABLE orders (customer text, product int, stars numeric, bought_at timestamp)")
            with con.cursor().copy("COPY orders FROM STDIN") as copy:
                for row in ORDERS:
                    copy.write_row(row)
            con.execute(
                "CREATE TABLE wide AS SELECT g AS id, repeat('x', 200) AS word FROM generate_series(1, 400000) g"
            )
        yield port


def url(port: int) -> str:
    return f"postgresql://{USER}@127.0.0.1:{port}/postgres"


@pytest.fixture
def address(server: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return url(server)


@pytest.mark.postgres
def test_postgres_is_read_as_a_file_of_the_same_rows_is(workspace: Workspace, address: str, tmp_path: Path) -> None:
    ingest_interactions(workspace, "db", address, query=QUERY + " WHERE customer LIKE '0%';")
    ingest_interactions(workspace, "file", csv_of_orders(tmp_path))
    assert rows(workspace, "db") == rows(workspace, "file")
    (entry,) = workspace.warehouse.rows("SELECT source FROM datasets WHERE dataset = 'db'")
    assert entry["source"] == address
    assert not list(workspace.scratch.iterdir())


@pytest.mark.postgres
def test_postgres_rows_are_added_from_where_the_last_reading_ended(workspace: Workspace, address: str) -> None:
    import psycopg

    settings: dict[str, Any] = {"query": QUERY, "since": "time"}
    before = ingest_interactions(workspace, "db", address, **settings)
    assert ingest_interactions(workspace, "db", address, **settings).generation == before.generation
    with psycopg.connect(address) as con:
        con.execute("INSERT INTO orders VALUES ('00', 77, 2, '2026-05-01')")
    after = ingest_interactions(workspace, "db", address, **settings)
    with psycopg.connect(address) as con:
        con.execute("DELETE FROM orders WHERE product = 77")
    assert after.items == before.items + 1
    assert len(rows(workspace, "db")) == len(ORDERS) + 1


@pytest.mark.postgres
def test_every_kind_of_data_comes_from_postgres(workspace: Workspace, address: str) -> None:
    ingest_interactions(workspace, "shop", address, query=QUERY)
    items = (
        "SELECT product AS item_id, 'no. ' || product AS title, ARRAY['a', 'b'] AS tags, "
        "ARRAY[0.5, product]::float8[] AS vector, '{\"k\": 1}'::json AS extra FROM generate_series(1, 9) product"
    )
    told = ingest_attributes(workspace, "item", "shop", address, query=items)
    assert dict(told.vectors) == {"vector": 2}
    hours = "timestamp '2026-01-01' + g * interval '1 hour'"
    series = f"SELECT {hours} AS time, sin(g) AS a, g::numeric AS b FROM generate_series(0, 99) g"
    assert ingest_series(workspace, "waves", address, query=series).channels == 2
    metrics = 'SELECT g * 60 AS time, sin(g) AS "db|cpu", cos(g) AS "web|cpu" FROM generate_series(0, 99) g'
    assert ingest_incidents(workspace, "outage", address, query=metrics, onset=3000.0).dataset == "outage"
    wide = (
        "SELECT 12345678901234567890::numeric(20, 0) AS user_id, uuid '12345678-1234-5678-1234-567812345678' AS item_id"
    )
    ingest_interactions(workspace, "ids", address, query=wide)
    assert rows(workspace, "ids")[0]["user_id"] == "12345678901234567890"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("DELETE FROM orders", "cannot be read"),
        ("SELECT 1; COMMIT; DELETE FROM orders", "cannot be read"),
        ("SELECT 1) TO PROGRAM 'touch /tmp/distaff-was-here' --", "cannot be read"),
        (
            "WITH gone AS (DELETE FROM orders RETURNING *) SELECT customer AS user_id, product AS item_id FROM gone",
            "cannot",
        ),
        ("SELECT * FROM nothing", "does not exist"),
        ("SELECT 1 AS a, 2 AS a", "two columns have this name"),
        ("SELECT 'infinity'::timestamp AS time, 1 AS user_id, 2 AS item_id", "cannot be read"),
        ("SELECT 1 AS user_id, 1 / (product - 5) AS item_id FROM orders", "division by zero"),
        ("SELECT 12345678901234567890::numeric AS user_id, 1 AS item_id", "too large"),
        ("SELECT '\\x00'::bytea AS user_id, 1 AS item_id", "holds bytes"),
    ],
)
def test_what_postgres_is_asked_wrongly_is_one_line_and_changes_nothing(
    workspace: Workspace, address: str, query: str, problem: str
) -> None:
    import psycopg

    with pytest.raises(InputError, match=problem) as refused:
        ingest_interactions(workspace, "db", address, query=query)
    assert "\n" not in str(refused.value)
    with psycopg.connect(address) as con:
        assert con.execute("SELECT count(*) FROM orders").fetchone() == (len(ORDERS),)
    assert workspace.warehouse.rows("SELECT * FROM datasets") == []
    assert not list(workspace.scratch.glob("*"))
    assert not Path("/tmp/distaff-was-here").exists()


@pytest.mark.postgres
def test_rows_of_postgres_pass_through_bounded_memory(workspace: Workspace, address: str) -> None:
    """80 MB of text, in a process that may take 120 MB more than it had before it began."""
    code = (
        "import sys, resource\nfrom pathlib import Path\n"
        "from distaff_data.sources import gathered\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "query = 'SELECT id AS user_id, word AS item_id FROM wide'\n"
        "with gathered(Path(sys.argv[1]), sys.argv[2], query=query + ' LIMIT 40000'): before = peak()\n"
        "with gathered(Path(sys.argv[1]), sys.argv[2], query=query): print((peak() - before) // 1024)\n"
    )
    command = [sys.executable, "-c", code, str(workspace.scratch), address]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 40
