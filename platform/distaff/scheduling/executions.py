"""Executions: one due task, tried until it succeeds or has failed often enough, and recorded whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from distaff.jobs import Job
from distaff.model.base import Model
from distaff.monitoring import drift
from distaff.runs import aliases, records
from distaff.runs.records import Run
from distaff.scheduling.history import Clock, Execution, begin, record
from distaff.scheduling.refits import check_refit, refitted, settle
from distaff.scheduling.tasks import TABLES, Outcome, perform
from distaff_data.errors import InputError, redacted
from distaff_data.workspace import Workspace

_FIRST_WAIT = 30.0  # seconds before the second attempt; it doubles


def execute(
    workspace: Workspace, job: Job, due_at: datetime, missed: int, clock: Clock, talk: Callable[[str], None]
) -> Execution:
    """Do what the job says, see how far its data has drifted, and remove what was replaced long enough ago.

    Args:
        workspace: The workspace.
        job: What to do.
        due_at: The time it was due.
        missed: Earlier times that this execution makes up for.
        clock: Measures and waits.
        talk: Told of attempts that failed.

    Returns:
        The execution as recorded.

    Raises:
        KeyboardInterrupt: Passed on, after the execution has been marked ``interrupted``.
    """
    work = _Work(workspace, job)
    return attempt(
        workspace,
        job.name,
        job.model,
        work.perform,
        work.afterwards,
        due_at=due_at,
        missed=missed,
        retries=job.retries,
        clock=clock,
        talk=talk,
    )


def attempt(
    workspace: Workspace,
    job: str,
    model: str,
    work: Callable[[], Outcome],
    afterwards: Callable[[Execution], str | None] = lambda execution: None,
    *,
    due_at: datetime,
    missed: int = 0,
    retries: int,
    clock: Clock,
    talk: Callable[[str], None],
) -> Execution:
    """Try some work until it succeeds or has failed often enough, and record how it went.

    What may pass, such as a full disk, is tried again; what names something that does not exist is not. A scoring that was
    interrupted goes on where it stopped.

    Args:
        workspace: The workspace.
        job: What it is recorded under.
        model: The run or alias that it is about.
        work: The work.
        afterwards: What follows when it is out; gives what there is to say of it.
        due_at: The time it was due.
        missed: Earlier times that this execution makes up for.
        retries: How often to try again.
        clock: Measures and waits.
        talk: Told of attempts that failed.

    Raises:
        KeyboardInterrupt: Passed on, after the execution has been marked ``interrupted``.
    """
    execution = begin(workspace, job, model, "running", clock, due_at, missed)

    def ended(status: str, exit_status: int, **facts: object) -> Execution:
        seconds = (clock.now() - execution.started_at).total_seconds()
        done = replace(execution, status=status, exit_status=exit_status, seconds=seconds, **facts)  # type: ignore[arg-type]
        record(workspace, done)
        return done

    tried = 0
    try:
        while True:
            tried += 1
            try:
                outcome = work()
            except InputError as error:
                return ended("failed", 2, attempts=tried, message=str(error))
            except Exception as error:
                reason = redacted(f"{type(error).__name__}: {error}")
                if tried > retries:
                    return ended("failed", 1, attempts=tried, message=reason)
                wait = _FIRST_WAIT * 2 ** (tried - 1)
                talk(f"{job}: attempt {tried} failed, the next in {wait:g} s: {reason}")
                clock.sleep(wait)
                continue
            warning = afterwards(execution)
            facts = {"run": outcome.run, "users": outcome.users, "rows": outcome.rows}
            return ended("done", 0, attempts=tried, message=warning, **facts)
    except (KeyboardInterrupt, SystemExit):
        ended("interrupted", 1, attempts=tried, message="stopped by the user")
        raise


def run_of(workspace: Workspace, job: Job) -> Run:
    """Return the run that a job is carried out with, as names stand now.

    Raises:
        InputError: There is none of that name, or it is of another dataset than the job's.
    """
    run = records.find(workspace, aliases.resolve(workspace, job.model))
    if job.dataset not in (None, run.dataset):
        raise InputError(f"{job.model} is run {run.run!r} on {run.dataset!r}, not on {job.dataset!r}")
    return run


def check(workspace: Workspace, job: Job) -> None:
    """Refuse a job whose run, if it were due now, would not be found or could not be used.

    Raises:
        InputError: See :func:`run_of`; or the run is not done, or cannot be fitted on everything where it is to be.
    """
    run = run_of(workspace, job)
    records.model_folder(workspace, run.run)
    if job.refit is not None:
        check_refit(workspace, run)


class _Work:
    """The work of a job, with the model in memory from its task to what follows it."""

    def __init__(self, workspace: Workspace, job: Job) -> None:
        self._workspace, self._job = workspace, job
        self._run = ""
        self._model: Model[Any] | None = None

    def perform(self) -> Outcome:
        job, workspace = self._job, self._workspace
        run = run_of(workspace, job)
        if job.refit is not None:
            run = refitted(workspace, run)
        outcome = perform(workspace, job.task, run, top_k=job.top_k, out=job.out_path(workspace))
        self._run, self._model = run.run, outcome.model
        return outcome

    def afterwards(self, execution: Execution) -> str | None:
        """Compare with training, and prune; what was published is out, so trouble here is only told."""
        job, workspace = self._job, self._workspace
        messages = []
        if job.refit is not None:
            try:
                settle(workspace, job, records.find(workspace, self._run), execution.started_at)
            except Exception as error:
                messages.append(redacted(f"{job.refit} was not promoted: {type(error).__name__}: {error}"))
        try:
            drifts = drift.measure(workspace, self._run, execution.execution, model=self._model)
            warning = drift.warning(drifts)
            messages += [warning] if warning else []
        except Exception as error:
            messages.append(redacted(f"drift was not measured: {type(error).__name__}: {error}"))
        try:
            workspace.warehouse.reclaim(timedelta(hours=job.keep_hours), tables=TABLES[job.task])
        except Exception as error:
            messages.append(redacted(f"what was replaced was left: {type(error).__name__}: {error}"))
        return "; ".join(messages) or None
