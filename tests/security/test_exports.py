"""Attacks through exported tables: a cell that a spreadsheet runs."""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path

import pyarrow as pa
import pytest

import distaff
from distaff import exports
from distaff.cli.state import printable
from distaff_dashboards.ui.export import to_csv

ROOT = Path(distaff.__file__).parents[2]
ATTACKS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1+1",
    "＠A1",
    '=cmd|"/c calc"!A1',
]
TABLE = pa.table(
    {
        "text": ATTACKS,
        "large": pa.array(ATTACKS, pa.large_string()),
        "code": pa.array(ATTACKS).dictionary_encode(),
        "list": pa.array([[attack] for attack in ATTACKS]),
        "=2+2": pa.array(["-12.5e3"] * len(ATTACKS)),
    }
)


def written(tmp_path: Path) -> str:
    exports.write(TABLE, tmp_path / "out.csv")
    return (tmp_path / "out.csv").read_bytes().decode()


def shown(tmp_path: Path) -> str:
    return to_csv(TABLE).decode()


@pytest.mark.parametrize("export", [written, shown])
def test_no_cell_and_no_column_of_a_csv_starts_a_formula(tmp_path: Path, export: object) -> None:
    assert callable(export)
    head, *rows = csv.reader(io.StringIO(export(tmp_path), newline=""))
    assert head[-1] == "'=2+2"
    for attack, row in zip(ATTACKS, rows, strict=True):
        assert row[:4] == ["'" + attack] * 4
        assert row[4] == "-12.5e3"  # a number stays one


def test_every_csv_is_written_by_the_two_functions_that_defuse() -> None:
    writers = {"write_csv", "to_csv", "CSVWriter", "DictWriter"}
    found = set()
    for folder in ("platform", "graph", "timeseries", "dashboards", "data"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                named = getattr(node, "attr", getattr(node, "id", None))
                if named in writers or (named == "writer" and getattr(getattr(node, "value", None), "id", "") == "csv"):
                    found.add(file.relative_to(ROOT).as_posix())
    assert found == {
        "platform/distaff/exports.py",
        "dashboards/distaff_dashboards/ui/export.py",
        "dashboards/distaff_dashboards/ui/widgets.py",  # calls export.to_csv
    }


def test_terminal_obeys_nothing_that_stands_in_a_title() -> None:
    assert printable("a\x1b]0;owned\x07b\x9b31m\r") == "a\N{REPLACEMENT CHARACTER}]0;owned" + (
        "\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}31m\N{REPLACEMENT CHARACTER}"
    )


def test_terminal_shows_markup_in_a_title_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from distaff.cli import state

    monkeypatch.setattr(state, "_out", Console(markup=state._out._markup, emoji=False, width=200, file=io.StringIO()))
    state.emit_table("x", ("title",), [("[link=http://evil]here[/link]",), ("broken [/b] tag",)])
    file = state._out.file
    assert isinstance(file, io.StringIO)
    assert "[link=http://evil]here[/link]" in file.getvalue()
    assert "broken [/b] tag" in file.getvalue()
