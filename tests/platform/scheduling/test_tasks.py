"""Embeddings, forecasts and diagnoses by the clock: of the data as it is now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from distaff import jobs
from distaff.incidents.diagnose import diagnose
from distaff.jobs import Job
from distaff.runs import records, training
from distaff.scheduling import history, scheduler
from distaff.scheduling.tasks import perform
from distaff_data.datasets.series import Series
from distaff_data.errors import DistaffError
from distaff_data.planted.samples import sample
from distaff_data.tables.series import publish_series
from distaff_data.workspace import Workspace

START = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


class Hours:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing to wait for")


def waves(n_rows: int, *, level: float = 0.0) -> Series:
    draw = np.random.default_rng(0)
    time = np.arange(n_rows)
    values = np.stack([np.sin(time / 4), np.cos(time / 9)], 1) + draw.normal(0, 0.1, (n_rows, 2)) + level
    data = Series.from_rows(values.astype(np.float32), [n_rows], channels=["a", "b"], name="waves")
    return data.with_splits(
        torch.from_numpy(np.searchsorted([0.6, 0.8], np.arange(n_rows) / n_rows, "right").astype(np.int8))
    )


def hourly(workspace: Workspace, clock: Hours, **settings: Any) -> list[history.Execution]:
    """Add a job, and carry it out an hour later."""
    jobs.add(workspace, Job.parse(str(settings["task"]), {"cron": "0 * * * *", **settings}))
    scheduler.run_due(workspace, clock=clock)
    clock.time += timedelta(hours=1)
    return scheduler.run_due(workspace, clock=clock)


def test_forecasts_and_embeddings_are_of_the_series_as_they_are_now(workspace: Workspace, tmp_path: Path) -> None:
    publish_series(workspace.warehouse, waves(400), source="", format="", split="", settings={})
    run = training.train(workspace, "pca", "waves", settings={"seq_len": 24, "horizons": [6]}, device="cpu").run
    clock = Hours()
    (done,) = hourly(workspace, clock, task="forecast", model=run, out="outlook.parquet")
    assert (done.status, done.rows, done.users) == ("done", 12, None)
    first = pq.read_table(workspace.root / "outlook.parquet")["time"].to_pylist()
    publish_series(workspace.warehouse, waves(500, level=3.0), source="", format="", split="", settings={})
    jobs.add(workspace, Job.parse("embed", {"cron": "0 * * * *", "task": "embed", "model": run}))
    clock.time += timedelta(hours=1)
    (again,) = scheduler.run_due(workspace, clock=clock)
    later = pq.read_table(workspace.root / "outlook.parquet")["time"].to_pylist()
    assert min(later) == min(first) + 100
    assert "drift since training: channels" in str(again.message)
    clock.time += timedelta(hours=1)
    assert {e.job: e.status for e in scheduler.run_due(workspace, clock=clock)} == {"forecast": "done", "embed": "done"}
    assert workspace.warehouse.rows("SELECT count(*) AS n FROM embeddings")[0]["n"] == 500 // 24
    with workspace.warehouse.lock(f"embed/{run}"), pytest.raises(DistaffError, match="another process"):
        perform(workspace, "embed", records.find(workspace, run), top_k=1, out=None)


def test_diagnoses_are_made_once_for_each_state_of_the_incidents(workspace: Workspace) -> None:
    sample(workspace, "planted-incidents", name="outages", n_cases=2, n_entities=4)
    run = diagnose(workspace, "outages", model="nsigma").run.run
    clock = Hours()
    (done,) = hourly(workspace, clock, task="diagnose", model=run, out="causes.csv")
    assert (done.status, done.run) == ("done", run)
    assert (workspace.root / "causes.csv").read_text().startswith('"run"')
    sample(workspace, "planted-incidents", name="outages", replace=True, seed=1, n_cases=2, n_entities=4)
    runs_of = []
    for _ in range(2):
        clock.time += timedelta(hours=1)
        (done,) = scheduler.run_due(workspace, clock=clock)
        assert done.status == "done"
        runs_of.append(done.run)
    assert runs_of[0] == runs_of[1] != run
    assert workspace.warehouse.rows("SELECT count(*) AS n FROM drifts WHERE run = ? AND part = 'channels'", [run])[0][
        "n"
    ]


def test_task_that_a_model_cannot_do_fails_without_a_second_attempt(workspace: Workspace) -> None:
    publish_series(workspace.warehouse, waves(400), source="", format="", split="", settings={})
    run = training.train(workspace, "pca", "waves", settings={"seq_len": 24, "horizons": [6]}, device="cpu").run
    (done,) = hourly(workspace, Hours(), task="score", model=run)
    assert (done.status, done.exit_status, done.attempts) == ("failed", 2, 1)
    assert "works on series" in str(done.message)
