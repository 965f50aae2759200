"""The distance between what came since a fit, up to a scoring, and the data that the run was fitted to.

* **Interactions** (:mod:`distaff.monitoring.people`): which items are taken (total variation), how active users are
  (population stability index over tenths of the users who were there), and how common each factor is (total variation of
  mean shares, an item's shares held fixed).
* **Series** (:mod:`distaff.monitoring.channels`): mean and spread of each channel, in units of the training rows' scaler.
* **Incidents**: the same of each metric over normal rows.

A dataset that is ingested again holds its old rows too. Those are not new, and would thin out what is: only rows that the
run's data did not have are compared. Two samples of one population differ as well. For interactions the limit is what
shuffling users, or swapping their two sides, gives: the mean and four standard deviations; for channels it is as sure, over
blocks of rows. On top comes a margin, below which a change is of no consequence however sure it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from distaff.incidents.base import Diagnoser
from distaff.model.base import Model
from distaff.monitoring.channels import compare_incidents, compare_series
from distaff.monitoring.comparison import NOTHING_NEW, DriftMeasure
from distaff.monitoring.people import compare_interactions
from distaff.recommenders.base import Recommender
from distaff.runs.records import model_folder
from distaff.series.model import SeriesModel
from distaff_data.datasets.incidents import Incidents
from distaff_data.datasets.interactions import Interactions
from distaff_data.datasets.series import Series
from distaff_data.workspace import Workspace

__all__ = ["NOTHING_NEW", "DriftMeasure", "compare", "measure", "news", "warning"]


def measure(
    workspace: Workspace, run_id: str, execution: str | None = None, *, model: Model[Any] | None = None
) -> list[DriftMeasure]:
    """Compare what came into a run's dataset since the fit with the run's data, and store the comparison.

    Args:
        workspace: Where both are.
        run_id: A finished run.
        execution: The scheduled execution that asks.
        model: The run's model, where the caller has it in memory.

    Returns:
        The comparisons; none where the dataset is gone.
    """
    model = model or Model.load(model_folder(workspace, run_id))
    if workspace.warehouse.live(f"dataset/{model.data.name}") is None:
        return []
    drifts = compare(model, model.read(workspace.warehouse, model.data.name))
    rows = [{**vars(drift), "drifted": drift.drifted} for drift in drifts]
    constants = {"drift": uuid.uuid4().hex[:12], "run": run_id, "dataset": model.data.name, "execution": execution}
    workspace.warehouse.append("drifts", rows, written_at=datetime.now(UTC), **constants)
    return drifts


def compare(model: Model[Any], now: object) -> list[DriftMeasure]:
    """Compare what is new in data of a fitted model's kind with the model's own data."""
    if isinstance(model, Recommender) and isinstance(now, Interactions):
        return compare_interactions(model, now)
    if isinstance(model, SeriesModel) and isinstance(now, Series):
        return compare_series(model, now)
    if isinstance(model, Diagnoser) and isinstance(now, Incidents):
        return compare_incidents(model, now)
    return []


def news(drifts: Sequence[DriftMeasure]) -> str | None:
    """Return one line about what has drifted, or that there was nothing new; None when what is new has not drifted."""
    if drifts and all(drift.detail == NOTHING_NEW for drift in drifts):
        return f"drift: {NOTHING_NEW}"
    return warning(drifts)


def warning(drifts: Sequence[DriftMeasure]) -> str | None:
    """Return one line about what has drifted; None when nothing has."""
    messages = [
        f"{drift.part} {_of(drift)}".strip() + f" ({drift.measure} {drift.value:.3g}, limit {drift.limit:.3g})"
        for drift in drifts
        if drift.drifted
    ]
    more = f" and {len(messages) - 3} more" if len(messages) > 3 else ""
    return f"drift since training: {', '.join(messages[:3])}{more}" if messages else None


def _of(drift: DriftMeasure) -> str:
    return drift.name if drift.part == "channels" else f"of {drift.name}"
