"""Runs as people choose them: what each has published, what it is called by now, and what it scored on validation."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached
from distaff_dashboards.ui.labels import run_labels

VALIDATED: Mapping[str, tuple[str, ...]] = {
    "interactions": ("recall@20", "ndcg@20"),
    "incidents": ("avg@5", "ac@1", "ac@3", "map@3", "mrr"),
    "series": ("accuracy", "mse"),
}
"""Metrics of each kind of data that a run is known by, of which the first that was measured counts; the board's own."""

_RUNS = """
SELECT r.run, r.model, r.control, r.dataset, r.seed, r.settings, r.started_at,
    r.run IN (SELECT run FROM factors) AS factors,
    r.run IN (SELECT run FROM factor_words) AS words,
    r.run IN (SELECT run FROM blind_spot_cohorts) AS audit,
    r.run IN (SELECT d.run FROM diagnoses d JOIN cases c ON c.dataset = ? AND c."case" = d."case") AS diagnoses,
    coalesce(m.archived, false) AS archived, m.title, coalesce(m.tags, []) AS tags
FROM runs r LEFT JOIN marks m ON m.kind = 'run' AND m.name = r.run
WHERE r.dataset = ? AND r.status = 'done' AND r.study IS NULL
"""
_ALIASES = """
SELECT run, list(alias ORDER BY alias) AS aliases FROM (
    SELECT alias, run FROM promotions QUALIFY row_number() OVER (PARTITION BY alias ORDER BY promotion DESC) = 1
) GROUP BY run
"""
_VALID = """
SELECT run, metric, value FROM metrics WHERE split = 'valid' AND run IN (SELECT run FROM runs WHERE dataset = ?)
"""


@cached(max_entries=32, show_spinner=False)
def runs_of(source: Source, dataset: str, kind: str) -> pl.DataFrame:
    """Return the finished runs on a dataset: those with an alias first, then models, then the newest; archived ones last.

    Returns:
        ``run, model, control, dataset, seed, settings`` (JSON)``, started_at, aliases``; ``metric`` and ``value`` on
        validation, null where none was measured; whether each has ``factors, words, audit`` and ``diagnoses``; and what
        people say: ``archived, title, tags``.
    """
    runs = source.frame(_RUNS, [dataset, dataset]).join(source.frame(_ALIASES), on="run", how="left")
    order = {metric: place for place, metric in enumerate(VALIDATED[kind])}
    valid = source.frame(_VALID, [dataset]).filter(pl.col("metric").is_in(list(order)))
    first = valid.sort(pl.col("metric").replace_strict(order, default=len(order))).unique("run", keep="first")
    return runs.join(first, on="run", how="left").sort(
        "archived",
        pl.col("aliases").is_null(),
        "control",
        "started_at",
        "run",
        descending=[False, False, False, True, False],
    )


def offered(runs: pl.DataFrame, *asked: str | None) -> pl.DataFrame:
    """Return the runs that a menu offers: all but the archived ones, of which only those that are asked for."""
    return runs.filter(~pl.col("archived") | pl.col("run").is_in([run for run in asked if run is not None]))


@cached(max_entries=32, show_spinner=False)
def labels_of(source: Source, dataset: str, kind: str) -> dict[str, str]:
    """Return the label of each of those runs."""
    return run_labels(runs_of(source, dataset, kind))


@cached(max_entries=32, show_spinner=False)
def home_of(source: Source, run: str) -> str | None:
    """Return the dataset of a run, trials of sweeps included; None where there is no such run."""
    found = source.frame("SELECT dataset FROM runs WHERE run = ?", [run])
    return None if found.is_empty() else str(found.item())
