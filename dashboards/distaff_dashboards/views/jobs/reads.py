"""Cached reads of jobs: what is due, how it went, what the aliases stand for, what has drifted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from distaff_dashboards.reads.source import Source, newest_writes
from distaff_dashboards.statements import cached
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff.jobs import Job

_TABLES = ("executions", "promotions", "drifts", "forgettings", "forgotten_models")
_SHOWN = 500  # rows of a table, the newest

_LAST = """
SELECT * FROM executions WHERE status <> 'added'
QUALIFY row_number() OVER (PARTITION BY job ORDER BY due_at DESC, started_at DESC) = 1
"""
_EXECUTIONS = f"""
SELECT due_at, job, status, missed, attempts, seconds, rows, users, run, message FROM executions
WHERE status <> 'added' ORDER BY due_at DESC, started_at DESC LIMIT {_SHOWN}
"""
_ALIASES = f"""
SELECT alias, run, action, written_at AS since,
    row_number() OVER (PARTITION BY alias ORDER BY promotion DESC) = 1 AS current
FROM promotions ORDER BY written_at DESC, promotion DESC LIMIT {_SHOWN}
"""
_DRIFTS = f"""
SELECT written_at AS at, run, part, name, measure, value, "limit", drifted, detail FROM drifts
WHERE drift IN (SELECT drift FROM drifts QUALIFY row_number() OVER (PARTITION BY run ORDER BY written_at DESC) = 1)
    AND run NOT IN (SELECT run FROM runs WHERE status = 'retired')
ORDER BY drifted DESC, written_at DESC, value / nullif("limit", 0) DESC LIMIT {_SHOWN}
"""
_FORGOTTEN = f"""
SELECT f.requested_at, f.dataset, len(f.subjects) AS people, f.status, m.run, m.method, m.status AS model,
    m.replacement, m.before, m.after, m.low, m.high, m.message
FROM forgettings f LEFT JOIN forgotten_models m USING (forgetting) ORDER BY f.requested_at DESC, m.run LIMIT {_SHOWN}
"""


def jobs_source() -> Source:
    """Return the jobs of the workspace: the state changes with every row of their tables.

    Raises:
        InputError: There is no workspace.
    """
    return newest_writes(*_TABLES)


def configured(source: Source) -> tuple[list[Job], str | None]:
    """Return the jobs in ``distaff.toml``, and what is wrong with that file."""
    from distaff import jobs

    try:
        return jobs.read(source.workspace), None
    except InputError as error:
        return [], str(error)


def overview(source: Source, jobs: Sequence[Job], now: datetime | None = None) -> pl.DataFrame:
    """Return a row for each job: when it is due next, and how it went last."""
    now = now or datetime.now(UTC)
    table = pl.DataFrame(
        [(job.name, job.task, job.model, job.cron, next(job.times(now))) for job in jobs],
        {"job": pl.String, "task": pl.String, "model": pl.String, "cron": pl.String, "next": pl.Datetime("us", "UTC")},
        orient="row",
    )
    last = _read(source, _LAST).select("job", pl.col("due_at").alias("last"), "status", "message")
    return table.join(last, on="job", how="left", maintain_order="left")


def executions(source: Source) -> pl.DataFrame:
    """Return what was executed, newest first."""
    return _read(source, _EXECUTIONS)


def aliases(source: Source) -> pl.DataFrame:
    """Return every change of an alias, newest first; ``current`` marks what it stands for now."""
    return _read(source, _ALIASES)


def drifts(source: Source) -> pl.DataFrame:
    """Return the last comparison of each run with its data, what has drifted first."""
    return _read(source, _DRIFTS)


def forgotten(source: Source) -> pl.DataFrame:
    """Return requests to forget people, and what became of each model."""
    return _read(source, _FORGOTTEN)


@cached(max_entries=16, show_spinner=False)
def _read(source: Source, sql: str) -> pl.DataFrame:
    return source.frame(sql)
