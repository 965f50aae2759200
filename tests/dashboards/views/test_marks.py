"""Titles, notes, tags and archived runs on the pages."""

from __future__ import annotations

import pytest
from dashboard_pages import opened, plain

from distaff.reports.report import board_report, run_report
from distaff.runs import marks, records, training
from distaff_dashboards.reads import reports
from distaff_dashboards.reads.source import whole_workspace
from distaff_data.workspace import Workspace


def test_the_run_page_shows_and_keeps_what_is_said(monkeypatch: pytest.MonkeyPatch, bare: Workspace) -> None:
    run = training.train(bare, "popularity", "shop").run
    marks.mark(bare, marks.RUN, run, note="<b>kept</b> for March", add=["weekly"])
    app = opened(monkeypatch, bare.root, "run", run=run)
    assert "<b>kept</b> for March" in plain(app)
    assert "Tags: weekly" in plain(app)
    next(box for box in app.text_input if box.label == "Title").set_value("before the sale")
    next(box for box in app.text_input if box.label == "Tags").set_value("late, monthly")
    next(box for box in app.checkbox if box.label == "Archived").check()
    next(button for button in app.button if button.label == "Save").click().run()
    assert not app.exception
    said = marks.marks_of(bare, marks.RUN)[run]
    assert (said.title, said.tags, said.archived) == ("before the sale", ("late", "monthly"), True)
    assert said.note == "<b>kept</b> for March"
    assert "before the sale" in plain(app)
    assert "is archived" in plain(app)


def test_menus_leave_an_archived_run_out_until_a_link_names_it(
    monkeypatch: pytest.MonkeyPatch, bare: Workspace
) -> None:
    run, other = (training.train(bare, "popularity", "shop", seed=seed).run for seed in (0, 1))
    marks.mark(bare, marks.RUN, other, archived=True)
    without = opened(monkeypatch, bare.root, "run")
    assert without.selectbox(key="run").value == run
    assert not any("archived" in option for option in without.selectbox(key="run").options)
    asked = opened(monkeypatch, bare.root, "run", run=other)
    assert asked.selectbox(key="run").value == other
    assert "is archived" in plain(asked)


def test_the_run_and_the_board_can_be_downloaded_as_reports(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    run = next(run.run for run in records.listing(filled) if run.model == "nmf")
    for page, link in (("run", {"run": run}), ("board", {"dataset": "shop"})):
        app = opened(monkeypatch, filled.root, page, **link)
        assert "Report" in [button.proto.label for button in app.get("download_button")]
    source = whole_workspace()
    assert reports.run_html(source, run) == run_report(filled, run).html
    assert reports.board_html(source, "shop") == board_report(filled, "shop").html
