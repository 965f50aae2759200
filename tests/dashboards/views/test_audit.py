"""The page Audit shows the lines of the verb."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_pages import opened, said

from distaff.audit.referee import audit
from distaff.runs import training
from distaff_data.workspace import Workspace

PAGE, DATASET = "audit", "shop"


def test_the_page_shows_the_lines_of_the_verb(monkeypatch: pytest.MonkeyPatch, bare: Workspace) -> None:
    training.train(bare, "popularity", DATASET, device="cpu")
    app = opened(monkeypatch, bare.root, PAGE)
    lines, found = app.dataframe[0].value, audit(bare, DATASET)
    assert lines["question"].tolist() == [finding.check for finding in found.findings]
    assert lines["figure"].tolist() == [finding.figure for finding in found.findings]
    assert [verdict.split()[-1] for verdict in lines["verdict"]] == [finding.verdict for finding in found.findings]
    assert f"1 of {len(found.findings)} lines fail" in said(app)  # ease and als are missing


def test_a_workspace_without_data_says_what_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Workspace.create(tmp_path / "workspace")
    assert "distaff ingest" in said(opened(monkeypatch, tmp_path / "workspace", PAGE))
