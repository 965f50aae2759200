"""One workspace, many processes: nobody waits with an error, nothing is lost, nothing is seen half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import workspace_processes
from published import publish

from distaff.runs import records, training
from distaff.testing.data import checkerboard
from distaff_data.workspace import Workspace

pytestmark = pytest.mark.processes

SUPPORT = Path(workspace_processes.__file__).parent


def _start(role: str, workspace: Workspace, argument: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "workspace_processes", role, str(workspace.root), argument]
    return subprocess.Popen(command, cwd=SUPPORT, stderr=subprocess.PIPE, text=True)


def test_trainer_scorer_and_three_readers_share_a_workspace(workspace: Workspace, tmp_path: Path) -> None:
    publish(workspace, checkerboard())
    first = training.train(workspace, "popularity", "checkerboard", seed=100)
    stop = tmp_path / "stop"
    readers = [_start("read", workspace, str(stop)) for _ in range(3)]
    writers = [_start("train", workspace, "4"), _start("score", workspace, first.run)]
    problems = [writer.communicate(timeout=600)[1] for writer in writers]
    stop.touch()
    problems += [reader.communicate(timeout=600)[1] for reader in readers]
    assert problems == [""] * 5
    done = [run.seed for run in records.listing(workspace) if run.status == "done"]
    assert sorted(done) == [*range(4), 100]
    assert workspace.warehouse.rows("SELECT count(*) AS n FROM recommendations") == [{"n": 200}]
