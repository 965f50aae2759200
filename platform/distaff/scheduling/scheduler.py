"""The scheduler: finds what is due, makes up once for whatever was missed, and waits.

What was done is read from the table ``executions``, never remembered: a scheduler that was killed, or two that run at
once, neither lose nor double an execution. Jobs run one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from filelock import Timeout

from distaff import jobs
from distaff.jobs import Job
from distaff.scheduling import executions, history, retraining
from distaff.scheduling.history import Clock, Execution, SystemClock
from distaff.scheduling.readiness import Heartbeat
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

_LOOK = 60.0  # seconds between two looks at distaff.toml, at most


def serve(
    workspace: Workspace,
    *,
    clock: Clock | None = None,
    done: Callable[[Execution], None] = lambda execution: None,
    talk: Callable[[str], None] = lambda text: None,
    heartbeat: Heartbeat | None = None,
) -> None:
    """Execute jobs as they become due, until interrupted; changes of ``distaff.toml`` are taken up.

    Args:
        workspace: The workspace.
        clock: The machine's when None.
        done: Called after each execution.
        talk: Told of trouble.
        heartbeat: Told that the loop goes on.

    Raises:
        InputError: ``distaff.toml`` is wrong at the start; later it is told, and the jobs stay as they were.
        KeyboardInterrupt: Passed on.
    """
    clock, heartbeat = clock or SystemClock(), heartbeat or Heartbeat()
    listed = jobs.read(workspace)
    while True:
        with heartbeat.busy():
            for execution in run_due(workspace, listed, clock=clock, talk=talk):
                done(execution)
        now = clock.now()
        soonest = min((next(job.times(now)) for job in listed), default=now + timedelta(seconds=_LOOK))
        clock.sleep(min(max((soonest - now).total_seconds(), 0.0), _LOOK))
        try:
            listed = jobs.read(workspace)
        except InputError as error:
            talk(f"the jobs stay as they were: {error}")


def run_due(
    workspace: Workspace,
    listed: list[Job] | None = None,
    *,
    clock: Clock | None = None,
    talk: Callable[[str], None] = lambda text: None,
) -> list[Execution]:
    """Execute every job that is due now, once, however many times it was missed, and fit anew what is queued for it.

    Returns the executions.

    A job that another process is executing is left to it.
    """
    clock = clock or SystemClock()
    executed: list[Execution] = []
    for job in jobs.read(workspace) if listed is None else listed:
        try:
            with workspace.warehouse.lock(f"job/{job.name}").acquire(blocking=False):
                now = clock.now()
                due = _due(workspace, job, clock, now)
                if due:
                    executed.append(executions.execute(workspace, job, due[-1], len(due) - 1, clock, talk))
        except Timeout:
            talk(f"{job.name}: another process is at it")
    return executed + retraining.run_queued(workspace, clock, talk)


def _due(workspace: Workspace, job: Job, clock: Clock, now: datetime) -> list[datetime]:
    """Times up to now that no execution covers; the caller holds the job's lock, so one still running is a dead one's."""
    past = history.history(workspace, job.name)
    for execution in past:
        if execution.status == "running":
            history.record(workspace, replace(execution, status="interrupted", message="its process is gone"))
    covered = [e.due_at for e in past if e.status in ("added", "done", "failed")]
    if not covered:
        history.begin(workspace, job.name, job.model, "added", clock, now)
        return []
    due = []
    for time in job.times(max(covered)):
        if time > now:
            break
        due.append(time)
    return due
