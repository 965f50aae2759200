"""Executions: one due scoring, tried until it succeeds or has failed often enough, and recorded whatever happens."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from distaff import aliases, runs
from distaff.scheduling.jobs import Job
from distaff.scoring import Scored, score_run
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

_FIRST_WAIT = 30.0  # seconds before the second attempt; it doubles


class Clock(Protocol):
    """Time, and waiting."""

    def now(self) -> datetime:
        """The time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Execution:
    """One execution; field by field the table ``executions``."""

    execution: str
    job: str
    model: str
    due_at: datetime
    missed: int
    started_at: datetime
    status: str
    process: int
    run: str | None = None
    seconds: float | None = None
    attempts: int = 0
    exit_status: int | None = None
    users: int | None = None
    rows: int | None = None
    message: str | None = None


def begin(workspace: Workspace, job: Job, status: str, clock: Clock, due_at: datetime, missed: int = 0) -> Execution:
    """Record that an execution has begun or, as ``added``, that the job is due from now on."""
    execution = Execution(uuid.uuid4().hex[:12], job.name, job.model, due_at, missed, clock.now(), status, os.getpid())
    record(workspace, execution)
    return execution


def record(workspace: Workspace, execution: Execution) -> None:
    """Append the execution's present state; the newest row counts."""
    workspace.warehouse.append("executions", [vars(execution)], written_at=datetime.now(UTC))


def history(workspace: Workspace, job: str | None = None) -> list[Execution]:
    """Executions of one job, or of all, newest first."""
    rows = workspace.warehouse.rows(
        "SELECT * EXCLUDE (written_at) FROM executions WHERE job = coalesce(?, job) ORDER BY due_at DESC, started_at DESC",
        [job],
    )
    return [Execution(**row) for row in rows]


def execute(
    workspace: Workspace, job: Job, due_at: datetime, missed: int, clock: Clock, talk: Callable[[str], None]
) -> Execution:
    """Score what the job says.

    What may pass, such as a full disk, is tried again; a job that names what does not exist is not. A scoring that was
    interrupted goes on where it stopped.

    Args:
        workspace: The workspace.
        job: What to score.
        due_at: The time it was due.
        missed: Earlier times that this execution makes up for.
        clock: Measures and waits.
        talk: Told of attempts that failed.

    Returns:
        The execution as recorded.

    Raises:
        KeyboardInterrupt: Passed on, after the execution has been marked ``interrupted``.
    """
    execution = begin(workspace, job, "running", clock, due_at, missed)

    def ended(status: str, exit_status: int, **found: object) -> Execution:
        seconds = (clock.now() - execution.started_at).total_seconds()
        done = replace(execution, status=status, exit_status=exit_status, seconds=seconds, **found)  # type: ignore[arg-type]
        record(workspace, done)
        return done

    attempt = 0
    try:
        while True:
            attempt += 1
            try:
                scored = _score(workspace, job)
            except InputError as error:
                return ended("failed", 2, attempts=attempt, message=str(error))
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                if attempt > job.retries:
                    return ended("failed", 1, attempts=attempt, message=reason)
                wait = _FIRST_WAIT * 2 ** (attempt - 1)
                talk(f"{job.name}: attempt {attempt} failed, the next in {wait:g} s: {reason}")
                clock.sleep(wait)
                continue
            left = _prune(workspace, job)
            return ended(
                "done", 0, attempts=attempt, run=scored.run, users=scored.users, rows=scored.rows, message=left
            )
    except (KeyboardInterrupt, SystemExit):
        ended("interrupted", 1, attempts=attempt, message="stopped by the user")
        raise


def _score(workspace: Workspace, job: Job) -> Scored:
    run = runs.find(workspace, aliases.resolve(workspace, job.model))
    if job.dataset not in (None, run.dataset):
        raise InputError(f"{job.model} is run {run.run!r} on {run.dataset!r}, not on {job.dataset!r}")
    return score_run(workspace, run.run, top_k=job.top_k, out=job.out_path(workspace))


def _prune(workspace: Workspace, job: Job) -> str | None:
    """Remove replaced lists that are old enough; the new lists are out, so trouble here is only told."""
    try:
        workspace.warehouse.reclaim(timedelta(hours=job.keep_hours), tables=("recommendations",))
    except Exception as error:
        return f"scored; old lists were left: {type(error).__name__}: {error}"
    return None
