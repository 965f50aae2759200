"""Cached reads of the whole workspace: names of runs, incidents nobody has closed, and what went wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from distaff_dashboards.reads.source import Source, newest_writes
from distaff_dashboards.statements import cached

_SHOWN = 5  # incidents and jobs

_ALIASES = """
SELECT p.alias, p.run, r.dataset FROM promotions p JOIN runs r ON r.run = p.run
QUALIFY row_number() OVER (PARTITION BY p.alias ORDER BY p.promotion DESC) = 1
ORDER BY p.alias <> 'champion', p.alias
"""
_OPEN = """
SELECT c.dataset, c."case", c.kpi, count(*) OVER () AS n FROM cases c WHERE len(c.roots) = 0
ORDER BY c.onset DESC NULLS LAST, c.position DESC LIMIT ?
"""
_BLAMED = """
SELECT d.dataset, x."case", x.run, x.metric FROM causes x JOIN runs d ON d.run = x.run
WHERE x.rank = 1 AND NOT d.control AND list_contains(?, x."case")
QUALIFY row_number() OVER (PARTITION BY d.dataset, x."case" ORDER BY d.started_at DESC, x.metric) = 1
"""
_FAILED = """
SELECT run, status, message, started_at FROM runs WHERE status IN ('failed', 'interrupted') AND study IS NULL
AND started_at > (SELECT max(started_at) FROM runs WHERE status = 'done') ORDER BY started_at DESC LIMIT ?
"""


def home_source() -> Source:
    """Return the workspace; its state changes with everything that the page shows."""
    return newest_writes("publications", "runs", "executions", "promotions", "drifts", "marks")


@cached(max_entries=4, show_spinner=False)
def sizes(source: Source) -> pl.DataFrame:
    """Return the datasets, newest first: ``dataset, kind, facts`` (JSON)``, created_at, runs``."""
    return source.frame(
        "SELECT d.dataset, d.kind, coalesce(d.facts, '{}') AS facts, d.created_at, count(r.run) AS runs FROM datasets d "
        "LEFT JOIN runs r ON r.dataset = d.dataset AND r.status = 'done' AND r.study IS NULL "
        "WHERE d.dataset NOT IN (SELECT name FROM marks WHERE kind = 'dataset' AND archived) "
        "GROUP BY d.dataset, d.kind, d.facts, d.created_at ORDER BY d.created_at DESC, d.dataset"
    )


@cached(max_entries=4, show_spinner=False)
def champions(source: Source) -> dict[str, tuple[str, str]]:
    """Return an alias and its run for each dataset that has one: ``champion`` before any other."""
    found: dict[str, tuple[str, str]] = {}
    for alias, run, dataset in source.frame(_ALIASES).iter_rows():
        found.setdefault(dataset, (alias, run))
    return found


@cached(max_entries=4, show_spinner=False)
def open_incidents(source: Source) -> tuple[pl.DataFrame, int]:
    """Return the newest incidents whose cause nobody has named, with the first suspect of the newest model, and how many.

    Returns:
        ``dataset, case, kpi, run, metric``; the last two null where no model has looked.
    """
    cases = source.frame(_OPEN, [_SHOWN])
    blamed = source.frame(_BLAMED, [cases["case"].to_list()])
    n = 0 if cases.is_empty() else int(cases["n"][0])
    return cases.drop("n").join(blamed, on=["dataset", "case"], how="left", maintain_order="left"), n


@cached(max_entries=4, show_spinner=False)
def failed(source: Source) -> pl.DataFrame:
    """Return runs that failed or were interrupted since the last one that was done: ``run, status, message, started_at``."""
    return source.frame(_FAILED, [_SHOWN])


def age(time: datetime, now: datetime | None = None) -> str:
    """Return how long ago a time was, in words."""
    days = ((now or datetime.now(UTC)) - time).days
    return "today" if days < 1 else "yesterday" if days == 1 else f"{days} days ago"
