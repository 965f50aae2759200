"""Verbs of scheduled scoring: schedule add, list, remove, run."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distaff.cli.state import Json, emit_json, emit_table, talk, workspace

if TYPE_CHECKING:
    from distaff.scheduling.history import Execution

schedule = typer.Typer(no_args_is_help=True, help="Batch scoring by cron expression.")

Name = Annotated[str, typer.Argument(help="Name of the job.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.add_typer(schedule, name="schedule")


@schedule.command()
def add(
    name: Name,
    cron: Annotated[str, typer.Option(help="Minute, hour, day of month, month, day of week: '0 3 * * *'.")],
    model: Annotated[str, typer.Option(help="Alias or run to score with; an alias is looked up each time.")],
    dataset: Annotated[str | None, typer.Option(help="Fail when the run is of another dataset.")] = None,
    task: Annotated[
        str, typer.Option(help="What to do: score users, or embed, forecast, classify, anomalies, diagnose.")
    ] = "score",
    refit: Annotated[
        str | None,
        typer.Option(help="Score by a fit on everything, with what the run's validation chose, under this alias."),
    ] = None,
    top_k: Annotated[int, typer.Option(help="Length of each list.")] = 20,
    out: Annotated[Path | None, typer.Option(help="File to replace each time: .csv, .parquet or .arrow.")] = None,
    timezone: Annotated[str, typer.Option(help="Whose clock the expression means.")] = "UTC",
    retries: Annotated[int, typer.Option(help="How often a failed scoring is tried again.")] = 3,
    keep_hours: Annotated[float, typer.Option(help="How long replaced lists are kept.")] = 24,
) -> None:
    """Add a job to distaff.toml.

    Example: distaff schedule add nightly --cron "0 3 * * *" --model champion --out lists.parquet
    """
    from distaff import jobs
    from distaff.jobs import Job
    from distaff.scheduling import executions, history
    from distaff.scheduling.history import SystemClock

    ws = workspace()
    settings: dict[str, Any] = {
        "cron": cron,
        "model": model,
        "dataset": dataset,
        "task": task,
        "refit": refit,
        "top_k": top_k,
        "out": None if out is None else str(out.resolve()),
        "timezone": timezone,
        "retries": retries,
        "keep_hours": keep_hours,
    }
    job = Job.parse(name, settings)
    executions.check(ws, job)
    jobs.add(ws, job)
    clock = SystemClock()
    history.begin(ws, job.name, job.model, "added", clock, clock.now())
    typer.echo(f"job {name} is due next at {_time(next(job.times(clock.now())))}; distaff schedule run carries it out")


@schedule.command("list")
def list_jobs(as_json: Json = False) -> None:
    """The jobs, when each is due next, and how it went last."""
    from distaff import jobs
    from distaff.scheduling import history

    ws = workspace()
    rows = []
    for job in jobs.read(ws):
        past = [e for e in history.history(ws, job.name) if e.status != "added"]
        rows.append(
            job.model_dump() | {"next": next(job.times(datetime.now(UTC))), "executions": list(map(vars, past))}
        )
    if as_json:
        return emit_json({"jobs": rows})
    emit_table(
        "jobs",
        ("job", "cron", "task", "model", "refit as", "dataset", "top-k", "next", "last", "status", "message"),
        [
            (
                row["name"],
                row["cron"],
                row["task"],
                row["model"],
                row["refit"],
                row["dataset"],
                row["top_k"],
                _time(row["next"]),
                *_last(row["executions"]),
            )
            for row in rows
        ],
    )


@schedule.command()
def remove(name: Name) -> None:
    """Take a job out of distaff.toml; its executions stay."""
    from distaff import jobs

    jobs.remove(workspace(), name)
    typer.echo(f"job {name} removed")


@schedule.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="Execute what is due now and end: for cron or systemd.")] = False,
    ready_port: Annotated[
        int | None, typer.Option(help="Answer GET /ready on this port, to this machine only.", min=0, max=65535)
    ] = None,
    as_json: Json = False,
) -> None:
    """Carry out jobs as they become due, until stopped; missed times are made up for once.

    Models that have to be fitted anew since people were forgotten are fitted too.

    With --once the exit status is 1 when an execution failed.
    """
    from distaff.scheduling import readiness, scheduler
    from distaff.scheduling.readiness import Heartbeat

    ws = workspace()
    if not once:
        heartbeat = Heartbeat()
        with nullcontext() if ready_port is None else readiness.serve_readiness(ws, heartbeat, ready_port) as port:
            if port is not None:
                _talk(f"ready: http://127.0.0.1:{port}/ready")
            scheduler.serve(ws, done=_tell, talk=_talk, heartbeat=heartbeat)
        return
    executed = scheduler.run_due(ws, talk=_talk)
    if as_json:
        emit_json({"executions": [vars(execution) for execution in executed]})
    else:
        for execution in executed:
            _tell(execution)
    if any(execution.exit_status for execution in executed):
        raise typer.Exit(1)


def _tell(execution: Execution) -> None:
    what = execution.message or f"{execution.rows} rows with {execution.run}"
    late = f", makes up for {execution.missed} missed" if execution.missed else ""
    _talk(f"{_time(execution.due_at)} {execution.job} {execution.status}{late}: {what}")


def _talk(text: str) -> None:
    talk.print(text, markup=False, highlight=False, soft_wrap=True)


def _last(past: list[dict[str, Any]]) -> tuple[object, object, object]:
    return (_time(past[0]["due_at"]), past[0]["status"], past[0]["message"]) if past else (None, None, None)


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
