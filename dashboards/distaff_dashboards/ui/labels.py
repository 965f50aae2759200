"""Labels of runs and factors, the same on every page."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import polars as pl

from distaff_dashboards.ui import wording


def run_label(run: Mapping[str, Any]) -> str:
    """Return a run's model and dataset, and whether the model is a control; from ``model, control, dataset``."""
    return f"{run['model']}{', a control,' if run['control'] else ''} on {run['dataset']}"


def run_labels(runs: pl.DataFrame) -> dict[str, str]:
    """Return labels by what tells runs of one dataset apart: alias, model, settings and seeds that differ, validation, date.

    Args:
        runs: ``run, model, control, seed, settings, started_at, aliases, metric, value, title, tags, archived``.
    """
    by_model: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for model, seed, settings in runs.select("model", "seed", "settings").iter_rows():
        by_model[model].append((seed, json.loads(settings)))
    varied = {model: _varied([settings for _, settings in group]) for model, group in by_model.items()}
    reseeded = {model: len({seed for seed, _ in group}) > 1 for model, group in by_model.items()}
    labels = {}
    for run in runs.iter_rows(named=True):
        settings = json.loads(run["settings"])
        own = {name: settings[name] for name in varied[run["model"]] if name in settings}
        parts = [run["model"] + (" (control)" if run["control"] else "")]
        parts += [wording.settings(own)] if own else []
        parts += [f"seed {run['seed']}"] if reseeded[run["model"]] else []
        facts = [", ".join(run["aliases"] or ()), run["title"] or "", ", ".join(parts), ", ".join(run["tags"])]
        facts += [f"{run['metric']} {wording.number(run['value'])} on validation"] if run["metric"] else []
        facts += [f"{run['started_at']:%Y-%m-%d}", run["run"].rpartition("-")[2]]
        facts += ["archived"] if run["archived"] else []
        labels[run["run"]] = " · ".join(fact for fact in facts if fact)
    return labels


def dataset_facts(facts: Mapping[str, Any]) -> str:
    """Return the sizes of a dataset on one line, from the counts of its ingestion."""
    sizes = [
        f"{facts[key]:,} {key}"
        for key in ("users", "items", "cases", "entities", "metrics", "channels", "rows")
        if isinstance(facts.get(key), int)
    ]
    splits = [f"{facts[key]:,} {key}" for key in ("train", "valid", "test") if isinstance(facts.get(key), int)]
    return ", ".join(sizes) + (f" · {', '.join(splits)}" if splits else "")


def factor_label(factor: int, name: str | None) -> str:
    """Return a factor's stable number with its name, when it has one."""
    return f"{factor}: {name}" if name and name != "unnamed" else f"{factor} (unnamed)"


def factor_labels(factors: pl.DataFrame) -> dict[int, str]:
    """Return the labels of factors by number, in the order of a table with ``factor, name``."""
    return {factor: factor_label(factor, name) for factor, name in factors.select("factor", "name").iter_rows()}


def with_names(table: pl.DataFrame, names: Mapping[int, str], column: str = "factor") -> pl.DataFrame:
    """Return a table with a column ``name``: the label of the factor in another column, or its number."""
    number = pl.col(column).cast(pl.String)
    return table.with_columns(
        name=pl.col(column).replace_strict(names, default=None, return_dtype=pl.String).fill_null(number)
    )


def _varied(settings: list[dict[str, Any]]) -> list[str]:
    """Return the names of settings that are not the same everywhere, in the order of their first occurrence."""
    names = dict.fromkeys(name for one in settings for name in one)
    return [name for name in names if len({json.dumps(one.get(name), sort_keys=True) for one in settings}) > 1]
