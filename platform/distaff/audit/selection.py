"""Questions about selection: on what the choice was made, how often, against whom, and with which error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from distaff.audit.finding import Finding, decided
from distaff.board.comparisons import is_seeded
from distaff.board.kinds import base_of
from distaff.board.selection import Configuration, ConfigurationRanking, selection, tried
from distaff.model.registry import model_class
from distaff.runs import aliases, records
from distaff.runs.records import Run
from distaff_data.errors import InputError
from distaff_data.tables.datasets import kind_of
from distaff_data.workspace import Workspace

STANDARD: Mapping[str, tuple[str, ...]] = {
    "interactions": ("popularity", "ease", "als"),
    "series": ("raw_ridge", "random_encoder"),
    "incidents": ("random", "nsigma", "baro"),
}
"""The controls that every board of a kind has to have, where their packages are installed."""

_SEEDS = 3
_SHARE = 0.5  # of a model's configurations that a control is tuned over at least


@dataclass(frozen=True)
class Records:
    """The runs on a dataset.

    Attributes:
        kind: The dataset's kind.
        choice: The configurations on the dataset as it is now, and the chosen ones.
        tried: Configurations measured, by model.
        run: The run that was asked about, where it is one.
    """

    workspace: Workspace
    dataset: str
    kind: str
    choice: ConfigurationRanking
    tried: Mapping[str, int]
    run: Run | None

    @classmethod
    def of(cls, workspace: Workspace, dataset: str, run: Run | None) -> Records:
        """Return the records of a dataset."""
        kind = kind_of(workspace.warehouse, dataset)
        return cls(workspace, dataset, kind, selection(workspace, dataset), tried(workspace, dataset), run)

    @property
    def models(self) -> list[Configuration]:
        """The chosen configurations that are no controls; of the run's model alone, where a run was asked about."""
        if self.run is not None:
            return [c for c in self.choice.chosen if c.model == self.run.model and not c.control]
        return [c for c in self.choice.chosen if not c.control]

    @property
    def controls(self) -> list[Configuration]:
        """The chosen configurations that are controls, the best first."""
        return [c for c in self.choice.chosen if c.control]

    def better(self, value: float, than: float) -> bool:
        """Tell whether a value of the metric is better than another, beyond rounding."""
        sign = -1.0 if base_of(self.kind).less_is_better(self.choice.metric) else 1.0
        return sign * (value - than) > 1e-9 * max(abs(value), abs(than))


def chosen_on_validation(history: Records) -> Finding:
    """Return whether the run, or whatever has an alias, is the configuration that validation chose."""
    check = "chosen on validation"
    subjects = {history.run.run: history.run} if history.run is not None else {}
    if history.run is None:
        for alias, run_id in aliases.current(history.workspace).items():
            run = records.find(history.workspace, run_id)
            if run.dataset == history.dataset:
                subjects[alias] = run
    if history.choice.split is None:
        return Finding(check, "unknown", "nothing on this dataset was measured on validation")
    faults, stale = [], []
    for name, run in subjects.items():
        source = run if run.refit_of is None else records.find(history.workspace, run.refit_of)
        configuration = next((c for c in history.choice.ranked if source.run in {r.run for r in c.runs}), None)
        best = next((c for c in history.choice.chosen if c.model == source.model), None)
        if configuration is None or best is None:
            stale.append(f"{name} was fitted to the dataset as it was, or measured by a newer run of its seed")
        elif configuration is not best:
            faults.append(
                f"{name} is {_named(configuration)} with {_mean(history, configuration)} on validation, "
                f"where {_named(best)} has {_mean(history, best)}"
            )
    if stale and not faults:
        return Finding(check, "unknown", "; ".join(stale))
    chosen = ", ".join(f"{c.model} {_mean(history, c)}" for c in history.choice.chosen)
    return decided(check, faults, f"{history.choice.metric} on validation: {chosen or 'no run'}")


