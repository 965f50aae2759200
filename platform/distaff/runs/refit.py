"""From selection to production: the settings and epochs that validation chose, for a fit on everything there is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distaff.model.base import Model
from distaff.model.registry import model_class
from distaff.runs import records
from distaff.runs.records import Run
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

_MONITOR = "recall@20"  # of every recommender that is trained by gradient; more of it is better


@dataclass(frozen=True)
class Refit:
    """The settings and epochs that a fit on everything takes from a run that was measured.

    Attributes:
        of: The run.
        settings: Its settings that differ from the defaults, and what its fit chose by itself.
        epochs: The epoch that validation chose; None for a model that is not trained by epochs.
    """

    of: str
    settings: Mapping[str, Any]
    epochs: int | None


def plan_refit(workspace: Workspace, run_id: str) -> Refit:
    """Return what a fit on everything takes from a run; a run that is such a fit itself gives what it was told.

    Raises:
        InputError: The run is not done, or the course of its training is no longer known.
    """
    run = records.find(workspace, run_id)
    if run.status != "done":
        raise InputError(f"run {run_id!r} is {run.status}, not done; nothing was chosen by it")
    settings = json.loads(run.settings)
    if run.fitted_on == records.ALL:
        return Refit(run.refit_of or run.run, settings, run.epochs)
    epochs = chosen_epoch(workspace, run)
    if epochs is None and "max_epochs" in json.loads(run.config):
        raise InputError(f"the course of run {run_id!r} is no longer known, and with it how many epochs were chosen")
    return Refit(run.run, settings | _chosen(workspace, run), epochs)


def _chosen(workspace: Workspace, run: Run) -> dict[str, Any]:
    """Return what a run's fit chose by itself: with nothing held out, its model would choose on less, or nothing."""
    if model_class(run.model).chosen is Model.chosen:
        return {}
    model: Model[Any] = Model.load(records.model_folder(workspace, run.run))
    return dict(model.chosen)


def chosen_epoch(workspace: Workspace, run: Run) -> int | None:
    """Return the epoch whose parameters a run kept; None for a model that is not trained by epochs."""
    rows = workspace.warehouse.rows("SELECT epoch, name, value FROM history WHERE run = ? ORDER BY epoch", [run.run])
    validated = [row for row in rows if row["name"] == _MONITOR]
    if validated:
        return int(max(validated, key=lambda row: row["value"])["epoch"])  # of equals the first, as the fit keeps it
    return int(rows[-1]["epoch"]) if rows else None


def everything(data: object) -> Interactions:
    """Return interactions whose every split is training data.

    Raises:
        InputError: Other data: heads and intervals of series are made on validation rows, and incidents have no split.
    """
    if not isinstance(data, Interactions):
        raise InputError(
            "only models of interactions are fitted on all: others need their validation rows, or have none"
        )
    return data.all_in_training()
