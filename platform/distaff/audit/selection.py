"""Questions about selection: on what the choice was made, of settings and of a seed, how often, and with which error."""

from __future__ import annotations

from collections.abc import Mapping

from distaff.audit.finding import Finding, decided
from distaff.audit.history import Records, label, same_configuration
from distaff.board.comparisons import is_seeded
from distaff.board.selection import Configuration
from distaff.runs import records
from distaff.runs.records import Run

_SEEDS = 3


def chosen_on_validation(history: Records) -> Finding:
    """Return whether the run, or whatever has an alias, is of the configuration that validation chose."""
    check = "chosen on validation"
    subjects = history.promoted if history.run is None else {history.run.run: history.run}
    if history.choice.split is None:
        first = {c.model: c for c in history.choice.chosen}
        return _without_validation(check, history, subjects, first)
    faults, stale = [], []
    for name, run in subjects.items():
        source = history.source(run)
        if source.dataset_generation != history.generation:
            stale.append(f"{name} was fitted to the dataset as it was before it was replaced")
        elif (fault := _not_chosen(history, name, source)) is not None:
            faults.append(fault)
    if stale and not faults:
        return Finding(check, "unknown", "; ".join(stale))
    chosen = ", ".join(f"{c.model} {history.shown(c)}" for c in history.choice.chosen)
    return decided(check, faults, f"{history.choice.metric} on validation: {chosen or 'no run'}")


def _without_validation(
    check: str, history: Records, subjects: Mapping[str, Run], first: Mapping[str, Configuration]
) -> Finding:
    """Return whether something stands for a model though others were tried before it: the test alone can have chosen it."""
    faults = []
    for name, run in subjects.items():
        own = next((c for c in history.choice.ranked if same_configuration(history.source(run), c.runs[0])), None)
        if own is not None and own is not first[own.model]:
            faults.append(
                f"{name} is {label(own)}, where {label(first[own.model])} was tried first: with nothing measured on "
                "validation, the test has chosen it"
            )
    if faults:
        return decided(check, faults, "")
    return Finding(check, "unknown", "nothing on this dataset was measured on validation")


def _not_chosen(history: Records, name: str, source: Run) -> str | None:
    """Return in what a run's configuration is not the chosen one; None where it is."""
    best = next((c for c in history.choice.chosen if c.model == source.model), None)
    own = next((c for c in history.choice.ranked if same_configuration(source, c.runs[0])), None)
    if source.refit_of is not None:
        return f"{name} was fitted on all as {source.refit_of}, whose record is gone"
    if own is None or best is None:
        return f"{name} is {source.status}, and no finished run of its settings was measured"
    if own is best:
        return None
    return (
        f"{name} is {label(own)} with {history.shown(own)} on validation, where {label(best)} has {history.shown(best)}"
    )


def seed_not_chosen_on_test(history: Records) -> Finding:
    """Return whether a promoted run is the best of its seeds on the test, though neither the first nor validation's best."""
    faults, figures = [], []
    for alias, run in history.promoted.items():
        source = history.source(run)
        alike = [r for r in records.listing(history.workspace, history.dataset) if same_configuration(source, r)]
        finished = [r for r in alike if r.status == "done"]
        seeds = len({r.seed for r in finished})
        figures.append(f"{alias} is seed {source.seed} of {seeds}")
        if (values := _best_by_luck(history, source, finished)) is not None:
            faults.append(
                f"{alias} is seed {source.seed}, of {seeds} seeds the best on the test ({values[1]:.4f}) and neither "
                f"the first nor the best on validation ({values[0]})"
            )
    return decided("seed not chosen on the test", faults, ", ".join(figures) or "no alias stands for it")


def _best_by_luck(history: Records, source: Run, finished: list[Run]) -> tuple[str, float] | None:
    """Return what a run scored on validation and test, where its test alone can have chosen its seed; None elsewhere."""
    others = [r for r in finished if r.seed != source.seed]
    first = min(finished, key=lambda r: r.started_at, default=source)
    if not others or source.run == first.run or source.seed < min(r.seed for r in others):
        return None
    metrics = records.metrics_of(history.workspace, [source.run, *(r.run for r in others)])

    def value(run: Run, split: str) -> float | None:
        return metrics[run.run].get(split, {}).get(history.choice.metric)

    own, tested = value(source, "valid"), value(source, "test")
    if own is not None and not any(
        v is not None and history.better(v, own) for v in (value(r, "valid") for r in others)
    ):
        return None
    of_others = [v for r in others if (v := value(r, "test")) is not None]
    if tested is None or not of_others or not all(history.better(tested, v) for v in of_others):
        return None
    return "not measured" if own is None else f"{own:.4f}", tested


def configurations_tried(history: Records) -> Finding:
    """Return how many configurations were measured: sweeps, pruned trials and what models choose by themselves included."""
    counts = ", ".join(f"{model} {n}" for model, n in history.tried.items())
    figure = f"{sum(history.tried.values())} in all: {counts or 'none'}"
    return Finding("configurations tried", "pass" if history.tried else "unknown", figure)


def seeds_in_the_interval(history: Records) -> Finding:
    """Return whether what is compared has three seeds, where a seed matters."""
    check, compared = "seeds in the interval", _compared(history)
    if not compared:
        return Finding(check, "unknown", "no finished run is on the board")
    counts = {label(c): len(c.runs) for c in compared if is_seeded(c.model)}
    faults = [f"{name} has {n} of {_SEEDS} seeds" for name, n in counts.items() if n < _SEEDS]
    figure = ", ".join(f"{name} {n}" for name, n in counts.items()) or "nothing that is compared depends on a seed"
    return decided(check, faults, figure)


def _compared(history: Records) -> list[Configuration]:
    """Return the models, or the run's, and the best control; of controls alone the best with a seed and the best other."""
    chosen = history.choice.chosen
    own = [c for c in chosen if history.run is not None and c.model == history.run.model]
    subject = own or history.models or [c for c in chosen if is_seeded(c.model)][:1]
    return [*subject, *[c for c in history.controls if c not in subject][:1]]
