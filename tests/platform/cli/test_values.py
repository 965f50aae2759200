"""What ``distaff sql`` prints is valid JSON, whatever the values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _sql(workspace: Workspace, statement: str, *options: str) -> Any:
    ended = CliRunner().invoke(app, ["--workspace", str(workspace.root), "sql", statement, *options])
    if ended.exception is not None:
        raise ended.exception
    return ended.stdout if not options else json.loads(ended.stdout, parse_constant=_refuse)["rows"]


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("'nan'::DOUBLE", "NaN"),
        ("'-inf'::FLOAT", "-Infinity"),
        ("[1.5, 'inf'::DOUBLE]", [1.5, "Infinity"]),
        ("{'a': 'nan'::DOUBLE}", {"a": "NaN"}),
        ("'infinity'::TIMESTAMP", "infinity"),
        ("'-infinity'::DATE", "-infinity"),
        ("DATE '290000-01-01'", "290000-01-01"),
        ("TIMESTAMP '19999-12-31 10:00:00'", "19999-12-31 10:00:00.000000"),
        ("TIMESTAMPTZ '19999-12-31 10:00:00'", "19999-12-31 10:00:00.000000+00:00"),
        ("[DATE '20000-01-01', NULL]", ["20000-01-01", None]),
        ("DATE '2024-02-29'", "2024-02-29"),
    ],
)
def test_values_that_json_or_python_has_not_are_texts(workspace: Workspace, expression: str, printed: object) -> None:
    assert _sql(workspace, f"SELECT {expression} AS x", "--json") == [{"x": printed}]
    assert "x" in _sql(workspace, f"SELECT {expression} AS x")


def test_columns_of_one_name_are_all_shown_and_refused_as_records(workspace: Workspace) -> None:
    shown = _sql(workspace, "SELECT 'first' AS x, 'second' AS x")
    assert "first" in shown
    assert "second" in shown
    with pytest.raises(InputError, match="column x: two columns have one name"):
        _sql(workspace, "SELECT 1 AS x, 2 AS x", "--json")


def test_file_of_rows_with_wide_dates_is_written(workspace: Workspace, tmp_path: Path) -> None:
    for ending in ("csv", "parquet"):
        out = tmp_path / f"wide.{ending}"
        statement = "SELECT DATE '20000-01-01' AS d, 'nan'::DOUBLE AS x"
        CliRunner().invoke(app, ["--workspace", str(workspace.root), "sql", statement, "--out", str(out)])
        assert out.is_file()
