from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest

from distaff import jobs
from distaff.jobs import Job
from distaff.scheduling import readiness
from distaff.scheduling.readiness import Heartbeat
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace


@pytest.fixture
def job(workspace: Workspace) -> Workspace:
    jobs.add(workspace, Job.parse("nightly", {"cron": "0 3 * * *", "model": "champion"}))
    return workspace


def test_scheduler_that_looks_is_ready_and_says_what_is_due(job: Workspace) -> None:
    ready, found = readiness.state(job, Heartbeat())
    assert ready
    (entry,) = found["jobs"]
    assert (entry["job"], entry["last"], entry["status"]) == ("nightly", None, None)
    assert datetime.fromisoformat(entry["next"]) > datetime.now(UTC)


def test_scheduler_that_is_stuck_is_not_ready_but_one_at_work_is(
    job: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse = Heartbeat()
    later = [1e6]
    monkeypatch.setattr("distaff.scheduling.readiness.time.monotonic", lambda: later[0])
    assert readiness.state(job, pulse)[0] is False
    with pulse.busy():
        later[0] += 1e6
        assert readiness.state(job, pulse)[0] is True
    assert readiness.state(job, pulse)[0] is True
    later[0] += 1e6
    assert readiness.state(job, pulse)[1]["reason"] == "the scheduler is stuck"


def test_broken_configuration_and_warehouse_are_not_ready(job: Workspace) -> None:
    before = job.config.read_text()
    job.config.write_text("[schedule.x\n")
    assert readiness.state(job, Heartbeat()) == (False, {"ready": False, "reason": "distaff.toml cannot be read"})
    job.config.write_text(before)
    for file in (job.warehouse.root / "executions" / "_delta_log").iterdir():
        file.unlink()
    ready, found = readiness.state(job, Heartbeat())
    assert not ready
    assert "warehouse cannot be read" in found["reason"]


def test_port_in_use_is_refused(job: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(InputError, match="cannot listen"),
            readiness.serve_readiness(job, Heartbeat(), taken.getsockname()[1]),
        ):
            pass
