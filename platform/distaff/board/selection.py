"""Choice on validation: the configurations run on a dataset, the best of each model, and how many were tried."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from distaff.board.kinds import base_of
from distaff.runs import logs, marks, records
from distaff.runs.records import Run
from distaff.stats.intervals import Interval, seed_interval
from distaff_data.errors import InputError
from distaff_data.tables.datasets import kind_of, live_generation
from distaff_data.workspace import Workspace


@dataclass(frozen=True)
class Configuration:
    """The finished runs of one model with the same settings, one a seed.

    Attributes:
        settings: What differs from the model's defaults.
        runs: The runs; of several with one seed the newest.
        metrics: What each of them scored, by split and name.
    """

    model: str
    control: bool
    settings: Mapping[str, Any]
    runs: Sequence[Run]
    metrics: Sequence[Mapping[str, Mapping[str, float]]]

    def intervals(self, split: str) -> dict[str, Interval]:
        """Return the metrics of a split over seeds, by name; empty where it was not measured."""
        values = [metrics[split] for metrics in self.metrics if split in metrics]
        return {name: seed_interval([of_run[name] for of_run in values]) for name in (values[0] if values else ())}

    def mean(self, split: str, metric: str) -> float | None:
        """Return the mean of a metric over seeds; None where it was not measured."""
        interval = self.intervals(split).get(metric)
        return None if interval is None else interval.mean


@dataclass(frozen=True)
class ConfigurationRanking:
    """The configurations of a dataset in the order of the metric that chooses.

    Attributes:
        metric: What was compared.
        split: The split that chose: ``valid``; None where nothing has been measured on validation.
        ranked: The best first; those that were not measured on the choosing split last.
        chosen: The one of each model.
    """

    metric: str
    split: str | None
    ranked: Sequence[Configuration]
    chosen: Sequence[Configuration]


def configurations(
    workspace: Workspace, dataset: str, generation: str, *, archived: bool = False
) -> list[Configuration]:
    """Return what has been run on a dataset as it is now; neither trials of sweeps nor fits on everything.

    Args:
        workspace: Where the runs are.
        dataset: The dataset.
        generation: Its write that is live.
        archived: Whether runs that are put aside count too.
    """
    aside = set() if archived else marks.archived(workspace, marks.RUN)
    finished = [
        r
        for r in records.listing(workspace, dataset)
        if r.status == "done" and r.dataset_generation == generation and r.fitted_on == records.TRAIN
        if r.run not in aside
    ]
    metrics = records.metrics_of(workspace, [r.run for r in finished])
    return [
        Configuration(
            group[0].model, group[0].control, json.loads(group[0].settings), group, [metrics[r.run] for r in group]
        )
        for group in _groups(r for r in finished if metrics[r.run])
    ]


def select(
    candidates: Sequence[Configuration], headline: Sequence[str], minimize: Mapping[str, bool]
) -> ConfigurationRanking:
    """Choose a configuration of each model on validation.

    Without validation data nothing chooses: a model's first run stands for it, and the test itself gives the order.

    Args:
        candidates: All that were run.
        headline: Metrics, of which the first that was measured chooses.
        minimize: For each, whether less is better.
    """
    measured = {name for c in candidates for metrics in c.metrics for values in metrics.values() for name in values}
    metric = next((name for name in headline if name in measured), headline[0])
    validated = any(c.mean("valid", metric) is not None for c in candidates)
    split = "valid" if validated else "test"
    sign = 1.0 if minimize[metric] else -1.0

    def place(configuration: Configuration) -> float:
        mean = configuration.mean(split, metric)
        return float("inf") if mean is None else sign * mean

    ranked = sorted(candidates, key=place)
    order = ranked if validated else sorted(candidates, key=lambda c: min(r.started_at for r in c.runs))
    first: dict[str, Configuration] = {}
    for configuration in order:
        first.setdefault(configuration.model, configuration)
    return ConfigurationRanking(
        metric, "valid" if validated else None, ranked, [c for c in ranked if first[c.model] is c]
    )


def selection(workspace: Workspace, dataset: str, *, archived: bool = False) -> ConfigurationRanking:
    """Return the choice among what was run on a dataset as it is now; runs that are put aside count too when asked.

    Raises:
        UnknownNameError: There is no such dataset.
    """
    kind = kind_of(workspace.warehouse, dataset)
    generation = live_generation(workspace.warehouse, dataset, kind)
    candidates = configurations(workspace, dataset, generation, archived=archived)
    base = base_of(kind)
    return select(candidates, base.headline, {name: base.less_is_better(name) for name in base.headline})


def chosen_run(workspace: Workspace, model: str, dataset: str) -> Run:
    """Return the first run of the configuration of a model that validation chose.

    Raises:
        InputError: The model has no finished run on the dataset as it is now.
    """
    for configuration in selection(workspace, dataset).chosen:
        if configuration.model == model:
            return min(configuration.runs, key=lambda run: run.seed)
    raise InputError(
        f"{model} has no finished run on {dataset!r} as it is now, so nothing was chosen on validation; first: "
        f"distaff train {model} {dataset}"
    )


def tried(workspace: Workspace, dataset: str) -> dict[str, int]:
    """Return how many configurations of each model were measured on a dataset, those of sweeps included.

    Every record counts, pruned trials, runs on earlier writes of the dataset and runs that were deleted as well, and fits
    that ended early after they had shown a value on validation: each was a look. So was each configuration that a fit
    which chooses itself judged.
    """
    condition = "dataset = ? AND coalesce(fitted_on, 'train') = ?"
    rows = workspace.warehouse.ever("runs", condition, [dataset, records.TRAIN]).to_pylist()
    measured = {row["run"] for row in workspace.warehouse.rows("SELECT DISTINCT run FROM metrics")}
    headline = base_of(kind_of(workspace.warehouse, dataset)).headline if rows else ()
    looks: dict[str, dict[str, int]] = {}
    for row in sorted(rows, key=lambda row: str(row["model"])):
        ended = row["status"] in ("done", "pruned", "retired") or row["run"] in measured
        if ended or _was_validated(workspace, row["run"], headline):
            of_model = looks.setdefault(row["model"], {})
            of_model[row["settings"]] = max(of_model.get(row["settings"], 1), row["n_tried"] or 1)
    return {model: sum(of_model.values()) for model, of_model in looks.items()}


def _was_validated(workspace: Workspace, run_id: str, headline: Sequence[str]) -> bool:
    """Tell whether the log of a run, which may not have come to its end, shows a metric on validation."""
    log = records.run_folder(workspace, run_id) / logs.NAME
    return log.is_file() and any(name in epoch for epoch in logs.epochs(log) for name in headline)


def _groups(finished: Iterable[Run]) -> Iterable[list[Run]]:
    """Yield runs by model and settings; of several with one seed the newest counts."""

    def key(run: Run) -> tuple[str, str]:
        return run.model, run.settings

    for _, group in groupby(sorted(finished, key=lambda r: (*key(r), r.started_at)), key=key):
        yield list({run.seed: run for run in group}.values())
