"""Executions as the warehouse has them, and the clock by which they are due; nothing here is carried out."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from distaff_data.workspace import Workspace


class Clock(Protocol):
    """Time, and waiting."""

    def now(self) -> datetime:
        """Return the time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
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


def begin(
    workspace: Workspace, job: str, model: str, status: str, clock: Clock, due_at: datetime, missed: int = 0
) -> Execution:
    """Record that an execution has begun or, as ``added``, that the job is due from now on."""
    execution = Execution(uuid.uuid4().hex[:12], job, model, due_at, missed, clock.now(), status, os.getpid())
    record(workspace, execution)
    return execution


def record(workspace: Workspace, execution: Execution) -> None:
    """Append the execution's present state; the newest row counts."""
    workspace.warehouse.append("executions", [vars(execution)], written_at=datetime.now(UTC))


def history(workspace: Workspace, job: str | None = None) -> list[Execution]:
    """Return the executions of one job, or of all, newest first."""
    rows = workspace.warehouse.rows(
        "SELECT * EXCLUDE (written_at) FROM executions WHERE job = coalesce(?, job) ORDER BY due_at DESC, started_at DESC",
        [job],
    )
    return [Execution(**row) for row in rows]
