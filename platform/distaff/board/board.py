"""The board: every configuration run on a dataset, beside its controls, with seed intervals and the noise floor."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import polars as pl

from distaff.board.kinds import base_of
from distaff.runs import records
from distaff.runs.records import Run
from distaff.stats.intervals import Comparison, Interval, compare_paired, seed_interval
from distaff_data.tables.datasets import kind_of
from distaff_data.workspace import Workspace

_FRAME: dict[str, pl.DataType | type[pl.DataType]] = {
    "model": pl.String,
    "control": pl.Boolean,
    "settings": pl.String,
    "runs": pl.List(pl.String),
    "metric": pl.String,
    **dict.fromkeys(("mean", "std", "low", "high"), pl.Float64),
}


@dataclass(frozen=True)
class BoardRow:
    """One configuration of a model: its runs, one a seed, and what they scored.

    Attributes:
        settings: What differs from the model's defaults.
        metrics: By name, over seeds, on the board's split.
        comparison: Paired over users, windows or cases against the best control, on the board's metric; None for that
            control itself.
    """

    model: str
    control: bool
    settings: dict[str, Any]
    runs: list[str]
    metrics: dict[str, Interval]
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Board:
    """All rows of a dataset, best first.

    Attributes:
        metric: What the rows are ranked and compared by.
        noise_floor: What the metrics are worth when a model knows nothing.
    """

    dataset: str
    split: str
    metric: str
    rows: list[BoardRow]
    noise_floor: dict[str, float]
    best_control: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``board``."""
        return asdict(self)

    def frame(self) -> pl.DataFrame:
        """Return ``model, control, settings, runs, metric, mean, std, low, high``: a row for each metric of each row."""
        return pl.DataFrame(
            [
                {"model": row.model, "control": row.control, "settings": json.dumps(row.settings), "runs": row.runs}
                | {"metric": name, **asdict(interval)}
                for row in self.rows
                for name, interval in row.metrics.items()
            ],
            schema=_FRAME,
        )


def board(workspace: Workspace, dataset: str, *, split: str = "test") -> Board:
    """Compare the finished runs on the dataset as it is now.

    Raises:
        InputError: The dataset does not exist, or has nothing to measure in ``split``.
    """
    base = base_of(kind_of(workspace.warehouse, dataset))
    data = base.read(workspace.warehouse, dataset)
    floor = base.chance(data, split)
    finished = [
        r for r in records.listing(workspace, dataset) if r.status == "done" and r.dataset_generation == data.generation
    ]
    metrics = records.metrics_of(workspace, [r.run for r in finished])
    scored = [r for r in finished if split in metrics[r.run]]
    measured = {name for r in scored for name in metrics[r.run][split]}
    metric = next((name for name in base.headline if name in measured), base.headline[0])
    rows = [
        _row(group, json.loads(settings), [metrics[r.run][split] for r in group])
        for (_, settings), group in _configurations(scored)
    ]
    sign = 1.0 if base.less_is_better(metric) else -1.0
    rows.sort(key=lambda row: sign * row.metrics[metric].mean if metric in row.metrics else float("inf"))
    best = next((row for row in rows if row.control and metric in row.metrics), None)
    if best is not None:
        rows = [_compared(workspace, row, best, split, metric) for row in rows]
    return Board(dataset, split, metric, rows, floor, None if best is None else best.model)


def _row(group: list[Run], settings: dict[str, Any], metrics: list[dict[str, float]]) -> BoardRow:
    intervals = {name: seed_interval([values[name] for values in metrics]) for name in metrics[0]}
    return BoardRow(group[0].model, group[0].control, settings, [r.run for r in group], intervals)


def _configurations(finished: Iterable[Run]) -> Iterable[tuple[tuple[str, str], list[Run]]]:
    """Return runs by model and settings; of several with one seed the newest counts."""

    def key(run: Run) -> tuple[str, str]:
        return run.model, run.settings

    for configuration, group in groupby(sorted(finished, key=lambda r: (*key(r), r.started_at)), key=key):
        yield configuration, list({run.seed: run for run in group}.values())


def _compared(workspace: Workspace, row: BoardRow, control: BoardRow, split: str, metric: str) -> BoardRow:
    if row is control:
        return row
    ours, theirs = (_per_unit(workspace, r.runs, split, metric) for r in (row, control))
    both = ours.join(theirs, on="unit", suffix="_control").sort("unit")
    if both.is_empty():
        return row
    pair = (both[column].to_numpy() for column in ("value", "value_control"))
    return replace(row, comparison=compare_paired(*pair, metric=metric, against=control.model))


def _per_unit(workspace: Workspace, run_ids: list[str], split: str, metric: str) -> pl.DataFrame:
    """Return ``unit, value``: each unit's value, averaged over the runs."""
    return workspace.warehouse.frame(
        "SELECT unit, avg(value) AS value FROM unit_metrics "
        "WHERE list_contains(?, run) AND split = ? AND metric = ? GROUP BY unit",
        [run_ids, split, metric],
    )
