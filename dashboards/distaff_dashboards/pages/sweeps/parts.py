"""Sweeps as read from the warehouse: studies, and the trials of one as a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from distaff_dashboards.reads.source import Source
from distaff_dashboards.ui.breakdown import Floats
from distaff_data.workspace import Workspace, default_root


@dataclass(frozen=True)
class Study:
    """One sweep.

    Attributes:
        space: By setting: a list of choices, or ``low``, ``high`` and ``log``.
        lower: For each metric, whether less is better.
        trials: ``trial, state, front``, a column for each metric and each setting, ``seconds, retry_of, message``. ``front``
            marks what no other trial beats in every metric.
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
    trials: pa.Table

    def count(self, *states: str) -> int:
        """How many trials ended in one of these states."""
        return sum(state in states for state in self.trials["state"].to_pylist())

    def complete(self) -> pa.Table:
        """The completed trials."""
        return self.trials.filter(pa.array([state == "complete" for state in self.trials["state"].to_pylist()]))


def source() -> Source:
    """The sweeps of the workspace: the state changes with every trial.

    Raises:
        InputError: There is no workspace.
    """
    workspace = Workspace.open(default_root())
    sql = "SELECT (SELECT max(written_at) FROM studies) AS study, (SELECT max(written_at) FROM trials) AS trial"
    return Source(str(workspace.root), json.dumps(workspace.warehouse.rows(sql), default=str))


@st.cache_data(max_entries=4, show_spinner=False)
def studies(source: Source) -> list[str]:
    """Names of the sweeps, the last one touched first."""
    rows = source.workspace.warehouse.rows("SELECT study FROM studies ORDER BY written_at DESC, study")
    return [str(row["study"]) for row in rows]


@st.cache_data(max_entries=16, show_spinner=False)
def study(source: Source, name: str) -> Study:
    """A sweep with its trials."""
    warehouse = source.workspace.warehouse
    (row,) = warehouse.rows("SELECT * FROM studies WHERE study = ?", [name])
    rows = warehouse.rows("SELECT * EXCLUDE (study, written_at) FROM trials WHERE study = ? ORDER BY trial", [name])
    metrics, lower = tuple(row["metrics"]), tuple(row["lower_is_better"])
    space = json.loads(row["space"])
    return Study(
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
        trials=_table(rows, metrics, lower, list(space)),
    )


def unbeaten(values: Floats, lower: tuple[bool, ...]) -> list[bool]:
    """Which rows of ``(n, m)`` no other row beats: as good everywhere and better somewhere; rows with NaN are beaten."""
    signed: Floats = np.where(np.array(lower), -values, values)
    as_good = np.all(signed[None] >= signed[:, None], axis=2)
    better = np.any(signed[None] > signed[:, None], axis=2)
    beaten = np.any(as_good & better, axis=1) | np.any(np.isnan(values), axis=1)
    return [not flag for flag in beaten.tolist()]


def best_so_far(values: Floats, lower: bool) -> Floats:
    """The best of the first 1, 2, ... values."""
    found: Floats = np.minimum.accumulate(values) if lower else np.maximum.accumulate(values)
    return found


def _table(rows: list[dict[str, Any]], metrics: tuple[str, ...], lower: tuple[bool, ...], space: list[str]) -> pa.Table:
    reached = [json.loads(row["metrics"]) for row in rows]
    proposed = [json.loads(row["settings"]) for row in rows]
    values = np.array([[found.get(name, np.nan) for name in metrics] for found in reached], dtype=np.float64)
    columns: dict[str, Any] = {
        "trial": pa.array([row["trial"] for row in rows], pa.int64()),
        "state": pa.array([row["state"] for row in rows], pa.string()),
        "front": pa.array(unbeaten(values.reshape(-1, len(metrics)), lower), pa.bool_()),
    }
    columns |= {name: pa.array([found.get(name) for found in reached], pa.float64()) for name in metrics}
    columns |= {name: _plain([found.get(name) for found in proposed]) for name in space}
    columns["seconds"] = pa.array([row["seconds"] for row in rows], pa.float64())
    columns["retry_of"] = pa.array([row["retry_of"] for row in rows], pa.int64())
    columns["message"] = pa.array([row["message"] for row in rows], pa.string())
    return pa.table(columns)


def _plain(values: list[Any]) -> pa.Array:
    """Numbers as numbers; choices of several types as text."""
    numbers = all(value is None or type(value) in (int, float) for value in values)
    return pa.array(values if numbers else [None if value is None else str(value) for value in values])
