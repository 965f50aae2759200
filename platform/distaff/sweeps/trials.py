"""The trials of a study: handed out one by one, taken back from processes that are gone, told, and listed.

A trial that ends failed without an error of its own was lost with its process. It is handed out again, a few times.
"""

from __future__ import annotations

import json
import math
import socket
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from distaff.runs import records
from distaff.sweeps import journal
from distaff.sweeps.plan import Plan
from distaff.sweeps.space import propose
from distaff_data.workspace import Workspace

_RETRIES = 2  # of one configuration: it may be what kills the process
_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class TrialRow:
    """One ended trial; field by field the table ``trials``."""

    study: str
    trial: int
    state: str
    run: str | None
    settings: str
    metrics: str
    retry_of: int | None
    started_at: datetime
    seconds: float
    message: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``tune show``."""
        return asdict(self) | {"settings": json.loads(self.settings), "metrics": json.loads(self.metrics)}


def claim(workspace: Workspace, study: optuna.Study, plan: Plan, worker: str) -> optuna.Trial | None:
    """Return the next trial, with its configuration proposed; None when the study has as many as were asked for.

    One process at a time: so the budget is met exactly, and a trial that has no worker yet belongs to a dead one.
    """
    with workspace.warehouse.lock(f"study/{study.study_name}"):
        recover(workspace, study)
        if spent(study) >= budget(study):
            return None
        # Seeded anew for each trial: a resumed study does not propose again what it began with.
        number = sum(trial.state is not TrialState.WAITING for trial in study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.TPESampler(seed=plan.seed * 1_000_003 + number)
        trial = study.ask()
        trial.set_user_attr("worker", worker)
        trial.set_user_attr("host", socket.gethostname())
        propose(trial, plan.config, plan.search_space())
        return trial


def recover(workspace: Workspace, study: optuna.Study) -> None:
    """Fail the trials whose process is gone, and queue them anew; the caller holds the study's lock."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if not _is_alive(workspace, study, trial):
            # A worker may have told and ended since the trial was listed.
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    trials = study.get_trials(states=(TrialState.FAIL, TrialState.WAITING, TrialState.RUNNING, *_STATES))
    retried = {trial.user_attrs.get("retry_of") for trial in trials}
    for trial in trials:
        if _lost(trial) and trial.number not in retried and _retries(trial) < _RETRIES:
            settings = trial.system_attrs.get("fixed_params", {}) | trial.params
            study.enqueue_trial(settings, {"retry_of": trial.number, "retries": _retries(trial) + 1})
    stale = {t.number for t in trials if _lost(t)}
    for run in records.listing(workspace, study=study.study_name) if stale else []:
        if run.trial in stale and run.status == "running":
            records.record(workspace, replace(run, status="interrupted", message="its process is gone"))


def spent(study: optuna.Study) -> int:
    """Trials that count towards the budget: ended or under way, but not those that are tried again."""
    return sum(
        trial.state is not TrialState.WAITING and not (_lost(trial) and _retries(trial) < _RETRIES)
        for trial in study.get_trials(deepcopy=False)
    )


def budget(study: optuna.Study) -> int:
    """Return the number of trials that were asked for."""
    return int(study.user_attrs["budget"])


def succeed(study: optuna.Study, plan: Plan, trial: optuna.Trial, run: str, metrics: dict[str, float]) -> None:
    """Tell what a trial reached."""
    values = [metrics[name] for name in plan.metrics]
    trial.set_user_attr("run", run)
    if all(map(math.isfinite, values)):
        study.tell(trial, values)
    else:
        fail(study, trial, f"not finite: {dict(zip(plan.metrics, values, strict=True))}")


def fail(study: optuna.Study, trial: optuna.Trial, reason: str) -> None:
    """Tell that a trial failed for a reason of its own, which trying again would not change."""
    trial.set_user_attr("error", reason)
    study.tell(trial, state=TrialState.FAIL)


def ended(study: optuna.Study, plan: Plan) -> list[TrialRow]:
    """Return the trials that have ended, by number."""
    return [
        TrialRow(
            study.study_name,
            trial.number,
            "lost" if _lost(trial) else _STATES.get(trial.state, "failed"),
            trial.user_attrs.get("run"),
            json.dumps(trial.params),
            json.dumps(
                dict(zip(plan.metrics, trial.values, strict=True)) if trial.state is TrialState.COMPLETE else {}
            ),
            trial.user_attrs.get("retry_of"),
            _utc(trial.datetime_start),
            trial.duration.total_seconds() if trial.duration else 0.0,
            trial.user_attrs.get("error"),
        )
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
    ]


def front(study: optuna.Study) -> list[int]:
    """Return the completed trials that no other beats in every objective, by number, the best by the first one first.

    With one objective: the best trial alone.
    """
    if not any(trial.state is TrialState.COMPLETE for trial in study.get_trials(deepcopy=False)):
        return []
    if len(study.directions) == 1:
        return [study.best_trial.number]
    sign = 1 if study.directions[0] is optuna.study.StudyDirection.MINIMIZE else -1
    return [trial.number for trial in sorted(study.best_trials, key=lambda t: (sign * t.values[0], t.number))]


def _lost(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.FAIL and "error" not in trial.user_attrs


def _retries(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get("retries", 0))


def _is_alive(workspace: Workspace, study: optuna.Study, trial: FrozenTrial) -> bool:
    """Tell whether a trial under way is being worked on, here or on another machine."""
    worker, host = trial.user_attrs.get("worker"), trial.user_attrs.get("host", socket.gethostname())
    here = host == socket.gethostname()
    return worker is not None and journal.is_worker_alive(workspace, study.study_name, worker, here=here)


def _utc(time: datetime | None) -> datetime:
    """Optuna keeps local time without saying so."""
    return datetime.now(UTC) if time is None else time.astimezone(UTC)