def configurations_tried(history: Records) -> Finding:
    """Return how many configurations were measured, sweeps and pruned trials included."""
    counts = ", ".join(f"{model} {n}" for model, n in history.tried.items())
    figure = f"{sum(history.tried.values())} in all: {counts or 'none'}"
    return Finding("configurations tried", "pass" if history.tried else "unknown", figure)


def standard_controls(history: Records) -> Finding:
    """Return which of the standard controls have no run."""
    present = {c.model for c in history.choice.chosen}
    missing = [name for name in STANDARD[history.kind] if name not in present and _installed(name)]
    return decided("standard controls", [f"{name} is missing" for name in missing], ", ".join(sorted(present)))


def seeds_in_the_interval(history: Records) -> Finding:
    """Return whether the models, or the model of the run, and the best control have three seeds, where a seed matters."""
    configurations = [c for c in history.choice.chosen if history.run is not None and c.model == history.run.model]
    compared = [*(configurations or history.models), *history.controls[:1]]
    counts = {_named(c): len(c.runs) for c in compared if is_seeded(c.model)}
    faults = [f"{name} has {n} of {_SEEDS} seeds" for name, n in counts.items() if n < _SEEDS]
    figure = ", ".join(f"{name} {n}" for name, n in counts.items()) or "nothing that is compared depends on a seed"
    return decided("seeds in the interval", faults, figure)


def tuned_controls(history: Records) -> Finding:
    """Return whether a control stands on the board below what it can do, or was tuned less than the models."""
    budgets = {c.model: history.tried.get(c.model, 1) for c in history.models}
    most = max(budgets.values(), default=0)
    faults, figures = [], []
    for control in history.controls:
        n = history.tried.get(control.model, 1)
        figures.append(f"{control.model} {n}")
        value, best = control.mean("valid", history.choice.metric), _best_trial(history, control.model)
        if value is not None and best is not None and history.better(best, value):
            faults.append(
                f"a sweep of {control.model} reached {best:.4f} on validation, its row on the board {value:.4f}"
            )
        elif n < _SHARE * most and _tunable(control.model):
            tuned = ", ".join(f"{model} {count}" for model, count in budgets.items() if count == most)
            faults.append(f"{control.model} was tried with {n} configuration(s), {tuned}")
    return decided(
        "controls tuned like the models", faults, f"configurations of controls: {', '.join(figures) or 'none'}"
    )


Check = Callable[[Records], Finding]
CHECKS: Sequence[Check] = (
    chosen_on_validation,
    configurations_tried,
    standard_controls,
    seeds_in_the_interval,
    tuned_controls,
)


def _best_trial(history: Records, model: str) -> float | None:
    """Return the best that a sweep of a model reached on validation, on the dataset as it is now."""
    generations = {run.dataset_generation for c in history.choice.ranked for run in c.runs}
    rows = history.workspace.warehouse.rows(
        "SELECT m.value FROM runs r JOIN metrics m USING (run) WHERE r.dataset = ? AND r.model = ? AND r.study IS NOT NULL "
        "AND r.status = 'done' AND list_contains(?, r.dataset_generation) AND m.split = 'valid' AND m.metric = ?",
        [history.dataset, model, sorted(generations), history.choice.metric],
    )
    values = [row["value"] for row in rows]
    pick = min if base_of(history.kind).less_is_better(history.choice.metric) else max
    return pick(values) if values else None


def _installed(model: str) -> bool:
    with suppress(InputError):
        model_class(model)
        return True
    return False


def _tunable(model: str) -> bool:
    with suppress(InputError):
        return bool(model_class(model).Config.search_space())
    return False


def _named(configuration: Configuration) -> str:
    settings = ", ".join(f"{name}={value}" for name, value in configuration.settings.items())
    return f"{configuration.model} ({settings})" if settings else configuration.model


def _mean(history: Records, configuration: Configuration) -> str:
    mean = configuration.mean("valid", history.choice.metric)
    return "nothing" if mean is None else f"{mean:.4f}"
