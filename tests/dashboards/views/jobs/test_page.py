"""The page *Jobs*, over tables written as the scheduler writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dashboard_pages import APP, plain, turn_to
from streamlit.testing.v1 import AppTest

from distaff import jobs
from distaff.jobs import Job
from distaff_dashboards.reads.source import Source
from distaff_dashboards.views.jobs import reads
from distaff_data.workspace import Workspace

NOW = datetime(2026, 5, 1, 3, tzinfo=UTC)


@pytest.fixture
def page(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(workspace.root))
    return turn_to(AppTest.from_file(str(APP), default_timeout=600).run(), "jobs")


def write(workspace: Workspace) -> None:
    jobs.add(workspace, Job.parse("nightly", {"cron": "0 3 * * *", "model": "champion"}))
    jobs.add(workspace, Job.parse("outlook", {"cron": "0 * * * *", "model": "weather", "task": "forecast"}))
    append = workspace.warehouse.append
    common: dict[str, Any] = {"missed": 0, "started_at": NOW, "attempts": 1, "process": 1, "model": "champion"}
    append(
        "executions",
        [
            {"execution": "a", "job": "nightly", "due_at": NOW - timedelta(days=1), "status": "done", "rows": 9, **common},
            {"execution": "b", "job": "nightly", "due_at": NOW, "status": "failed", "message": "=no <b>room", **common},
            {"execution": "c", "job": "outlook", "due_at": NOW, "status": "added", **common},
        ],
        written_at=NOW,
    )  # fmt: skip
    changes = [
        ("champion", 1, "run-1", "promote"),
        ("champion", 2, "run-2", "promote"),
        ("champion", 3, "run-1", "rollback"),
    ]
    for alias, number, run, action in changes:
        row = {"alias": alias, "promotion": number, "run": run, "action": action}
        append("promotions", [row], written_at=NOW + timedelta(hours=number))
    for drift, at in (("old", NOW), ("new", NOW + timedelta(hours=1))):
        rows = [
            {"part": "items", "name": "", "measure": "total variation", "value": 0.3, "limit": 0.1,
             "drifted": drift == "new"},
            {"part": "activity", "name": "", "measure": "psi", "value": 0.0, "limit": 0.1, "drifted": False},
        ]  # fmt: skip
        append("drifts", rows, drift=drift, run="run-1", dataset="shop", written_at=at)
    append(
        "forgettings", [{"forgetting": "f", "dataset": "shop", "subjects": ["0f"], "status": "done"}], written_at=NOW
    )
    model = {"forgetting": "f", "run": "run-1", "method": "rows", "status": "queued", "before": 0.7, "after": 0.5}
    append("forgotten_models", [model], written_at=NOW)


def test_without_a_job_the_page_says_how_to_add_one(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "distaff schedule add" in plain(page)


def test_page_shows_what_failed_what_stands_and_what_drifted(page: AppTest, workspace: Workspace) -> None:
    write(workspace)
    page.run()
    assert not page.exception
    text = plain(page)
    assert "Failed when last due: nightly." in text
    assert "**champion** is run-1" in text
    assert "distaff rollback champion" in text
    assert "no longer what run-1 was fitted to" in text
    schedule, executions, drift, aliases, forgotten = (table.value for table in page.dataframe)
    assert schedule["job"].tolist() == ["nightly", "outlook"]
    assert schedule["status"].tolist()[0] == "failed"
    assert executions["status"].tolist() == ["failed", "done"]
    assert aliases["current"].tolist() == [True, False, False]
    assert drift["drifted"].tolist() == [True, False]
    assert forgotten["model"].tolist() == ["queued"]


def test_broken_configuration_is_told_and_the_rest_is_shown(page: AppTest, workspace: Workspace) -> None:
    write(workspace)
    workspace.config.write_text("[schedule.x]\ncron = 1\n")
    page.run()
    assert not page.exception
    assert "job 'x'" in plain(page)
    assert next(table.value.shape[0] for table in page.dataframe) == 2


def test_next_times_follow_the_clock(workspace: Workspace) -> None:
    write(workspace)
    source = Source(str(workspace.root), "x")
    table = reads.overview(source, jobs.read(workspace), datetime(2026, 5, 1, 4, 30, tzinfo=UTC))
    assert [f"{t:%d %H}" for t in table["next"]] == ["02 03", "01 05"]
