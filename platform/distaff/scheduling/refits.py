"""Scheduled fits on everything there is, with what validation chose: one for each state of the dataset.

The run that a job names was measured, and stays what it is: it stands on the board, and every fit on everything names it.
The alias that the job gives is promoted to such a fit when its lists are out, so that who serves the alias goes on with it;
earlier ones of the job are retired when what was replaced need not be kept any longer.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from distaff.jobs import Job
from distaff.model.registry import model_class
from distaff.runs import aliases, records, training
from distaff.runs.records import Run
from distaff.runs.refit import plan_refit
from distaff.scheduling.history import history
from distaff.scheduling.retirement import retire
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace


def check_refit(workspace: Workspace, run: Run) -> None:
    """Refuse a run that cannot be fitted on everything.

    Raises:
        InputError: It is of no model of interactions, or what validation chose is no longer known.
    """
    if workspace.warehouse.live(f"dataset/{run.dataset}") is None:
        raise InputError(f"dataset {run.dataset!r} is gone")
    if model_class(run.model).kind != "interactions":
        raise InputError(f"only models of interactions are fitted on all, and {run.model} is none", column="refit")
    plan_refit(workspace, run.run)


def refitted(workspace: Workspace, run: Run) -> Run:
    """Return a fit on the whole dataset as it is now with what a run's validation chose: the one there is, or a new one."""
    plan, live = plan_refit(workspace, run.run), workspace.warehouse.live(f"dataset/{run.dataset}")
    same = {"fitted_on": records.ALL, "refit_of": plan.of, "seed": run.seed, "dataset_generation": live}
    if there := records.done_with(workspace, run.dataset, **same):
        return there[0]
    return training.train(workspace, run.model, run.dataset, refit=plan, seed=run.seed, device=run.device)


def settle(workspace: Workspace, job: Job, current: Run, now: datetime) -> None:
    """Give the fit whose lists are out the job's alias, and retire earlier ones of the job that need not be kept.

    One that another alias names stays.
    """
    assert job.refit is not None
    if aliases.current(workspace).get(job.refit) != current.run:
        aliases.promote(workspace, current.run, job.refit)
    named = set(aliases.current(workspace).values())
    newest: dict[str, datetime] = {}
    for execution in history(workspace, job.name):
        if execution.run is not None and execution.status == "done":
            newest[execution.run] = max(execution.started_at, newest.get(execution.run, execution.started_at))
    for name, last in newest.items():
        if name in named or name == current.run or now - last < timedelta(hours=job.keep_hours):
            continue
        old = records.find(workspace, name)
        if old.status == "done" and old.fitted_on == records.ALL:
            retire(workspace, old, f"job {job.name} has fitted {current.run} since")
