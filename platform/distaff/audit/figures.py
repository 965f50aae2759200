"""Questions about the records themselves: are figures what was measured, of these data, and is a run's record gone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from distaff._version import __version__
from distaff.audit.finding import Finding, decided
from distaff.audit.history import Records
from distaff.board.kinds import base_of
from distaff.model.base import Model
from distaff.ranking.metrics import evaluate
from distaff.recommenders.base import Recommender
from distaff.runs import logs, records
from distaff.runs.records import Run
from distaff_data.errors import InputError

_ROUNDING = 1e-4  # of a mean over units, relative; they are kept as they were computed
_AGAIN = 1e-3  # of a model that is measured again, perhaps on another device; relative, and a tenth of it absolute
_NAMED = {"valid": "validation", "test": "the test"}
_MEANS = """
SELECT m.run, m.split, m.metric, m.value, u.mean FROM metrics m LEFT JOIN (
    SELECT run, split, metric, avg(value) AS mean FROM unit_metrics WHERE list_contains($1, run) GROUP BY ALL
) u USING (run, split, metric)
WHERE list_contains($1, m.run) AND m.split IN ('valid', 'test') ORDER BY m.run, m.split, m.metric
"""


def figures_were_measured(history: Records) -> Finding:
    """Return whether recorded metrics are the means of their units, and what the run's model gives on validation again."""
    shown = {run.run for configuration in history.choice.ranked for run in configuration.runs}
    if history.run is not None:
        shown.add(history.run.run)
    faults, n = [], 0
    measured = history.workspace.warehouse.rows(_MEANS, [sorted(shown)])
    expected = base_of(history.kind).headline
    for row in measured:
        place = f"{row['metric']} of {row['run']} on {row['split']}"
        if row["mean"] is None:
            faults += [f"{place} has no values of units behind it"] if row["metric"] in expected else []
            continue
        n += 1
        if not _same(row["value"], row["mean"], _ROUNDING, _ROUNDING / 100):
            faults.append(f"{place} is recorded as {row['value']:.4f}, its units' mean is {row['mean']:.4f}")
    figure = f"{n} metrics of {len(shown)} run(s) are the means of their units"
    if history.run is not None and _can_be_measured(history.run):
        again, wrong = _measured_again(history, history.run)
        faults += wrong
        figure += f", and {again} again" if again and not wrong else ""
    return decided("figures are what was measured", faults, figure)


def fitted_to_the_dataset(history: Records, run: Run) -> Finding:
    """Return whether a run was fitted to the dataset as it is now, which all lines about splits and controls speak of."""
    source = history.source(run)
    stale = sorted({run.dataset_generation, source.dataset_generation} - {history.generation})
    faults = [
        f"it was fitted to generation {generation} of {run.dataset}, which is {history.generation} now: the lines about "
        "splits and controls speak of other data"
        for generation in stale
    ]
    return decided("dataset it was fitted to", faults, f"generation {history.generation} of {run.dataset}")


def no_record_removed(history: Records) -> Finding:
    """Return whether runs on the dataset have left folders or metrics, and have no record.

    A record stays whatever becomes of a run: one whose model went with a person is ``retired``.
    """
    workspace = history.workspace
    recorded = {row["run"] for row in workspace.warehouse.rows("SELECT run FROM runs")}
    begun = re.compile(rf"[^-]+-{re.escape(history.dataset)}-[0-9a-f]{{8}}")  # as runs are named
    folders = {f.name for f in workspace.runs.iterdir() if (f / logs.NAME).exists() or (f / "model").is_dir()}
    measured = {row["run"] for row in workspace.warehouse.rows("SELECT DISTINCT run FROM metrics")}
    faults = []
    for things, verb, found in (("run folders", "have", folders), ("runs", "have metrics and", measured - folders)):
        lost = sorted(name for name in found - recorded if begun.fullmatch(name))
        if lost:
            faults.append(f"{len(lost)} {things} {verb} no record, such as {lost[0]}")
    n = sum(bool(begun.fullmatch(name)) for name in folders)
    return decided("no record was removed", faults, f"{n} run folders, each with its record")


def _can_be_measured(run: Run) -> bool:
    return run.status == "done" and run.study is None and run.fitted_on == records.TRAIN


def _measured_again(history: Records, run: Run) -> tuple[str, list[str]]:
    """Return what gives a run's figures again, where anything does, and where they are not what is recorded.

    A recommender and a model of series are measured on validation; of incidents, which have none, the published causes are.
    """
    split = "test" if history.kind == "incidents" else "valid"
    recorded = records.metrics_of(history.workspace, [run.run])[run.run].get(split, {})
    if not recorded:
        return "", []
    try:
        again = _figures(history, run)
    except InputError as error:
        return "", [f"its model cannot be measured again: {error}"]
    if not again:
        return "", [f"its model has nothing of {_NAMED[split]} beside it, and metrics of it are recorded"]
    gives = "its causes give" if split == "test" else "its model gives"
    before = "" if run.version == __version__ else f"; version {run.version} measured it, distaff evaluate does anew"
    return f"{gives} them{'' if split == 'test' else ' on validation'}", [
        f"{name} on {_NAMED[split]} is recorded as {recorded[name]:.4f}, {gives} {again[name]:.4f}{before}"
        for name in base_of(history.kind).headline
        if name in recorded and name in again and not _same(recorded[name], again[name], _AGAIN, _AGAIN / 10)
    ]


def _figures(history: Records, run: Run) -> Mapping[str, float]:
    """Return what a stored run scores when it is measured again; nothing where there is nothing to measure it on."""
    model: Model[Any] = Model.load(records.model_folder(history.workspace, run.run))
    if isinstance(model, Recommender):
        return evaluate(model.ranker(), model.data, "valid").metrics if model.data.valid.nnz else {}
    if history.kind == "incidents":
        model.load_results(history.workspace.warehouse, run.run)
        return {name: value for measured in model.measure() for name, value in measured.metrics.items()}
    validate = model.validator(model.data)
    return {} if validate is None else validate()


def _same(value: float, other: float, relative: float, absolute: float) -> bool:
    if math.isnan(value) or math.isnan(other):
        return math.isnan(value) and math.isnan(other)
    return math.isclose(value, other, rel_tol=relative, abs_tol=absolute)
