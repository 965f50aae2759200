"""A sweep from start to end: the study, its worker processes, the best configuration over seeds, and the controls."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import optuna
from filelock import Timeout
from optuna.study import StudyDirection
from optuna.trial import TrialState

from distaff import engines
from distaff.model import registry
from distaff.model.base import Epoch
from distaff.model.registry import model_class
from distaff.runs import records, training
from distaff.runs.records import Run
from distaff.sweeps import journal, processes, space, trials
from distaff.sweeps.plan import INDEPENDENCE, Plan
from distaff.sweeps.record import Progress, Record
from distaff.sweeps.trials import TrialRow
from distaff_data.errors import DistaffError, InputError, UnknownNameError
from distaff_data.workspace import Workspace

BUDGET = ("max_epochs", "eval_every", "patience")
"""Settings that bound the training of whatever has them: fixed for a model, they are fixed for its controls."""
_DIRECTION = {True: StudyDirection.MINIMIZE, False: StudyDirection.MAXIMIZE}


@dataclass(frozen=True)
class Sweep:
    """The state of a study.

    Attributes:
        trials: Those that have ended, by number.
        front: Numbers of the trials that none beats in every objective, the best by the first objective first.
        runs: Runs of the best configuration, one a seed.
    """

    study: str
    plan: Plan
    trials: list[TrialRow]
    front: list[int]
    runs: list[str]

    @property
    def best(self) -> TrialRow | None:
        """The best trial by the first objective; None when none was completed."""
        return next((row for row in self.trials if row.trial in self.front[:1]), None)

    def settings(self, trial: int | None = None) -> dict[str, Any]:
        """Return the whole configuration of a trial, as far as it differs from the defaults; of the best when None.

        Raises:
            InputError: There is no such trial.
        """
        number = self.front[0] if trial is None and self.front else trial
        row = next((row for row in self.trials if row.trial == number), None)
        if row is None:
            raise InputError(f"study {self.study!r} has no such trial that ended", value=number)
        changed: dict[str, Any] = self.plan.config.parse({**self.plan.fixed, **json.loads(row.settings)}).changed()
        return changed

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``tune`` and ``tune show``."""
        return {
            "study": self.study,
            "model": self.plan.model,
            "dataset": self.plan.dataset,
            "metrics": list(self.plan.metrics),
            "space": self.plan.space,
            "best": None if self.best is None else self.best.as_dict(),
            "front": self.front,
            "runs": self.runs,
            "trials": [row.as_dict() for row in self.trials],
        }


def tune(
    workspace: Workspace,
    plan: Plan,
    name: str,
    *,
    budget: int,
    workers: int = 1,
    timeout: float | None = None,
    storage: str | None = None,
    engine: str = "local",
    progress: Progress = lambda new, done, budget: None,
) -> Sweep:
    """Try configurations until the study has ``budget`` trials; goes on with a study that has fewer.

    Args:
        workspace: Where the dataset is and the runs go.
        plan: The question; the same as before when the study exists.
        name: The study's.
        budget: Trials in the end, those from before included. Fewer when the space has no more configurations.
        workers: Processes.
        timeout: Seconds after which no other trial is begun.
        storage: URL of an Optuna storage; the journal in the workspace when None.
        engine: Who the workers are, one of :data:`distaff.engines.ENGINES`.
        progress: Called when trials have ended, with these, how many have ended in all, and the budget.

    Raises:
        InputError: The study has another plan, or another process tunes it.
        DistaffError: The workers cannot work, or every trial failed.
        KeyboardInterrupt: Passed on, when the workers have stopped; the same call goes on.
    """
    engines.check(engine)
    try:
        with workspace.warehouse.lock(f"tuning/{name}").acquire(blocking=False):
            study = _open(workspace, plan, name, budget, storage)
            record = Record(workspace, study, plan)
            record.write("running")
            state = "interrupted"
            try:
                processes.watch(workspace, study, workers, timeout, storage, lambda: record.follow(progress), engine)
                state = "done"
            finally:
                record.follow(progress)
                record.write(state)
    except Timeout:
        raise InputError(f"another process is tuning the study; look on with: distaff tune show {name}") from None
    done = trials.ended(study, plan)
    failures = [row.message for row in done if row.state == "failed"]
    if failures and not any(row.state == "complete" for row in done):
        raise DistaffError(f"no trial of {name} was completed; the last one failed: {failures[-1]}")
    return Sweep(name, plan, done, trials.front(study), [])


