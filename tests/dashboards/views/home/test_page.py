"""The page *Home*: an empty workspace, a full one, and the verdict on a champion."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dashboard_pages import opened, plain, said
from streamlit.testing.v1 import AppTest

from distaff.board.board import Board, BoardRow, board
from distaff.board.kinds import base_of
from distaff.runs import aliases, training
from distaff.stats.intervals import Interval
from distaff_dashboards.reads.runs import VALIDATED
from distaff_dashboards.ui.verdict import leader, verdict
from distaff_dashboards.views.home.page import standing
from distaff_dashboards.views.home.reads import age
from distaff_data.planted.incidents import planted_incidents
from distaff_data.tables.incidents import publish_incidents
from distaff_data.workspace import Workspace

PAGE, DATASET = "home", "shop"


def labels(app: AppTest) -> list[str]:
    return [str(getattr(link, "label", "")).replace("\\", "") for link in app.get("page_link")]


def test_without_a_workspace_the_page_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "distaff init" in said(opened(monkeypatch, tmp_path, PAGE))


def test_an_empty_workspace_has_three_ways_in_and_a_sample_at_a_click(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    app = opened(monkeypatch, workspace.root, PAGE)
    commands = "\n".join(block.value for block in app.code)
    for kind in ("interactions", "series", "incidents"):
        assert f"distaff ingest {kind}" in commands
        assert app.button(key=f"load-planted-{kind}").label == "Load a sample"
    app.button(key="load-planted-incidents").click().run()
    assert not app.exception
    loaded = workspace.warehouse.rows("SELECT dataset, kind FROM datasets")
    assert loaded == [{"dataset": "planted-incidents", "kind": "incidents"}]
    assert "distaff diagnose planted-incidents" in said(app)
    assert not app.button


def test_a_workspace_is_seen_at_a_glance(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    app = opened(monkeypatch, filled.root, PAGE)
    table = board(filled, DATASET)
    best = leader(table.rows, table.metric, control=False)
    assert best is not None
    assert verdict(best, leader(table.rows, table.metric, control=True), table.metric).text in said(app)
    assert f"Best on validation: {best.runs[0]}" in labels(app)
    assert "60 users" in plain(app)
    assert "loaded today" in plain(app)
    assert {"Needs a look", "Open incidents", "Last jobs", "People and items"} <= {h.value for h in app.subheader}


def test_an_incident_whose_cause_nobody_has_named_is_open(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    data = planted_incidents(n_cases=2, n_entities=3, n_normal=60, n_fault=30, seed=1, dataset="outages")
    unknown = replace(data.cases[1], name="<b>tonight", roots=(), root_columns=())
    publish_incidents(workspace.warehouse, replace(data, cases=(data.cases[0], unknown)), source="", settings={})
    app = opened(monkeypatch, workspace.root, PAGE)
    found = [label for label in labels(app) if "outages" in label]
    assert found == ["<b>tonight (outages): not diagnosed yet"]


def test_the_champion_stands_where_there_is_one(filled: Workspace) -> None:
    table = board(filled, DATASET)
    model, control = (leader(table.rows, table.metric, control=flag) for flag in (False, True))
    assert model is not None
    assert control is not None
    assert standing(table, None) == (verdict(model, control, table.metric), model.runs[0])
    found, run = standing(table, ("champion", control.runs[0]))
    assert (found.level, run) == ("open", control.runs[0])
    assert "itself a control" in found.text
    found, run = standing(table, ("champion", "gone"))
    assert (found.level, run) == ("open", "gone")
    assert "no test of it" in found.text


def test_the_page_names_the_alias(monkeypatch: pytest.MonkeyPatch, bare: Workspace) -> None:
    run = training.train(bare, "popularity", DATASET, device="cpu").run
    aliases.promote(bare, run, "night")
    assert f"night: {run}" in labels(opened(monkeypatch, bare.root, PAGE))


def test_a_verdict_needs_a_control_and_a_test() -> None:
    def row(model: str, mean: float, *, control: bool) -> BoardRow:
        return BoardRow(model, control, {}, [model], {"recall@20": Interval(mean)})

    empty = Board(DATASET, "test", "recall@20", [], {}, None)
    assert standing(empty, None)[0].level == "bad"
    weak, strong = row("ease", 0.2, control=True), row("plait", 0.3, control=False)
    assert verdict(strong, None, "recall@20").level == "bad"
    assert verdict(None, weak, "recall@20").level == "open"
    assert verdict(strong, weak, "recall@20").level == "open"  # no paired test was made
    assert "paired test was not made" in verdict(strong, weak, "recall@20").text
    assert verdict(row("plait", 0.1, control=False), weak, "recall@20").level == "bad"


def test_runs_are_known_by_the_metrics_of_the_board() -> None:
    for kind, metrics in VALIDATED.items():
        assert metrics == base_of(kind).headline


def test_ages_are_words() -> None:
    now = datetime(2026, 5, 10, 12, tzinfo=UTC)
    for days, words in ((0.4, "today"), (1.2, "yesterday"), (9.5, "9 days ago")):
        assert age(now - timedelta(days=days), now) == words
