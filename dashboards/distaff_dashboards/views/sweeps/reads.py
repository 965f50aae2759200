"""Cached reads of sweeps: studies, and the trials of one as a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from distaff_dashboards.reads.source import Source, newest_writes
from distaff_dashboards.statements import cached


@dataclass(frozen=True)
class StudyView:
    """One sweep.

    Attributes:
        space: By setting: a list of choices, or ``low``, ``high`` and ``log``.
        lower: For each metric, whether less is better.
        trials: ``trial, state, front``, a column for each metric and each setting, ``seconds, retry_of, message, run``.
            ``front`` marks what no other trial beats in every metric.
    """

    name: str
    model: str
    dataset: str
    status: str
    budget: int
    sampler: str
    pruner: str
    metrics: tuple[str, ...]
    lower: tuple[bool, ...]
    space: dict[str, Any]
    runs: tuple[str, ...]
    trials: pl.DataFrame

    def count(self, state: str) -> int:
        """Return how many trials ended in a state."""
        return self.trials.filter(pl.col("state") == state).height

    def complete(self) -> pl.DataFrame:
        """Return the completed trials."""
        return self.trials.filter(pl.col("state") == "complete")

    def lower_is_better(self, metric: str) -> bool:
        """Tell whether less of a metric is better."""
        return self.lower[self.metrics.index(metric)]


def sweeps_source() -> Source:
    """Return the sweeps of the workspace: the state changes with every trial.

    Raises:
        InputError: There is no workspace.
    """
    return newest_writes("studies", "trials")


@cached(max_entries=4, show_spinner=False)
def studies(source: Source) -> list[str]:
    """Return the names of the sweeps, the last one touched first."""
    return source.frame("SELECT study FROM studies ORDER BY written_at DESC, study")["study"].to_list()


@cached(max_entries=16, show_spinner=False)
def study(source: Source, name: str) -> StudyView:
    """Return a sweep with its trials."""
    row = source.frame("SELECT * FROM studies WHERE study = ?", [name]).row(0, named=True)
    trials = source.frame("SELECT * EXCLUDE (study, written_at) FROM trials WHERE study = ? ORDER BY trial", [name])
    metrics, lower = tuple(row["metrics"]), tuple(row["lower_is_better"])
    space = json.loads(row["space"])
    return StudyView(
        name=name,
        model=row["model"],
        dataset=row["dataset"],
        status=row["status"],
        budget=row["trials"],
        sampler=row["sampler"],
        pruner=row["pruner"],
        metrics=metrics,
        lower=lower,
        space=space,
        runs=tuple(row["runs"] or ()),
        trials=_table(trials, metrics, lower, list(space)),
    )


def unbeaten(values: NDArray[np.float64], lower: tuple[bool, ...]) -> NDArray[np.bool_]:
    """Tell which rows no other row beats: as good everywhere and better somewhere; rows with NaN are beaten.

    Args:
        values: ``(n, m)``.
        lower: For each column, whether less is better.

    Returns:
        bool ``(n,)``.
    """
    signed = np.where(np.array(lower), -values, values)
    as_good = np.all(signed[None] >= signed[:, None], axis=2)
    better = np.any(signed[None] > signed[:, None], axis=2)
    beaten: NDArray[np.bool_] = np.any(as_good & better, axis=1) | np.any(np.isnan(values), axis=1)
    return ~beaten


def best_so_far(values: pl.Series, lower: bool) -> pl.Series:
    """Return the best of the first 1, 2, ... values."""
    return values.cum_min() if lower else values.cum_max()


def _table(trials: pl.DataFrame, metrics: tuple[str, ...], lower: tuple[bool, ...], space: list[str]) -> pl.DataFrame:
    reached = [json.loads(text) for text in trials["metrics"]]
    proposed = [json.loads(text) for text in trials["settings"]]
    values = np.array([[trial.get(name, np.nan) for name in metrics] for trial in reached], dtype=np.float64)
    return trials.select(
        pl.col("trial").cast(pl.Int64),
        "state",
        pl.Series("front", unbeaten(values.reshape(-1, len(metrics)), lower), pl.Boolean),
        *(pl.Series(name, [trial.get(name) for trial in reached], pl.Float64) for name in metrics),
        *(_plain(name, [trial.get(name) for trial in proposed]) for name in space),
        pl.col("seconds").cast(pl.Float64),
        pl.col("retry_of").cast(pl.Int64),
        "message",
        "run",
    )


def _plain(name: str, values: list[Any]) -> pl.Series:
    """Return a column with numbers as numbers, and choices of several types as text."""
    is_number = all(value is None or type(value) in (int, float) for value in values)
    return pl.Series(
        name, values if is_number else [None if value is None else str(value) for value in values], strict=False
    )
