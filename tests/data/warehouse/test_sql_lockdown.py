"""A statement that a person types can read the tables and do nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from distaff_data.errors import InputError
from distaff_data.workspace import Workspace


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.create(tmp_path_factory.mktemp("sql") / "workspace")
    with workspace.warehouse.publish("dataset/a") as publication:
        rows = [{"user_id": f"u{number}", "item_id": "i"} for number in range(10)]
        publication.append("interactions", rows, dataset="a")
    return workspace


def test_a_select_is_answered(filled: Workspace) -> None:
    selection = filled.warehouse.select("SELECT count(*) AS n FROM interactions")
    assert selection.table.to_pylist() == [{"n": 10}]
    assert not selection.truncated


def test_rows_past_the_limit_are_cut_and_said_to_be(filled: Workspace) -> None:
    selection = filled.warehouse.select("SELECT * FROM interactions", limit=3)
    assert selection.table.num_rows == 3
    assert selection.truncated


@pytest.mark.parametrize("sql", ["DESCRIBE interactions", "SHOW TABLES", "FROM interactions", "VALUES (1)"])
def test_harmless_forms_of_reading_are_allowed(filled: Workspace, sql: str) -> None:
    assert filled.warehouse.select(sql).table.num_rows > 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE interactions",
        "",
        "not sql at all",
        "DROP VIEW interactions",
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO interactions VALUES (1)",
        "COPY (SELECT 1) TO '{outside}'",
        "COPY interactions TO '{data}' (FORMAT parquet, use_tmp_file false)",
        "EXPORT DATABASE '{outside}'",
        "ATTACH '{outside}' AS x",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET memory_limit",
        "PRAGMA database_list",
        "CALL duckdb_settings()",
        "CREATE SECRET s (TYPE s3, KEY_ID 'k', SECRET 's')",
        "PIVOT interactions ON dataset USING count(*)",
    ],
)
def test_anything_but_one_select_is_refused(filled: Workspace, tmp_path: Path, sql: str) -> None:
    data = next((filled.warehouse.root / "interactions").glob("*.parquet"))
    before = data.read_bytes()
    with pytest.raises(InputError):
        filled.warehouse.select(sql.format(outside=tmp_path / "out", data=data))
    assert data.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM read_text('{root}/../distaff.toml')",
        "SELECT * FROM read_text('{root}/schema.json')",
        "SELECT * FROM read_text('{root}/interactions/link')",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')",
    ],
)
def test_files_outside_the_tables_cannot_be_read(filled: Workspace, sql: str) -> None:
    link = filled.warehouse.root / "interactions" / "link"
    if not link.exists():
        link.symlink_to("/etc/passwd")
    try:
        found = filled.warehouse.select(sql.format(root=filled.warehouse.root)).table
    except InputError:
        return
    assert found.num_rows == 0, "a glob may be answered, with nothing"


def test_a_query_cannot_see_the_callers_variables(filled: Workspace) -> None:
    import pyarrow as pa

    secret = pa.table({"x": [1]})
    with pytest.raises(InputError, match="secret"):
        filled.warehouse.select("SELECT * FROM secret")
    assert secret.num_rows == 1


def test_a_statement_that_runs_too_long_is_stopped(filled: Workspace) -> None:
    with pytest.raises(InputError, match="longer than"):
        filled.warehouse.select(
            "SELECT sum(hash(a.range + b.range)) FROM range(1000000) a, range(1000000) b", seconds=0.5
        )


def test_an_error_is_one_line(filled: Workspace) -> None:
    with pytest.raises(InputError) as caught:
        filled.warehouse.select("SELECT nothing FROM interactions")
    assert "\n" not in str(caught.value)


def test_files_in_a_temporary_directory_are_out_of_reach(
    filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB lets a connection read its temporary directory, which is ``.tmp`` of the working directory by default."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / "s").write_text("secret")
    with pytest.raises(InputError):
        filled.warehouse.select(f"SELECT content FROM read_text('{tmp_path}/.tmp/s')")
    try:
        found = filled.warehouse.select(f"SELECT * FROM glob('{tmp_path}/.tmp/*')").table.num_rows
    except InputError:
        found = 0
    assert found == 0
    (allowed,) = filled.warehouse.select("SELECT current_setting('allowed_directories') AS d").table.to_pylist()
    assert allowed["d"] == []
