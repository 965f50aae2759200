"""The board: every configuration run on a dataset, beside its controls, with seed intervals and the noise floor."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distaff import runs
from distaff.intervals import Comparison, Interval, compare_paired, seed_interval
from distaff.ranking import chance
from distaff.runs import Run
from distaff_data.errors import InputError
from distaff_data.loader import load_interactions
from distaff_data.workspace import Workspace

METRIC = "recall@20"


@dataclass(frozen=True)
class BoardRow:
    """One configuration of a model: its runs, one a seed, and what they scored.

    Attributes:
        settings: What differs from the model's defaults.
        metrics: By name, over seeds, on the board's split.
        comparison: Paired against the best control on the board's metric; None for that control itself.
    """

    model: str
    control: bool
    settings: dict[str, Any]
    runs: list[str]
    metrics: dict[str, Interval]
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Board:
    """All rows of a dataset, best first, and what lists drawn at random would score."""

    dataset: str
    split: str
    rows: list[BoardRow]
    noise_floor: dict[str, float]
    best_control: str | None

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of ``board``."""
        return asdict(self)


def board(workspace: Workspace, dataset: str, *, split: str = "test") -> Board:
    """Compare the finished runs on the dataset as it is now.

    Raises:
        InputError: The dataset does not exist, or has no interactions in ``split``.
    """
    data = load_interactions(workspace.warehouse, dataset)
    if data.split(split).nnz == 0:
        raise InputError(f"dataset {dataset!r} has no {split} interactions to compare on")
    done = [
        r for r in runs.listing(workspace, dataset) if r.status == "done" and r.dataset_generation == data.generation
    ]
    metrics = runs.metrics_of(workspace, [r.run for r in done])
    scored = [r for r in done if split in metrics[r.run]]
    rows = [
        BoardRow(
            model,
            group[0].control,
            json.loads(settings),
            [r.run for r in group],
            {
                name: seed_interval([metrics[r.run][split][name] for r in group])
                for name in metrics[group[0].run][split]
            },
        )
        for (model, settings), group in _configurations(scored)
    ]
    rows.sort(key=lambda row: -row.metrics[METRIC].mean)
    best = next((row for row in rows if row.control), None)
    if best is not None:
        rows = [_compared(workspace, row, best, split) for row in rows]
    return Board(dataset, split, rows, chance(data, split), None if best is None else best.model)


def _configurations(found: Iterable[Run]) -> Iterable[tuple[tuple[str, str], list[Run]]]:
    """Runs by model and settings; of several with one seed the newest counts."""

    def key(run: Run) -> tuple[str, str]:
        return run.model, run.settings

    for configuration, group in groupby(sorted(found, key=lambda r: (*key(r), r.started_at)), key=key):
        yield configuration, list({run.seed: run for run in group}.values())


def _compared(workspace: Workspace, row: BoardRow, control: BoardRow, split: str) -> BoardRow:
    if row is control:
        return row
    ours, theirs = (_per_user(workspace, r.runs, split) for r in (row, control))
    users = sorted(ours.keys() & theirs.keys())
    pair: list[NDArray[np.float64]] = [np.array([side[user] for user in users]) for side in (ours, theirs)]
    comparison = compare_paired(pair[0], pair[1], metric=METRIC, against=control.model)
    return BoardRow(row.model, row.control, row.settings, row.runs, row.metrics, comparison)


def _per_user(workspace: Workspace, run_ids: list[str], split: str) -> dict[str, float]:
    """Each user's value, averaged over the runs."""
    table = workspace.warehouse.query(
        "SELECT user_id, avg(value) AS value FROM user_metrics "
        "WHERE list_contains(?, run) AND split = ? AND metric = ? GROUP BY user_id",
        [run_ids, split, METRIC],
    )
    return dict(zip(table["user_id"].to_pylist(), table["value"].to_pylist(), strict=True))
