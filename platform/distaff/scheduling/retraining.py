"""Models that could not forget exactly, fitted anew without the people: the queue is in the table ``forgotten_models``.

The new run takes the old one's place: aliases are promoted to it, its factors are told where the old one's were, notes are
carried over, and lists are published where there were some. The old run's model and tables go, and it is ``retired``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from filelock import Timeout

from distaff.factors.intents.evidence import explain_run
from distaff.forgetting import audit
from distaff.recommenders.score import score_run
from distaff.runs import aliases, records, training
from distaff.runs.records import Run
from distaff.runs.refit import plan_refit
from distaff.scheduling.executions import attempt
from distaff.scheduling.history import Clock, Execution
from distaff.scheduling.retirement import retire
from distaff.scheduling.tasks import Outcome
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

_RETRIES = 1


def run_queued(workspace: Workspace, clock: Clock, talk: Callable[[str], None]) -> list[Execution]:
    """Fit every queued model anew, one after the other; those that another process fits are left to it."""
    done = []
    for name in sorted({record.run for record in audit.models(workspace, status="queued")}):
        try:
            with workspace.warehouse.lock(f"retraining/{name}").acquire(blocking=False):
                if any(record.run == name for record in audit.models(workspace, status="queued")):
                    done.append(_retrain(workspace, name, clock, talk))
        except Timeout:
            talk(f"{name}: another process fits it anew")
    return done


def _retrain(workspace: Workspace, name: str, clock: Clock, talk: Callable[[str], None]) -> Execution:
    execution = attempt(
        workspace,
        f"retrain {name}",
        name,
        lambda: _replace(workspace, name),
        due_at=clock.now(),
        retries=_RETRIES,
        clock=clock,
        talk=talk,
    )
    waiting = [record for record in audit.models(workspace, status="queued") if record.run == name]
    if execution.status == "done":
        audit.record_models(
            workspace, [replace(r, status="replaced", replacement=execution.run, proof="equality") for r in waiting]
        )
    elif execution.status == "failed":
        audit.record_models(workspace, [replace(r, status="failed", message=execution.message) for r in waiting])
    return execution


def _replace(workspace: Workspace, name: str) -> Outcome:
    """Fit, and put the new run in the old one's place; what a killed process left of it is taken up."""
    old = records.find(workspace, name)
    new = _fitted(workspace, old)
    rows = 0
    if workspace.warehouse.live(f"factors/{name}") is not None:
        explain_run(workspace, new)
    top = workspace.warehouse.rows("SELECT max(rank) AS k FROM recommendations WHERE run = ?", [name])[0]["k"]
    if top is not None:
        rows = score_run(workspace, new, top_k=top).rows
    for alias, run in aliases.current(workspace).items():
        if run == name:
            aliases.promote(workspace, new, alias)
    retire(workspace, old, f"people were forgotten; {new} takes its place")
    return Outcome(new, rows)


def _fitted(workspace: Workspace, old: Run) -> str:
    """Return a run of the same configuration and seed on the dataset as it is now: one that is there, or a new one."""
    live = workspace.warehouse.live(f"dataset/{old.dataset}")
    if live is None:
        raise InputError(f"dataset {old.dataset!r} is gone")
    same = {name: getattr(old, name) for name in ("model", "config", "seed", "fitted_on", "epochs")}
    for run in records.done_with(workspace, old.dataset, **same, dataset_generation=live):
        if run.started_at > old.started_at and run.run != old.run and not audit.touched(workspace, run.run):
            return run.run
    refit = plan_refit(workspace, old.run) if old.fitted_on == records.ALL else None
    options: dict[str, Any] = {"settings": json.loads(old.settings), "seed": old.seed, "device": old.device}
    return training.train(workspace, old.model, old.dataset, refit=refit, **options).run
