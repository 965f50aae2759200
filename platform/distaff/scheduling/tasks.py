"""The tasks of jobs: each publishes what one run makes of its dataset as it is now, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout

from distaff import exports
from distaff.incidents.base import Diagnoser
from distaff.incidents.diagnose import diagnose
from distaff.incidents.tables import target_of
from distaff.jobs import Task
from distaff.model.base import Model
from distaff.recommenders.base import Recommender
from distaff.recommenders.score import score_run
from distaff.runs import records
from distaff.runs.records import Run
from distaff.series.model import SeriesModel
from distaff.series.score import Published, classify_run, embed_run, find_anomalies, forecast_run
from distaff_data.errors import DistaffError
from distaff_data.workspace import Workspace

TABLES: Mapping[Task, tuple[str, ...]] = {
    "score": ("recommendations",),
    "embed": ("embeddings",),
    "forecast": ("forecasts",),
    "classify": ("classifications",),
    "anomalies": ("anomalies",),
    "diagnose": ("diagnoses", "causes", "cause_edges"),
}
"""The tables that each task publishes into."""


@dataclass(frozen=True)
class Outcome:
    """A publication: the run behind it, the people it is about where it is about people, the rows, and the model."""

    run: str
    rows: int
    users: int | None = None
    model: Model[Any] | None = field(default=None, repr=False, compare=False)


def perform(workspace: Workspace, task: Task, run: Run, *, top_k: int, out: Path | None) -> Outcome:
    """Carry out a task with a run.

    Raises:
        InputError: The run's model cannot do it, or the file cannot be written.
        DistaffError: Another process does the same with the run.
    """
    if task == "score":
        model = Recommender.load(records.model_folder(workspace, run.run))
        scored = score_run(workspace, run.run, top_k=top_k, out=out, model=model)
        return Outcome(scored.run, scored.rows, scored.users, model)
    try:
        with workspace.warehouse.lock(f"{task}/{run.run}").acquire(blocking=False):
            return _SERIAL[task](workspace, run, out)
    except Timeout:
        raise DistaffError(f"another process is at {task} with run {run.run!r}") from None


def _published(publish: Callable[..., Published]) -> Callable[[Workspace, Run, Path | None], Outcome]:
    def carry_out(workspace: Workspace, run: Run, out: Path | None) -> Outcome:
        model = SeriesModel.load(records.model_folder(workspace, run.run))
        done = publish(workspace, run.run, out=out, model=model)
        return Outcome(done.run, done.rows, model=model)

    return carry_out


def _diagnose(workspace: Workspace, run: Run, out: Path | None) -> Outcome:
    """Explain the incidents as they are now: by the run's own diagnoses, or as the same model explains the new ones."""
    latest = _latest(workspace, run)
    if latest is None:
        latest = diagnose(workspace, run.dataset, model=run.model, settings=json.loads(run.settings), seed=run.seed).run
    # Runs that were trained by 0.1 have their diagnoses in their folder only.
    elif workspace.warehouse.live(target_of(latest.run)) is None:
        Diagnoser.load(records.model_folder(workspace, latest.run)).publish_results(workspace.warehouse, latest.run)
    causes = workspace.warehouse.query("SELECT * EXCLUDE (generation) FROM causes WHERE run = ?", [latest.run])
    if out is not None:
        exports.write(causes, out)
    return Outcome(latest.run, causes.num_rows)


def _latest(workspace: Workspace, run: Run) -> Run | None:
    """Return a finished run of the same configuration on the incidents as they are now."""
    live = workspace.warehouse.live(f"dataset/{run.dataset}")
    same = {"model": run.model, "config": run.config, "seed": run.seed, "dataset_generation": live}
    return next(iter(records.done_with(workspace, run.dataset, **same)), None)


_SERIAL: Mapping[str, Callable[[Workspace, Run, Path | None], Outcome]] = {
    "embed": _published(embed_run),
    "forecast": _published(forecast_run),
    "classify": _published(classify_run),
    "anomalies": _published(find_anomalies),
    "diagnose": _diagnose,
}
