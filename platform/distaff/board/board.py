"""The board: every model run on a dataset beside its controls, chosen on validation, with both sources of error.

Validation gives the order, the best control and the configuration of each model. The test is looked at for those
configurations alone; all others are listed with what they scored on validation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from distaff.board.comparisons import Units, corrected
from distaff.board.kinds import base_of
from distaff.board.selection import Configuration, ConfigurationRanking, configurations, select, tried
from distaff.runs import marks, records
from distaff.stats.crossed import Comparison
from distaff.stats.intervals import Interval
from distaff_data.errors import UnknownNameError
from distaff_data.tables.datasets import kind_of
from distaff_data.workspace import Workspace

_SPLITS = ("valid", "test")
_EASY = 0.5  # of a metric whose best is 1
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
        metrics: By name, over seeds, on the board's split; of the test only where the configuration was chosen.
        comparison: Against the best control, on the board's metric, over users, windows or cases and over seeds; None for
            that control itself and for what was not chosen.
        validation: By name, over seeds, on validation.
        chosen: Whether it is the configuration that stands for its model.
        n_tried: Configurations of the model that were measured on the dataset, those of sweeps included.
    """

    model: str
    control: bool
    settings: dict[str, Any]
    runs: list[str]
    metrics: dict[str, Interval]
    comparison: Comparison | None = None
    validation: dict[str, Interval] = field(default_factory=dict)
    chosen: bool = True
    n_tried: int = 1


@dataclass(frozen=True)
class Board:
    """All rows of a dataset, best on validation first.

    Attributes:
        metric: What the rows are ranked and compared by.
        noise_floor: What the metrics are worth when a model knows nothing.
        selected_on: The split that chose; None where nothing was measured on validation.
        n_tried: Configurations that were measured on the dataset in all.
        tried: The same by model, those without a finished run of their own included.
        notes: What a reader should know.
    """

    dataset: str
    split: str
    metric: str
    rows: list[BoardRow]
    noise_floor: dict[str, float]
    best_control: str | None
    selected_on: str | None = None
    n_tried: int = 0
    tried: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``board``."""
        return asdict(self)

    def frame(self) -> pl.DataFrame:
        """Return ``model, control, settings, runs, metric, mean, std, low, high`` on the board's split."""
        return pl.DataFrame(
            [
                {"model": row.model, "control": row.control, "settings": json.dumps(row.settings), "runs": row.runs}
                | {"metric": name, **asdict(interval)}
                for row in self.rows
                for name, interval in row.metrics.items()
            ],
            schema=_FRAME,
        )


def board(workspace: Workspace, dataset: str, *, split: str = "test", archived: bool = False) -> Board:
    """Compare the finished runs on the dataset as it is now; with those that are put aside when asked.

    Raises:
        InputError: The dataset does not exist, ``split`` is neither valid nor test, or there is nothing to measure in it.
    """
    if split not in _SPLITS:
        raise UnknownNameError("split of a board", split, _SPLITS)
    base = base_of(kind_of(workspace.warehouse, dataset))
    data = base.read(workspace.warehouse, dataset)
    floor = base.chance(data, split)
    candidates = configurations(workspace, dataset, data.generation, archived=archived)
    choice = select(candidates, base.headline, {name: base.less_is_better(name) for name in base.headline})
    counts = tried(workspace, dataset)
    control = next((c for c in choice.chosen if c.control and c.mean(split, choice.metric) is not None), None)
    compared: dict[int, Comparison] = {}
    if control is not None and split == "test":
        compared = _compared(Units(workspace, candidates, split, choice.metric), choice.chosen, control)
    rows = [
        _row(c, split, any(c is one for one in choice.chosen), compared.get(id(c)), counts.get(c.model, 1))
        for c in choice.ranked
    ]
    rows = [row for row in rows if row.metrics or row.validation]
    best = None if control is None else control.model
    notes = _notes(choice, split) + _too_easy(choice.metric, floor, base.less_is_better(choice.metric))
    notes += [] if archived else _put_aside(workspace, dataset, data.generation)
    return Board(dataset, split, choice.metric, rows, floor, best, choice.split, sum(counts.values()), counts, notes)


def _put_aside(workspace: Workspace, dataset: str, generation: str) -> list[str]:
    """Return a note where runs are left out because somebody archived them: what is chosen among hangs on it."""
    aside = marks.archived(workspace, marks.RUN)
    here = {run.run for run in records.listing(workspace, dataset) if run.dataset_generation == generation}
    n = len(aside & here)
    return (
        [f"{n} archived run{'' if n == 1 else 's'} left out; with them: distaff board {dataset} --archived"]
        if n
        else []
    )


def _too_easy(metric: str, floor: dict[str, float], less_is_better: bool) -> list[str]:
    """Return a note where a model that knows nothing has most of a metric already, as where lists hold most of the items."""
    if "@" not in metric or less_is_better or floor.get(metric, 0.0) < _EASY:
        return []
    return [f"a model that knows nothing has {metric} {floor[metric]:.2f}: the data is too small for this metric to tell "
            "models apart"]  # fmt: skip


def _row(
    configuration: Configuration, split: str, chosen: bool, comparison: Comparison | None, n_tried: int
) -> BoardRow:
    return BoardRow(
        configuration.model,
        configuration.control,
        dict(configuration.settings),
        [run.run for run in configuration.runs],
        configuration.intervals(split) if chosen or split == "valid" else {},
        comparison,
        configuration.intervals("valid"),
        chosen,
        n_tried,
    )


def _compared(units: Units, chosen: Sequence[Configuration], control: Configuration) -> dict[int, Comparison]:
    """Return the comparison of each chosen configuration but the control itself, by its identity."""
    pairs = ((id(c), units.compare(c, control)) for c in chosen if c is not control)
    return corrected({key: comparison for key, comparison in pairs if comparison is not None})


def _notes(choice: ConfigurationRanking, split: str) -> list[str]:
    if not choice.ranked:
        return []
    if split == "valid":
        return ["validation chose the configurations, so nothing is tested on it"]
    if choice.split is None:
        return [
            "nothing was measured on validation: a model's first configuration stands for it, and the best control is the "
            "best on the test itself, which is in its favour"
        ]
    return []
