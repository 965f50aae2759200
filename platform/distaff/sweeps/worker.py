"""A worker: one of any number of processes, on any machine that sees the workspace, that carry out a study's trials."""

from __future__ import annotations

import json
import time
import uuid

import optuna
from optuna.trial import TrialState

from distaff.model.base import Epoch
from distaff.runs import records, training
from distaff.sweeps import journal, trials
from distaff.sweeps.plan import Plan
from distaff_data.workspace import Workspace


def work(workspace: Workspace, name: str, *, storage: str | None = None, timeout: float | None = None) -> int:
    """Carry out trials until the study has as many as were asked for.

    Args:
        workspace: Where the dataset is and the runs go.
        name: The study's.
        storage: URL of the study's storage; the journal in the workspace when None.
        timeout: Seconds after which no other trial is begun.

    Returns:
        How many trials this process carried out.

    Raises:
        UnknownNameError: There is no such study.
        KeyboardInterrupt: Passed on; the trial under way is left to be tried again.
    """
    study = journal.load_study(workspace, name, storage)
    plan = Plan.from_json(study.user_attrs["plan"])
    study.pruner = pruner(plan.pruner)
    worker, until, done = uuid.uuid4().hex[:12], time.monotonic() + (timeout or float("inf")), 0
    with journal.alive(workspace, name, worker):
        while time.monotonic() < until and (trial := trials.claim(workspace, study, plan, worker)) is not None:
            _carry_out(workspace, study, plan, trial)
            done += 1
    return done


def pruner(name: str) -> optuna.pruners.BasePruner:
    """Return the pruner of that name, one of :data:`distaff.sweeps.PRUNERS`."""
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5)
    if name == "halving":
        return optuna.pruners.SuccessiveHalvingPruner()
    return optuna.pruners.HyperbandPruner() if name == "hyperband" else optuna.pruners.NopPruner()


def _carry_out(workspace: Workspace, study: optuna.Study, plan: Plan, trial: optuna.Trial) -> None:
    """Fit one configuration and tell the study what it is worth."""
    if (same := _tried(study, trial)) is not None:
        return trials.succeed(
            study, plan, trial, same.user_attrs["run"], dict(zip(plan.metrics, same.values, strict=True))
        )

    def report(epoch: Epoch) -> None:
        if len(plan.metrics) == 1 and plan.metrics[0] in epoch.valid:
            trial.report(epoch.valid[plan.metrics[0]], epoch.epoch)
            if trial.should_prune():
                raise training.Pruned(f"behind the other trials at epoch {epoch.epoch}")

    try:
        run = training.train(
            workspace,
            plan.model,
            plan.dataset,
            settings={**plan.fixed, **trial.params},
            seed=plan.seed,
            device=plan.device,
            report=report,
            trial=training.Trial(study.study_name, trial.number, plan.measure()),
        )
    except KeyboardInterrupt:
        study.tell(trial, state=TrialState.FAIL)
        raise
    except Exception as error:
        return trials.fail(study, trial, f"{type(error).__name__}: {error}")
    if run.status == "pruned":
        trial.set_user_attr("run", run.run)
        study.tell(trial, state=TrialState.PRUNED)
    else:
        trials.succeed(study, plan, trial, run.run, records.metrics_of(workspace, [run.run])[run.run]["valid"])


def _tried(study: optuna.Study, trial: optuna.Trial) -> optuna.trial.FrozenTrial | None:
    """Return a completed trial of the same configuration: another fit with its seed would give the same numbers."""
    settings = json.dumps(trial.params, sort_keys=True)
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((t for t in done if json.dumps(t.params, sort_keys=True) == settings), None)
