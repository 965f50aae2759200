"""Runs whose place another one took: the record stays, the model and what was published go."""

from __future__ import annotations

import shutil
from dataclasses import replace

from distaff.runs import records
from distaff.runs.records import Run
from distaff_data.workspace import Workspace

_TARGETS = ("recommendations", "factors", "blind_spots", "calibrations", "metrics", "history")


def retire(workspace: Workspace, run: Run, message: str) -> None:
    """Mark a run as retired, and remove its model and its tables; done twice it is the same."""
    records.record(workspace, replace(run, status="retired", message=message))
    shutil.rmtree(records.run_folder(workspace, run.run) / "model", ignore_errors=True)
    workspace.warehouse.drop(*(f"{target}/{run.run}" for target in _TARGETS))
