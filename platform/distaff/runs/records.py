"""Runs as the warehouse has them: what was fitted, how it went, and where its files are; nothing here is fitted.

A run is a row in ``runs`` and a folder ``runs/RUN`` with ``config.json``, ``log.jsonl`` (an object a line for every
epoch), ``checkpoint/`` while it is being fitted and ``model/`` afterwards. Its metrics appear together, when it is done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distaff.runs import liveness
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.workspace import Workspace

TRAIN, ALL = "train", "all"
"""The interactions or rows that a run was fitted on: the training split, or all, with nothing held out."""

COLUMNS = "* EXCLUDE (written_at) REPLACE (coalesce(fitted_on, 'train') AS fitted_on)"
"""The columns of ``runs`` that a :class:`Run` has, with what is meant where an older version wrote none."""


@dataclass(frozen=True)
class Run:
    """A run as the warehouse has it; field by field the table ``runs``."""

    run: str
    model: str
    control: bool
    dataset: str
    dataset_generation: str
    seed: int
    status: str
    config: str
    settings: str
    device: str
    threads: int
    version: str
    process: int
    started_at: datetime
    seconds: float
    message: str | None = None
    study: str | None = None
    trial: int | None = None
    fitted_on: str = TRAIN
    refit_of: str | None = None
    epochs: int | None = None
    n_tried: int | None = None

    def summary(self, metrics: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
        """Return the JSON shape of ``train`` and ``runs``."""
        return {
            "run": self.run,
            "model": self.model,
            "dataset": self.dataset,
            "seed": self.seed,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "settings": json.loads(self.settings),
            "metrics": {split: dict(values) for split, values in metrics.items()},
            **({} if self.study is None else {"study": self.study, "trial": self.trial}),
            **({} if self.fitted_on == TRAIN else {"fitted_on": self.fitted_on, "refit_of": self.refit_of}),
        }


def find(workspace: Workspace, run_id: str) -> Run:
    """Return a run by its id.

    Raises:
        UnknownNameError: There is none.
    """
    rows = workspace.warehouse.rows(f"SELECT {COLUMNS} FROM runs WHERE run = ?", [run_id])
    if not rows:
        raise UnknownNameError("run", run_id, (r["run"] for r in workspace.warehouse.rows("SELECT run FROM runs")))
    return Run(**rows[0])


def listing(workspace: Workspace, dataset: str | None = None, *, study: str | None = None) -> list[Run]:
    """Return runs, newest first: of one dataset when it is named; the trials of ``study``, or all that are no trial."""
    rows = workspace.warehouse.rows(
        f"SELECT {COLUMNS} FROM runs "
        "WHERE dataset = coalesce(?, dataset) AND study IS NOT DISTINCT FROM ? ORDER BY started_at DESC",
        [dataset, study],
    )
    return [Run(**row) for row in rows]


def done_with(workspace: Workspace, dataset: str, **fields: object) -> list[Run]:
    """Return the finished runs on a dataset that have these fields, newest first."""
    return [
        run
        for run in listing(workspace, dataset)
        if run.status == "done" and all(getattr(run, name) == value for name, value in fields.items())
    ]


def same_but_seed(workspace: Workspace, run_id: str) -> list[Run]:
    """Return finished runs of a run's model, settings and data under other seeds; the oldest of each seed."""
    run = find(workspace, run_id)
    same = {name: getattr(run, name) for name in ("model", "settings", "dataset_generation", "fitted_on", "epochs")}
    return list(
        {other.seed: other for other in done_with(workspace, run.dataset, **same) if other.seed != run.seed}.values()
    )


def metrics_of(workspace: Workspace, run_ids: list[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the metrics by run, split and name."""
    metrics: dict[str, dict[str, dict[str, float]]] = {run_id: {} for run_id in run_ids}
    rows = workspace.warehouse.rows(
        "SELECT run, split, metric, value FROM metrics WHERE list_contains(?, run)", [run_ids]
    )
    for row in rows:
        metrics[row["run"]].setdefault(row["split"], {})[row["metric"]] = row["value"]
    return metrics


def model_folder(workspace: Workspace, run_id: str) -> Path:
    """Return the folder of a run's fitted model, for :meth:`distaff.model.base.Model.load`.

    Raises:
        InputError: The run is not done.
    """
    run = find(workspace, run_id)
    if run.study is not None:
        raise InputError(
            f"run {run_id!r} is trial {run.trial} of {run.study}, whose weights are not kept; for its configuration: "
            f"distaff tune export {run.study} FILE --trial {run.trial}"
        )
    if run.status == "retired":
        raise InputError(f"run {run_id!r} is retired: {run.message}")
    if run.status != "done":
        raise InputError(f"run {run_id!r} is {run.status}, not done; continue it with: distaff train --resume {run_id}")
    return run_folder(workspace, run_id) / "model"


def run_folder(workspace: Workspace, run_id: str) -> Path:
    """Return the folder of a run's artefacts."""
    return workspace.runs / Path(run_id).name


def is_alive(workspace: Workspace, run: Run) -> bool:
    """Tell whether a run is still being fitted, here or on another machine."""
    held = liveness.is_held(run_folder(workspace, run.run))
    return _exists(run) if held is None else held


def _exists(run: Run) -> bool:
    """Tell whether there is a process of that id: all that is known of a run of 0.1."""
    try:
        os.kill(run.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def record(workspace: Workspace, run: Run) -> None:
    """Append the run's present state; the newest row counts."""
    workspace.warehouse.append("runs", [vars(run)], written_at=datetime.now(UTC))