def retrain(
    workspace: Workspace,
    sweep: Sweep,
    seeds: int,
    report: Callable[[int], contextlib.AbstractContextManager[Callable[[Epoch], None]]],
) -> Sweep:
    """Fit the best configuration once a seed: the runs that boards show. Runs that exist are not repeated.

    ``report`` gives, for a seed, what shows the course of its fit.
    """
    if sweep.best is None:
        return sweep
    plan, settings = sweep.plan, sweep.settings()
    retrained = replace(sweep, runs=fit_seeds(workspace, plan, settings, seeds, report))
    row = workspace.warehouse.rows("SELECT * EXCLUDE (written_at) FROM studies WHERE study = ?", [sweep.study])[0]
    workspace.warehouse.append("studies", [row | {"runs": retrained.runs}], written_at=datetime.now(UTC))
    return retrained


def fit_seeds(
    workspace: Workspace,
    plan: Plan,
    settings: Mapping[str, Any],
    seeds: int,
    report: Callable[[int], contextlib.AbstractContextManager[Callable[[Epoch], None]]],
) -> list[str]:
    """Return the ids of runs of a configuration, one a seed; those that are missing are fitted."""
    text = json.dumps(plan.config.parse(settings).changed())

    def same(run: Run) -> bool:
        origin = (run.model, run.settings, run.status, run.dataset_generation, run.fitted_on)
        return origin == (plan.model, text, "done", plan.generation, records.TRAIN)

    finished = {run.seed: run.run for run in records.listing(workspace, plan.dataset) if same(run)}
    for seed in range(plan.seed, plan.seed + seeds):
        if seed not in finished:
            with report(seed) as shown:
                run = training.train(
                    workspace, plan.model, plan.dataset, settings=settings, seed=seed, device=plan.device, report=shown
                )
            finished[seed] = run.run
    return [finished[seed] for seed in range(plan.seed, plan.seed + seeds)]


def controls(workspace: Workspace, plan: Plan) -> list[str]:
    """Return the registered controls that are installed and suit the dataset, the model itself left out."""
    installed = []
    for name in registry.names():
        with contextlib.suppress(InputError):  # its package is missing
            model = model_class(name)
            comparable = model.control and model.kind == model_class(plan.model).kind and name != plan.model
            if comparable and model.suits(workspace.warehouse, plan.dataset):
                installed.append(name)
    return installed


def control_settings(plan: Plan, name: str) -> dict[str, Any]:
    """Return those of a plan's fixed settings that bound a control's training as well, so that budgets are equal."""
    fields = model_class(name).Config.model_fields
    return {setting: value for setting, value in plan.fixed.items() if setting in BUDGET and setting in fields}


def control_metrics(plan: Plan) -> tuple[str, ...]:
    """Return the metric that controls are tuned for: the first objective that every model has."""
    return next(((metric,) for metric in plan.metrics if metric != INDEPENDENCE), ())


def find_study(workspace: Workspace, name: str, storage: str | None = None) -> Sweep:
    """Return a study as it stands.

    Raises:
        UnknownNameError: There is none of that name.
    """
    study = journal.load_study(workspace, name, storage)
    plan = Plan.from_json(study.user_attrs["plan"])
    rows = workspace.warehouse.rows("SELECT runs FROM studies WHERE study = ?", [name])
    return Sweep(name, plan, trials.ended(study, plan), trials.front(study), (rows[0]["runs"] or []) if rows else [])


def _open(workspace: Workspace, plan: Plan, name: str, budget: int, storage: str | None) -> optuna.Study:
    """Return the study, made when there is none: the default configuration is its first trial."""
    try:
        study = journal.load_study(workspace, name, storage)
    except UnknownNameError:
        directions = [_DIRECTION[lower] for lower in plan.lower_is_better()]
        study = optuna.create_study(
            study_name=name, storage=journal.open_storage(workspace, name, storage), directions=directions
        )
        study.set_user_attr("plan", plan.to_json())
        if first := space.defaults(plan.config, plan.search_space()):
            study.enqueue_trial(first)
    if study.user_attrs["plan"] != plan.to_json():
        before, now = json.loads(study.user_attrs["plan"]), json.loads(plan.to_json())
        differ = ", ".join(key for key in now if now[key] != before.get(key))
        raise InputError(f"study {name!r} exists with another {differ}; name a new one with --study")
    everything = space.all_of(plan.search_space())
    with workspace.warehouse.lock(f"study/{name}"):
        if everything is not None and len(everything) <= budget:
            for settings in everything:
                study.enqueue_trial(settings, skip_if_exists=True)
        trials.recover(workspace, study)
        if everything is not None and len(everything) <= budget:
            budget = trials.spent(study) + len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
    study.set_user_attr("budget", budget)
    return study
