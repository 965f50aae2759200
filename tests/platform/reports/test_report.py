"""Reports of runs and boards: what the warehouse has, escaped, in a file that needs nothing else."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from published import publish

from distaff.board.board import board
from distaff.cli import app as cli
from distaff.reports.report import board_report, run_report
from distaff.runs import marks, records, training
from distaff.testing.data import checkerboard
from distaff_data.errors import UnknownNameError
from distaff_data.workspace import Workspace

HOSTILE = "<script>alert(1)</script> & [a](http://x) | *b*"


class Tags(HTMLParser):
    """The tags of a document, its attributes and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


@pytest.fixture
def fitted(workspace: Workspace) -> tuple[Workspace, str]:
    publish(workspace, checkerboard())
    training.train(workspace, "popularity", "checkerboard")
    return workspace, training.train(workspace, "item_knn", "checkerboard", settings={"n_neighbours": 7}).run


def test_a_run_is_reported_with_its_figures_and_settings(fitted: tuple[Workspace, str]) -> None:
    ws, run = fitted
    report = run_report(ws, run)
    page = Tags(report.html)
    valid = records.metrics_of(ws, [run])[run].get("valid", {})
    for name, value in valid.items():
        assert f"{name}\n{value:.4g}\n" in page.text
    assert "n_neighbours\n7\n" in page.text
    assert "item_knn, a control, on checkerboard, seed 0" in page.text
    with pytest.raises(UnknownNameError, match="no run named"):
        run_report(ws, "nobody")


def test_a_board_is_reported_as_the_board_is(fitted: tuple[Workspace, str]) -> None:
    ws, _ = fitted
    table, page = board(ws, "checkerboard"), Tags(board_report(ws, "checkerboard").html)
    for row in table.rows:
        assert f"{row.model}\ncontrol\n" in page.text
        assert f"{row.metrics['recall@20'].mean:.4f}" in page.text
    assert "by chance" in page.text
    assert all(note in page.text for note in table.notes)


def test_what_people_wrote_is_text_and_nothing_is_loaded_from_elsewhere(fitted: tuple[Workspace, str]) -> None:
    ws, run = fitted
    marks.mark(ws, marks.RUN, run, title=HOSTILE, note=HOSTILE)
    report = run_report(ws, run)
    page = Tags(report.html)
    assert page.text.count(HOSTILE) == 2
    assert "script" not in page.tags
    assert not {"src", "href", "onload"} & page.names
    assert "<script>" not in report.markdown
    assert r"\[a\](http://x) \| \*b\*" in report.markdown


def test_the_verb_writes_both_forms_of_each(
    fitted: tuple[Workspace, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ws, run = fitted

    def call(*arguments: str) -> Any:
        cli.app(["--workspace", str(ws.root), *arguments, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    for name, report in ((run, run_report(ws, run)), ("checkerboard", board_report(ws, "checkerboard"))):
        files = call("report", name, "--out", str(tmp_path))
        assert Path(files["html"]).read_text() == report.html
        assert Path(files["md"]).read_text() == report.markdown
