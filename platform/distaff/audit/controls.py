"""Questions about controls: which are missing, and which stand there below what they can do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import product
from math import sqrt
from statistics import fmean
from typing import Any

from distaff.audit.budgets import SHARE, Search
from distaff.audit.finding import Finding, decided
from distaff.audit.history import Records
from distaff.board.kinds import base_of
from distaff.board.selection import Configuration
from distaff.model.base import Model
from distaff.model.registry import model_class
from distaff_data.errors import InputError

STANDARD: Mapping[str, tuple[str, ...]] = {
    "interactions": ("popularity", "ease", "als"),
    "series": ("raw_ridge", "random_encoder"),
    "incidents": ("random", "nsigma", "baro"),
}
"""The controls that every board of a kind has to have, where their packages are installed."""

_ERRORS = 2.6  # standard errors over users by which a control that is called crippled is worse
_SIMPLEST = "popularity"


def standard_controls(history: Records) -> Finding:
    """Return which of the standard controls, and of the models without what they claim, have no run."""
    present = {c.model for c in history.choice.chosen}
    missing = [f"{name} is missing" for name in STANDARD[history.kind] if name not in present and _installed(name)]
    subjects = {c.model for c in history.models} | ({history.run.model} if history.run is not None else set())
    for model in sorted(subjects):
        absent = [name for name in _ablations(model) if name not in present and _installed(name)]
        missing += [f"{name}, which is {model} without what it claims, is missing" for name in absent]
    return decided("standard controls", missing, ", ".join(sorted(present)))


def tuned_controls(history: Records) -> Finding:
    """Return whether a control stands on the board below what it can do, or was tuned less than the models."""
    budgets = {c.model: history.tried.get(c.model, 1) for c in history.models}
    most = max(budgets.values(), default=0)
    faults, figures = [], []
    for control in history.controls:
        n = history.tried.get(control.model, 1)
        value, best = control.mean("valid", history.choice.metric), _best_trial(history, control.model)
        short = _too_few(history, control.model, n, most)
        ended = n < SHARE * most and short is None and _tunable(control.model)
        figures.append(f"{control.model} {n}{' (more brought nothing)' if ended else ''}")
        if value is not None and best is not None and history.better(best, value):
            faults.append(
                f"a sweep of {control.model} reached {best:.4f} on validation, its row on the board {value:.4f}"
            )
        elif short is not None:
            tuned = ", ".join(f"{model} {count}" for model, count in budgets.items() if count == most)
            faults.append(f"{control.model} was tried with {n} configuration(s), {tuned}: {short}")
    faults += _crippled(history) + _under_other_conditions(history)
    return decided(
        "controls tuned like the models", faults, f"configurations of controls: {', '.join(figures) or 'none'}"
    )


def _too_few(history: Records, control: str, n: int, most: int) -> str | None:
    """Return why a control was tried too little beside the model that was tried most; None where it was not."""
    kind = _class(control)
    if n >= SHARE * most or kind is None or not kind.Config.search_space():
        return None
    return Search.of(history, control).shortcoming(kind)


def _crippled(history: Records) -> list[str]:
    """Return the controls of recommenders that are below chance, or untuned and below popularity, on validation.

    Beyond the error over users, twice and more: a control that knows nothing is at chance, on either side of it. Other kinds
    have honest controls that are worse than their noise floor, such as forecasts of the last value.
    """
    metric = history.choice.metric
    if history.kind != "interactions" or history.choice.split is None:
        return []
    floor = base_of(history.kind).chance(history.interactions, "valid")[metric]
    levels = {c.model: level for c in history.controls if (level := _level(history, c)) is not None}
    simplest, error_of_simplest = levels.get(_SIMPLEST, (floor, 0.0))
    faults = []
    for control in history.controls:
        if control.model not in levels:
            continue
        mean, error = levels[control.model]
        untuned = history.tried.get(control.model, 1) == 1 and (_tunable(control.model) or bool(control.settings))
        if mean + _ERRORS * error < floor:
            faults.append(f"{control.model} has {mean:.4f} on validation, chance {floor:.4f}")
        elif untuned and mean + _ERRORS * sqrt(error**2 + error_of_simplest**2) < simplest:
            faults.append(
                f"{control.model}, of which one configuration was tried, has {mean:.4f} on validation, "
                f"{_SIMPLEST} {simplest:.4f}"
            )
    return faults


def _under_other_conditions(history: Records) -> list[str]:
    """Return the controls of series and incidents with a setting that no sweep looks at unlike that of a model beside them.

    Such are the rows of a window, the share of labels, or whether an onset was given. A default is no such choice.
    """
    if history.kind == "interactions":
        return []
    faults = []
    for control, model in product(history.controls, history.models):
        kind, own = _class(control.model), json.loads(model.runs[0].config)
        swept = set() if kind is None else set(kind.Config.search_space())
        faults += [
            f"{control.model} has {name}={value}, {model.model} {own[name]}"
            for name, value in control.settings.items()
            if name in own and name not in swept and own[name] != value
        ]
    return faults


def _level(history: Records, configuration: Configuration) -> tuple[float, float] | None:
    """Return what a configuration scored on validation and its standard error over users; None where no user was."""
    rows = history.workspace.warehouse.rows(
        "SELECT avg(value) AS mean, coalesce(stddev_samp(value), 0) / sqrt(count(*)) AS error FROM unit_metrics "
        "WHERE list_contains(?, run) AND split = 'valid' AND metric = ? GROUP BY run",
        [[run.run for run in configuration.runs], history.choice.metric],
    )
    return (fmean(row["mean"] for row in rows), fmean(row["error"] for row in rows)) if rows else None


def _best_trial(history: Records, model: str) -> float | None:
    """Return the best that a sweep of a model reached on validation, on the dataset as it is now."""
    rows = history.workspace.warehouse.rows(
        "SELECT m.value FROM runs r JOIN metrics m USING (run) WHERE r.dataset = ? AND r.model = ? AND r.study IS NOT NULL "
        "AND r.status = 'done' AND r.dataset_generation = ? AND m.split = 'valid' AND m.metric = ?",
        [history.dataset, model, history.generation, history.choice.metric],
    )
    values = [row["value"] for row in rows]
    pick = min if base_of(history.kind).less_is_better(history.choice.metric) else max
    return pick(values) if values else None


def _class(name: str) -> type[Model[Any]] | None:
    """Return the class of a model; None where its package is not installed."""
    with suppress(InputError):
        kind: type[Model[Any]] = model_class(name)
        return kind
    return None


def _installed(model: str) -> bool:
    return _class(model) is not None


def _ablations(model: str) -> Sequence[str]:
    kind = _class(model)
    return () if kind is None else kind.ablations


def _tunable(model: str) -> bool:
    kind = _class(model)
    return kind is not None and bool(kind.Config.search_space())
