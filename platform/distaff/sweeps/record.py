"""The record of a sweep in the warehouse: the tables ``studies`` and ``trials``, kept at what the storage says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import optuna

from distaff.sweeps import trials
from distaff.sweeps.plan import Plan
from distaff.sweeps.trials import TrialRow
from distaff_data.workspace import Workspace

Progress = Callable[[list[TrialRow], int, int], None]


class Record:
    """Keeps the tables ``studies`` and ``trials`` at what the storage says; only the process that watches writes."""

    def __init__(self, workspace: Workspace, study: optuna.Study, plan: Plan) -> None:
        self.workspace, self.study, self.plan = workspace, study, plan
        written = workspace.warehouse.rows("SELECT trial, state FROM trials WHERE study = ?", [study.study_name])
        self.written = {(row["trial"], row["state"]) for row in written}

    def follow(self, progress: Progress) -> None:
        """Append the trials that have ended since the last time, and tell ``progress`` of them."""
        rows = trials.ended(self.study, self.plan)
        new = [row for row in rows if (row.trial, row.state) not in self.written]
        if new:
            self.workspace.warehouse.append("trials", [vars(row) for row in new], written_at=datetime.now(UTC))
            self.written |= {(row.trial, row.state) for row in new}
            progress(new, sum(row.state != "lost" for row in rows), trials.budget(self.study))

    def write(self, status: str) -> None:
        """Append the study's present state; runs of a best trial that is best no longer are left out."""
        plan, front = self.plan, trials.front(self.study)
        best = front[0] if front else None
        before = self.workspace.warehouse.rows(
            "SELECT runs FROM studies WHERE study = ? AND best = ?", [self.study.study_name, best]
        )
        row = {
            "study": self.study.study_name,
            "model": plan.model,
            "dataset": plan.dataset,
            "dataset_generation": plan.generation,
            "metrics": list(plan.metrics),
            "lower_is_better": plan.lower_is_better(),
            "space": json.dumps(plan.space),
            "settings": json.dumps(plan.fixed),
            "sampler": plan.sampler,
            "pruner": plan.pruner,
            "seed": plan.seed,
            "trials": trials.budget(self.study),
            "status": status,
            "best": best,
            "runs": before[0]["runs"] if before else [],
        }
        self.workspace.warehouse.append("studies", [row], written_at=datetime.now(UTC))
