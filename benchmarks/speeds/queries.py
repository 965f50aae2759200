"""Twenty small queries of a warehouse of forty writes, as a page of the dashboard makes them.

The peer is the two libraries themselves as one would call them, a database and a table's log opened for each query.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
from deltalake import DeltaTable

from distaff_data.warehouse import Warehouse

PEER = "duckdb and deltalake, opened for each query"
REPEATS = 7
UNITS = ("query", 20)
WRITES, QUERIES = 40, 20


def written(folder: str) -> Warehouse:
    """Return a new warehouse with as many generations of lists as there are writes."""
    warehouse = Warehouse.create(Path(folder) / "warehouse")
    for n in range(WRITES):
        with warehouse.publish(f"recommendations/run{n}") as out:
            out.append("recommendations", [{"user_id": f"u{n}", "rank": 1}], run=f"run{n}")
    return warehouse


def ours(data: Path) -> Callable[[], object]:
    folder = tempfile.TemporaryDirectory()
    warehouse = written(folder.name)

    def query() -> int:
        assert folder  # it goes with the last query that may be asked
        return int(warehouse.query("SELECT user_id FROM recommendations").num_rows)

    return lambda: [_checked(query()) for _ in range(QUERIES)]


def peer(data: Path) -> Callable[[], object]:
    folder = tempfile.TemporaryDirectory()
    root = written(folder.name).root
    sql = (
        "SELECT user_id FROM read_parquet($lists) WHERE generation IN (SELECT generation FROM (SELECT generation FROM "
        "read_parquet($live) QUALIFY row_number() OVER (PARTITION BY target ORDER BY written_at DESC) = 1))"
    )

    def query() -> int:
        assert folder
        files = {name: DeltaTable(root / name).file_uris() for name in ("publications", "recommendations")}
        with duckdb.connect(":memory:") as con:
            parameters = {"lists": files["recommendations"], "live": files["publications"]}
            return int(con.sql(sql, params=parameters).to_arrow_table().num_rows)

    return lambda: [_checked(query()) for _ in range(QUERIES)]


def _checked(rows: int) -> int:
    assert rows == WRITES, rows
    return rows
