"""Deletion of a dataset, a run or a sweep, and the way back.

A deletion that was killed is in the bin before anything is hidden: restoring it or making it again finishes it.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from filelock import Timeout

from distaff import jobs
from distaff.deletion import bin
from distaff.deletion.bin import Deletion
from distaff.runs import aliases, records
from distaff.runs.records import Run
from distaff_data.errors import DistaffError, InputError, UnknownNameError
from distaff_data.tables.datasets import kind_of
from distaff_data.workspace import Workspace

KINDS = ("dataset", "run", "study")
_TARGETS = """
SELECT target, generation FROM publications
WHERE generation IS NOT NULL AND list_contains(?, regexp_extract(target, '^[^/]*/(.*)$', 1)) ORDER BY target
"""


def delete(workspace: Workspace, kind: str, name: str) -> Deletion:
    """Move a dataset with its runs and sweeps, a run, or a sweep with its trials into the bin.

    Raises:
        UnknownNameError: There is none of that name.
        InputError: An alias or a job stands for one of the runs, or a run is a trial.
        DistaffError: Somebody is at it, or people are being taken out of it.
    """
    dataset = _dataset_of(workspace, kind, name)
    runs, studies = _belonging(workspace, kind, name)
    _check_unnamed(workspace, {run.run for run in runs})
    with ExitStack() as locks:
        _hold(workspace, dataset, runs, locks)
        ids = [run.run for run in runs]
        rows = workspace.warehouse.rows(_TARGETS, [[*ids, *([name] if kind == "dataset" else [])]])
        targets, generations = ([str(row[column]) for row in rows] for column in ("target", "generation"))
        deletion = Deletion(uuid.uuid4().hex[:8], kind, name, dataset, ids, studies, targets, generations, bin.BINNED,
                            datetime.now(UTC))  # fmt: skip
        bin.record(workspace, deletion)
        workspace.warehouse.hide("runs", "list_contains(?, run)", [ids])
        for table in ("studies", "trials"):
            workspace.warehouse.hide(table, "list_contains(?, study)", [studies])
        if targets:
            workspace.warehouse.drop(*targets)
        for own, binned in bin.places(workspace, deletion):
            if own.is_dir():
                binned.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(own, binned)
    return deletion


def restore(workspace: Workspace, name: str) -> Deletion:
    """Bring back what was deleted last under a name, or by a deletion's id.

    Raises:
        UnknownNameError: Nothing of that name is in the bin.
        InputError: Its place is taken, or its dataset is not there.
    """
    binned = bin.contents(workspace)
    found = next((deletion for deletion in binned if name in (deletion.deletion, deletion.name)), None)
    if found is None:
        raise UnknownNameError("deletion", name, [deletion.name for deletion in binned])
    with workspace.warehouse.lock(f"dataset/{found.dataset}"):
        _check_free(workspace, found)
        for own, stored in bin.places(workspace, found):
            if stored.is_dir() and not own.exists():
                shutil.move(stored, own)
        workspace.warehouse.unhide("runs", "list_contains(?, run)", [found.runs])
        for table in ("studies", "trials"):
            workspace.warehouse.unhide(table, "list_contains(?, study)", [found.studies])
        if found.targets:
            workspace.warehouse.revive(dict(zip(found.targets, found.generations, strict=True)))
        restored = replace(found, state=bin.RESTORED)
        bin.record(workspace, restored)
    shutil.rmtree(workspace.root / bin.FOLDER / found.deletion, ignore_errors=True)
    return restored


def _dataset_of(workspace: Workspace, kind: str, name: str) -> str:
    if kind == "dataset":
        kind_of(workspace.warehouse, name)
        return name
    if kind == "study":
        studies = {
            row["study"]: row["dataset"] for row in workspace.warehouse.rows("SELECT study, dataset FROM studies")
        }
        if name not in studies:
            raise UnknownNameError("study", name, studies)
        return str(studies[name])
    run = records.find(workspace, name)
    if run.study is not None:
        raise InputError(f"it is trial {run.trial} of the sweep {run.study}; delete that: distaff delete study {run.study}",
                         value=name)  # fmt: skip
    return run.dataset


def _belonging(workspace: Workspace, kind: str, name: str) -> tuple[list[Run], list[str]]:
    """Return the runs and the sweeps that go with what is deleted."""
    column = {"dataset": "dataset", "run": "run", "study": "study"}[kind]
    sql = f"SELECT {records.COLUMNS} FROM runs WHERE {column} = ? ORDER BY run"
    runs = [Run(**row) for row in workspace.warehouse.rows(sql, [name])]
    if kind == "run":
        return runs, []
    studies = workspace.warehouse.rows(f"SELECT study FROM studies WHERE {column} = ? ORDER BY study", [name])
    return runs, [str(row["study"]) for row in studies]


def _check_unnamed(workspace: Workspace, runs: set[str]) -> None:
    """Refuse to delete what others go by.

    Raises:
        InputError: An alias or a job stands for one of the runs.
    """
    named = sorted(f"the alias {alias}" for alias, run in aliases.current(workspace).items() if run in runs)
    named += [f"the job {job.name}" for job in jobs.read(workspace) if aliases.resolve(workspace, job.model) in runs]
    if named:
        raise InputError(f"{', '.join(named)} stands for it; let another run take its place first: distaff promote, "
                         "distaff schedule remove")  # fmt: skip


def _hold(workspace: Workspace, dataset: str, runs: Sequence[Run], locks: ExitStack) -> None:
    """Keep ingestions, scorings and requests to forget out.

    Raises:
        DistaffError: One is under way or was not finished, or a run is being fitted.
    """
    names = [f"{part}/{dataset}" for part in ("dataset", "users", "forget")] + [f"scoring/{run.run}" for run in runs]
    try:
        for name in names:
            locks.enter_context(workspace.warehouse.lock(name).acquire(blocking=False))
    except Timeout:
        raise DistaffError(f"another process is at dataset {dataset!r} or at one of its runs; wait for it") from None
    fitting = [run.run for run in runs if run.status == "running" and records.is_alive(workspace, run)]
    if fitting:
        raise DistaffError(f"{', '.join(fitting)} is being fitted; wait for it or stop it")
    open_requests = workspace.warehouse.rows(
        "SELECT 1 FROM forgettings WHERE status = 'begun' AND dataset = ? UNION ALL "
        "SELECT 1 FROM forgotten_models WHERE status = 'queued' AND list_contains(?, run)",
        [dataset, [run.run for run in runs]],
    )
    if open_requests:
        raise DistaffError("people are being taken out of it; first finish that: distaff forget, distaff schedule run")


def _check_free(workspace: Workspace, found: Deletion) -> None:
    """Refuse to restore what would have no place.

    Raises:
        InputError: There is another of that name, or no dataset for it.
    """
    warehouse = workspace.warehouse
    is_loaded = bool(warehouse.rows("SELECT 1 FROM datasets WHERE dataset = ?", [found.dataset]))
    is_half_done = found.targets and all(warehouse.live(target) for target in found.targets)
    if found.kind == "dataset" and is_loaded and not is_half_done:
        raise InputError(f"there is another dataset {found.name!r} by now; delete that first")
    if found.kind != "dataset" and not is_loaded:
        raise InputError(f"its dataset {found.dataset!r} is not there; restore that first, or load it again")
    taken = warehouse.rows("SELECT study FROM studies WHERE list_contains(?, study)", [found.studies])
    if taken and found.kind == "study":
        raise InputError(f"there is another sweep {found.name!r} by now; delete that first")
