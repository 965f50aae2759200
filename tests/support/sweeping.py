"""A sweep with two workers, one of which is killed while it works on a trial; and what must hold afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from distaff.runs import records
from distaff.sweeps import tuning
from distaff.sweeps.plan import Plan
from distaff_data.workspace import Workspace

SPACE = "lr = {low = 0.01, high = 0.1, log = true}\nn_layers = [1, 2]\nembedding_dim = 8\nreg = 0.0\n"


def slow_plan(workspace: Workspace, folder: Path) -> Plan:
    """A question whose trials last long enough to be killed midway."""
    file = folder / "slow.toml"
    file.write_text(SPACE)
    settings = {"max_epochs": 60, "eval_every": 2}
    return Plan.make(workspace, "lightgcn", "checkerboard", space=file, settings=settings, pruner="none")


def tune_and_kill(workspace: Workspace, plan: Plan, budget: int = 4, **options: Any) -> None:
    """Tune with two workers, kill one with -9 midway, and check that no trial is lost or doubled."""
    storage, result = options.get("storage"), []
    sweep = threading.Thread(
        target=lambda: result.append(tuning.tune(workspace, plan, "s", budget=budget, workers=2, **options))
    )
    sweep.start()
    killed, deadline = None, time.monotonic() + 600
    while killed is None:
        assert sweep.is_alive(), "the sweep ended before a worker could be killed"
        assert time.monotonic() < deadline, "no trial of a worker was under way"
        time.sleep(0.05)
        busy = [run for run in records.listing(workspace, study="s") if run.status == "running"]
        if busy and tuning.find_study(workspace, "s", storage).trials:
            killed = busy[0]
            os.kill(killed.process, signal.SIGKILL)
    sweep.join(timeout=600)
    assert not sweep.is_alive()
    rows = result[0].trials
    good = [row for row in rows if row.state == "complete"]
    assert len(good) == budget
    assert len({row.settings for row in good}) == budget
    assert len({row.run for row in good}) == budget
    lost = [row for row in rows if row.state == "lost"]
    assert {row.retry_of for row in good} - {None} == {row.trial for row in lost}
    by_run = {run.run: run.status for run in records.listing(workspace, study="s")}
    assert by_run.pop(killed.run) in ("interrupted", "done")  # done, when it ended while it was being picked
    assert set(by_run.values()) == {"done"}
