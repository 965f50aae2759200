"""Jobs as read from the workspace: what is due, how it went, what the aliases stand for, what has drifted."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import streamlit as st

from distaff.scheduling import jobs
from distaff.scheduling.jobs import Job
from distaff_dashboards.reads.source import Source
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace, default_root

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


def source() -> Source:
    """The jobs of the workspace: the state changes with every row of their tables.

    Raises:
        InputError: There is no workspace.
    """
    workspace = Workspace.open(default_root())
    parts = ", ".join(f"(SELECT max(written_at) FROM {table}) AS {table}" for table in _TABLES)
    return Source(str(workspace.root), json.dumps(workspace.warehouse.rows(f"SELECT {parts}"), default=str))


def known(source: Source) -> tuple[list[Job], str | None]:
    """The jobs in ``distaff.toml``, and what is wrong with that file."""
    try:
        return jobs.read(source.workspace), None
    except InputError as error:
        return [], str(error)


def overview(source: Source, found: list[Job], now: datetime | None = None) -> pa.Table:
    """A row for each job: when it is due next, and how it went last."""
    last = {row["job"]: row for row in _read(source, _LAST).to_pylist()}
    now = now or datetime.now(UTC)
    return pa.table(
        {
            "job": pa.array([job.name for job in found], pa.string()),
            "task": pa.array([job.task for job in found], pa.string()),
            "model": pa.array([job.model for job in found], pa.string()),
            "cron": pa.array([job.cron for job in found], pa.string()),
            "next": pa.array([next(job.times(now)) for job in found], pa.timestamp("s", "UTC")),
            "last": pa.array([last.get(job.name, {}).get("due_at") for job in found], pa.timestamp("us", "UTC")),
            "status": pa.array([last.get(job.name, {}).get("status") for job in found], pa.string()),
            "message": pa.array([last.get(job.name, {}).get("message") for job in found], pa.string()),
        }
    )


def executions(source: Source) -> pa.Table:
    """What was executed, newest first."""
    return _read(source, _EXECUTIONS)


def aliases(source: Source) -> pa.Table:
    """Every change of an alias, newest first; ``current`` marks what it stands for now."""
    return _read(source, _ALIASES)


def drifts(source: Source) -> pa.Table:
    """The last comparison of each run with its data, what has drifted first."""
    return _read(source, _DRIFTS)


def forgotten(source: Source) -> pa.Table:
    """Requests to forget people, and what became of each model."""
    return _read(source, _FORGOTTEN)


@st.cache_data(max_entries=16, show_spinner=False)
def _read(source: Source, sql: str) -> pa.Table:
    return source.workspace.warehouse.query(sql)
