"""Diagnoses of a workspace's incidents: each is a run like any other, beside its controls on the board."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from distaff.incidents.base import Diagnoser
from distaff.incidents.cause_sets import coverage
from distaff.incidents.memory import Past, learning_curve
from distaff.incidents.onsets import seconds_before_onset
from distaff.incidents.rankings import Diagnosis, score_cases, score_trigger
from distaff.incidents.tables import case_dict
from distaff.model.base import Epoch
from distaff.runs import training
from distaff.runs.records import Run
from distaff_data.ingest.changes import read_changes
from distaff_data.tables.incidents import declare_graph
from distaff_data.workspace import Workspace

_LEAST_REMEMBERED = 4  # incidents with known causes that tell whether memory helps


@dataclass(frozen=True)
class DiagnosisReport:
    """Diagnoses of a dataset.

    Attributes:
        run: The run.
        onset: How onsets were had: given or detected.
        metrics: At the entity and the metric level, means over the cases whose causes are known.
        intervals: Bootstrap intervals of them.
        trigger: How well onsets were found; None where they were given.
        diagnoses: One a case.
        memory: What past incidents with known causes would add, measured on held-out ones; empty where fewer than four are
            known; see :mod:`~distaff.incidents.memory`.
        nearest: The three most similar incidents with known causes of each, by case: name, likeness and causes.
        cause_sets: How often sets of likely causes held the true one; None where no cause is known.
    """

    run: Run
    onset: str
    metrics: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    trigger: Mapping[str, object] | None
    diagnoses: tuple[Diagnosis, ...]
    cause_sets: Mapping[str, float] | None = None
    memory: Sequence[Mapping[str, float]] = ()
    nearest: Mapping[str, Sequence[tuple[str, float, tuple[str, ...]]]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``diagnose``."""
        return {
            "dataset": self.run.dataset,
            "model": self.run.model,
            "run": self.run.run,
            "onset": self.onset,
            "metrics": {level: dict(values) for level, values in self.metrics.items()},
            "intervals": {level: dict(values) for level, values in self.intervals.items()},
            "trigger": self.trigger,
            "cause_sets": None if self.cause_sets is None else dict(self.cause_sets),
            "memory": [dict(row) for row in self.memory],
            "cases": [case_dict(diagnosis) | self._nearest(diagnosis.case) for diagnosis in self.diagnoses],
        }

    def _nearest(self, case: str) -> dict[str, Any]:
        names = ("case", "likeness", "causes")
        return {"nearest": [dict(zip(names, row, strict=True)) for row in self.nearest.get(case, ())]}


def diagnose(
    workspace: Workspace,
    dataset: str,
    *,
    model: str = "coral",
    onset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    graph_is: str | None = None,
    report: Callable[[Epoch], None] = lambda _: None,
) -> DiagnosisReport:
    """Explain every case of a dataset as a run, which publishes the causes, and measure it.

    Args:
        workspace: Where the dataset is and the run goes.
        dataset: A dataset of incidents.
        model: Registry name of a diagnoser.
        onset: ``given`` or ``detected``; as the settings say when None.
        settings: Configuration that differs from the defaults.
        seed: Seed of random draws.
        graph_is: What the edges of the dataset's graph are, causes or calls; stored with the dataset.
        report: Called after each case.

    Raises:
        InputError: A name or setting is wrong; no run is recorded.
    """
    Diagnoser.named(model)  # refused before a run of another kind is made
    if graph_is is not None:
        declare_graph(workspace.warehouse, dataset, graph_is)
    chosen = {**(settings or {}), **({} if onset is None else {"onset": onset})}
    if chosen.get("changes"):
        read_changes(chosen["changes"])  # refused before a run of it is made
    plan = training.FitPlan(model, dataset, chosen, seed, device="cpu")
    run, fitted = training.fit_run(workspace, plan, report=report)
    return _report(run, cast(Diagnoser, fitted))


def _report(run: Run, diagnoser: Diagnoser) -> DiagnosisReport:
    cases, diagnoses, onset = diagnoser.data.cases, diagnoser.diagnoses, diagnoser.config.onset
    metrics, intervals = {}, {}
    for level in ("entity", "metric"):
        scores = score_cases(cases, diagnoses, level)
        if scores is not None:
            metrics[level] = scores.means()
            intervals[level] = {name: scores.interval(name) for name in scores.values}
    trigger = None
    if onset == "detected":
        trigger = score_trigger(cases, diagnoses, [seconds_before_onset(case) for case in cases]).as_dict()
    held = coverage(cases, diagnoses)
    past = Past.of(cases, diagnoses)
    if len(past.cases) < _LEAST_REMEMBERED:
        return DiagnosisReport(run, onset, metrics, intervals, trigger, diagnoses, held)
    nearest = {name: past.nearest(number) for number, name in enumerate(past.cases)}
    curve = learning_curve(past)
    return DiagnosisReport(run, onset, metrics, intervals, trigger, diagnoses, held, curve, nearest)
