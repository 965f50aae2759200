"""The bin: what was deleted, where its files lie, and how they go for good.

The rows of what is deleted stay where they are and are shown no more; the table ``deletions`` says which they are, and keeps
them from being reclaimed. The files lie in ``bin/DELETION``.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from distaff.runs import records
from distaff_data.workspace import Workspace

FOLDER = "bin"
BINNED, RESTORED, EMPTIED = "binned", "restored", "emptied"


@dataclass(frozen=True)
class Deletion:
    """One deletion; field by field the table ``deletions``."""

    deletion: str
    kind: str
    name: str
    dataset: str
    runs: list[str]
    studies: list[str]
    targets: list[str]
    generations: list[str]
    state: str
    deleted_at: datetime


def contents(workspace: Workspace, dataset: str | None = None) -> list[Deletion]:
    """Return what is in the bin, the newest first: all of it, or what was of one dataset."""
    return _listed(workspace, "state = 'binned' AND dataset = coalesce(?, dataset)", [dataset])


def runs_ever_deleted(workspace: Workspace, dataset: str) -> list[str]:
    """Return the runs on a dataset that are in the bin or went with it when it was emptied: rows of theirs may be left."""
    found = _listed(workspace, "state <> 'restored' AND dataset = ?", [dataset])
    return sorted({run for deletion in found for run in deletion.runs})


def datasets_naming(workspace: Workspace, people: Sequence[str]) -> set[str]:
    """Return the datasets in the bin that have people of some ids."""
    return {
        d.dataset
        for d in contents(workspace)
        if d.kind == "dataset"
        and workspace.warehouse.stores(
            "users", "list_contains(?, generation) AND list_contains(?, user_id)", [d.generations, list(people)]
        )
    }


def record(workspace: Workspace, deletion: Deletion) -> None:
    """Append a deletion's present state; the newest row counts."""
    workspace.warehouse.append("deletions", [vars(deletion)], written_at=datetime.now(UTC))


def places(workspace: Workspace, deletion: Deletion) -> list[tuple[Path, Path]]:
    """Return the folders of a deletion: where each belongs, and where it lies in the bin."""
    folder = workspace.root / FOLDER / deletion.deletion
    runs = [(records.run_folder(workspace, run), folder / "runs" / Path(run).name) for run in deletion.runs]
    return runs + [(workspace.root / "sweeps" / study, folder / "sweeps" / study) for study in deletion.studies]


def clear(workspace: Workspace, deletions: Sequence[Deletion]) -> int:
    """Remove deletions from the bin for good; return how many files went away.

    Their rows are reclaimed with all that nobody can see.
    """
    removed = 0
    for deletion in deletions:
        for own, binned in places(workspace, deletion):
            removed += _remove(own) + _remove(binned)  # it is in both where a deletion was killed
        shutil.rmtree(workspace.root / FOLDER / deletion.deletion, ignore_errors=True)
        record(workspace, replace(deletion, state=EMPTIED))
    return removed


def _listed(workspace: Workspace, condition: str, params: Sequence[object]) -> list[Deletion]:
    sql = f"SELECT * EXCLUDE (written_at) FROM deletions WHERE {condition} ORDER BY deleted_at DESC, deletion"
    return [Deletion(**row) for row in workspace.warehouse.rows(sql, params)]


def _remove(folder: Path) -> int:
    n = sum(1 for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    return n
