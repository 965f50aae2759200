"""The records that an audit reads: the runs on a dataset, what was chosen among them, and what is promoted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from distaff.board.kinds import base_of
from distaff.board.selection import Configuration, ConfigurationRanking, selection, tried
from distaff.runs import aliases, records
from distaff.runs.records import Run
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import UnknownNameError
from distaff_data.tables.datasets import kind_of, live_generation
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace


@dataclass(frozen=True)
class Records:
    """The runs on a dataset.

    Attributes:
        kind: The dataset's kind.
        generation: The write of the dataset that is there now.
        choice: The configurations on the dataset as it is now, and the chosen ones.
        tried: Configurations measured, by model.
        run: The run that was asked about, where it is one.
    """

    workspace: Workspace
    dataset: str
    kind: str
    generation: str
    choice: ConfigurationRanking
    tried: Mapping[str, int]
    run: Run | None

    @classmethod
    def of(cls, workspace: Workspace, dataset: str, run: Run | None) -> Records:
        """Return the records of a dataset."""
        kind = kind_of(workspace.warehouse, dataset)
        generation = live_generation(workspace.warehouse, dataset, kind)
        choice = selection(workspace, dataset, archived=True)  # putting a control aside does not unmake it
        return cls(workspace, dataset, kind, generation, choice, tried(workspace, dataset), run)

    @cached_property
    def interactions(self) -> Interactions:
        """The dataset as it is now, of the kind that recommenders have."""
        return load_interactions(self.workspace.warehouse, self.dataset)

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

    @cached_property
    def promoted(self) -> dict[str, Run]:
        """The runs that aliases stand for, by alias; the run's own alone, where a run was asked about."""
        runs = {alias: records.find(self.workspace, run) for alias, run in aliases.current(self.workspace).items()}
        return {
            alias: run
            for alias, run in runs.items()
            if run.dataset == self.dataset and (self.run is None or run.run == self.run.run)
        }

    def source(self, run: Run) -> Run:
        """Return the run that was measured: the run itself, or the one that it is a refit of; itself where that is gone."""
        if run.refit_of is None:
            return run
        with suppress(UnknownNameError):
            return records.find(self.workspace, run.refit_of)
        return run

    def better(self, value: float, than: float) -> bool:
        """Tell whether a value of the metric is better than another, beyond rounding."""
        sign = -1.0 if base_of(self.kind).less_is_better(self.choice.metric) else 1.0
        return sign * (value - than) > 1e-9 * max(abs(value), abs(than))

    def shown(self, configuration: Configuration) -> str:
        """Return what a configuration scored on validation, as text."""
        mean = configuration.mean("valid", self.choice.metric)
        return "nothing" if mean is None else f"{mean:.4f}"


def same_configuration(run: Run, other: Run) -> bool:
    """Tell whether two runs differ in seed and time alone: in no model, setting or write of the dataset."""
    known = (run.model, run.dataset, run.dataset_generation, run.fitted_on)
    same = (other.model, other.dataset, other.dataset_generation, other.fitted_on)
    return known == same and json.loads(run.settings) == json.loads(other.settings)


def label(configuration: Configuration) -> str:
    """Return a configuration's model and settings, as text."""
    settings = ", ".join(f"{name}={value}" for name, value in configuration.settings.items())
    return f"{configuration.model} ({settings})" if settings else configuration.model
