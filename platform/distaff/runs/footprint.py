"""The cost of fitted models beside each other: numbers kept for a user, megabytes on disk, seconds of a fit.

Two figures of a board mean the same only where their models could spend the same. A model of 256 numbers a user beside one
of 32 is not an equal comparison, whatever its interval says.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import Any

from distaff.model.base import Model
from distaff.runs import records
from distaff_data.workspace import Workspace


@dataclass(frozen=True)
class Footprint:
    """The cost of one configuration, fitted once or once a seed.

    Attributes:
        model: Its name in the registry.
        trials: Configurations that were tried for it on validation.
        metric: What they were tried for.
        valid: Mean of that metric on validation over the runs; None where they have none.
        numbers_per_user: Length of the vector that stands for a user, the number of items where that is the user's
            history; None of models without users.
        megabytes: The files of one run, the data that it keeps included.
        seconds: Of one fit.
        runs: The runs, one a seed.
    """

    model: str
    trials: int
    metric: str
    valid: float | None
    numbers_per_user: int | None
    megabytes: float
    seconds: float
    runs: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return its entry in the JSON shape of ``tune --controls``."""
        return {
            "model": self.model,
            "trials": self.trials,
            "valid": self.valid,
            "numbers_per_user": self.numbers_per_user,
            "megabytes": round(self.megabytes, 3),
            "seconds": round(self.seconds, 3),
            "runs": self.runs,
        }


def footprint(workspace: Workspace, run_ids: list[str], *, trials: int, metric: str) -> Footprint:
    """Return the cost of runs that differ in their seed alone.

    Raises:
        UnknownNameError: There is no such run.
        InputError: One is not done.
    """
    runs = [records.find(workspace, run_id) for run_id in run_ids]
    metrics = records.metrics_of(workspace, run_ids)
    values = [metrics[run_id]["valid"][metric] for run_id in run_ids if metric in metrics[run_id].get("valid", {})]
    folder = records.model_folder(workspace, run_ids[0])
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Footprint(
        model=runs[0].model,
        trials=trials,
        metric=metric,
        valid=mean(values) if values else None,
        numbers_per_user=Model.load(folder).numbers_per_user(),
        megabytes=size / 1e6,
        seconds=mean(run.seconds for run in runs),
        runs=run_ids,
    )
