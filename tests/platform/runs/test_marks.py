"""Titles, notes, tags and archiving: what is said about runs and datasets, and what an archived run is left out of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from published import publish

from distaff.board.board import board
from distaff.cli import app as cli
from distaff.runs import marks, training
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.workspace import Workspace


@pytest.fixture
def fitted(workspace: Workspace) -> tuple[Workspace, list[str]]:
    publish(workspace, checkerboard())
    return workspace, [training.train(workspace, name, "checkerboard").run for name in ("popularity", "item_knn")]


def test_what_is_said_stays_until_it_is_taken_back(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (run, other) = fitted
    marks.mark(ws, marks.RUN, run, title=" before the sale ", note="kept for March", add=["weekly", "shop: a/b"])
    marks.mark(ws, marks.RUN, run, add=["weekly", "late"], remove=["shop: a/b"], archived=True)
    assert marks.marks_of(ws, marks.RUN) == {
        run: marks.Annotation("run", run, "before the sale", "kept for March", ("weekly", "late"), True)
    }
    marks.mark(ws, marks.RUN, run, title="", note=" ", archived=False)
    assert marks.marks_of(ws, marks.RUN)[run] == marks.Annotation("run", run, None, None, ("weekly", "late"), False)
    assert other not in marks.marks_of(ws, marks.RUN)


def test_what_there_is_not_is_refused_and_changes_nothing(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (run, _) = fitted
    with pytest.raises(UnknownNameError, match="no run named"):
        marks.mark(ws, marks.RUN, "nobody", title="x")
    with pytest.raises(UnknownNameError, match="no dataset named"):
        marks.mark(ws, marks.DATASET, "nothing", archived=True)
    for tag in ("", " a", "a\nb", "<b>"):
        with pytest.raises(InputError, match="a tag is letters"):
            marks.mark(ws, marks.RUN, run, add=[tag])
    with pytest.raises(InputError, match="no such tag; it has: none"):
        marks.mark(ws, marks.RUN, run, remove=["weekly"])
    assert marks.marks_of(ws, marks.RUN) == {}


def test_an_archived_run_is_left_out_of_the_board_which_says_so(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (run, other) = fitted
    before = board(ws, "checkerboard")
    assert not any("archived" in note for note in before.notes)
    marks.mark(ws, marks.RUN, other, archived=True)
    after = board(ws, "checkerboard")
    assert [row.runs for row in after.rows] == [[run]]
    assert "1 archived run left out; with them: distaff board checkerboard --archived" in after.notes
    assert after.n_tried == before.n_tried  # what was tried was tried, archived or not
    assert board(ws, "checkerboard", archived=True) == before


def test_notes_that_name_somebody_are_found(fitted: tuple[Workspace, list[str]]) -> None:
    ws, (run, other) = fitted
    marks.mark(ws, marks.RUN, run, note="bad lists for u12, and for anna@example.org")
    marks.mark(ws, marks.DATASET, "checkerboard", note="nothing of u123")
    names = ["checkerboard", run, other]
    assert marks.mentioning(ws, names, ["u12"]) == [run]
    assert marks.mentioning(ws, names, ["anna@example.org"]) == [run]
    assert marks.mentioning(ws, [other], ["u12"]) == []


def test_the_verbs_say_it_and_listings_show_it(
    fitted: tuple[Workspace, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    ws, (run, other) = fitted

    def call(*arguments: str) -> Any:
        cli.app(["--workspace", str(ws.root), *arguments, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    call("rename", run, "before the sale")
    call("tag", run, "weekly", "late")
    assert call("tag", run, "late", "--remove")["tags"] == ["weekly"]
    assert call("note", run, "--note", "kept for March")["note"] == "kept for March"
    (tagged,) = call("runs", "--tag", "weekly")["runs"]
    assert (tagged["run"], tagged["title"], tagged["note"]) == (run, "before the sale", "kept for March")
    call("archive", "run", run)
    assert [row["run"] for row in call("runs")["runs"]] == [other]
    assert {row["run"] for row in call("runs", "--archived")["runs"]} == {run, other}
    call("archive", "run", run, "--undo")
    assert {row["run"] for row in call("runs")["runs"]} == {run, other}
    call("archive", "dataset", "checkerboard")
    assert call("datasets")["datasets"] == []
    assert [row["dataset"] for row in call("datasets", "--archived")["datasets"]] == ["checkerboard"]
