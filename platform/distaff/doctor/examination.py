"""A check of the installation and the workspace, with repairs."""

from __future__ import annotations

import platform
import shutil
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch

from distaff.deletion import bin
from distaff.doctor import files
from distaff.doctor.check import Check, guarded
from distaff.forgetting import audit
from distaff.model import registry
from distaff.runs import records
from distaff.sweeps import journal
from distaff_data.errors import DistaffError
from distaff_data.sources import Spool
from distaff_data.warehouse import Scratch
from distaff_data.workspace import Workspace

_LIBRARIES = ("deltalake", "duckdb", "pyarrow", "torch", "torch-geometric")
_LOW_DISK = 2 << 30
_LEFT_BEHIND = 24 * 3600  # seconds


def examine(root: Path, *, fix: bool = False, empty: bool = False) -> list[Check]:
    """Check libraries, models, disk, warehouse and runs.

    Args:
        root: The workspace's folder; it may be missing.
        fix: Mark runs whose process is gone as interrupted, cut torn journals of sweeps back to their last good line,
            merge small files, reclaim dead rows and stale files; set damaged files aside, and make anew what can be.
        empty: Clear the bin out.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"
    free = shutil.disk_usage(root if root.exists() else Path.cwd()).free
    findings = [
        Check("python", "ok", platform.python_version()),
        Check("libraries", "ok", versions),
        Check("device", "ok", device),
        Check("disk", "problem" if free < _LOW_DISK else "ok", f"{free / 2**30:.1f} GiB free"),
        *map(_model, registry.names()),
        *(Check("models", "problem", conflict) for conflict in registry.conflicts()),
    ]
    if fix:
        findings += guarded("tables", lambda: files.mend(root))
    try:
        workspace = Workspace.open(root)
    except (DistaffError, OSError) as error:
        return [*findings, Check("workspace", "problem", str(error))]
    findings.append(Check("workspace", "ok", str(root)))
    findings += guarded("tables", lambda: files.of_tables(workspace))
    findings += guarded("runs", lambda: _stale_runs(workspace, fix))
    findings += guarded("runs", lambda: files.of_runs(workspace, fix))
    findings += guarded("sweeps", lambda: _torn_journals(workspace, fix))
    findings += guarded("forgettings", lambda: _unfinished_forgettings(workspace))
    findings += guarded("settings", lambda: files.of_settings(workspace))
    findings += guarded("bin", lambda: _bin(workspace, empty))
    if fix:
        findings += guarded("warehouse", lambda: _reclaimed(workspace))
        findings += guarded("scratch", lambda: _sweep(workspace.scratch))
    return findings


def _bin(workspace: Workspace, empty: bool) -> list[Check]:
    binned = bin.contents(workspace)
    if not empty or not binned:
        return [Check("bin", "ok", f"{len(binned)} deletions that can be restored")]
    removed = bin.clear(workspace, binned)
    detail = f"{len(binned)} deletions cleared out with {removed} files; their rows go with distaff doctor --fix"
    return [Check("bin", "fixed", detail)]


def _reclaimed(workspace: Workspace) -> list[Check]:
    removed = workspace.warehouse.reclaim()
    for table in ("factor_notes", "marks"):
        workspace.warehouse.keep_newest(table)
    return [Check("warehouse", "fixed", f"{sum(removed.values())} unused files removed")]


def _model(name: str) -> Check:
    try:
        registry.model_class(name)
    except DistaffError as error:
        return Check(f"model {name}", "problem", str(error))
    return Check(f"model {name}", "ok", "")


def _stale_runs(workspace: Workspace, fix: bool) -> list[Check]:
    """Runs marked running whose process is gone."""
    studies = [None, *(file.parent.name for file in journal.journals(workspace))]
    listed = [run for study in studies for run in records.listing(workspace, study=study)]
    stale = [r for r in listed if r.status == "running" and not records.is_alive(workspace, r)]
    if fix:
        for run in stale:
            records.record(workspace, replace(run, status="interrupted", message="its process is gone"))
    return [
        Check(
            f"run {r.run}",
            "fixed" if fix else "problem",
            "its process is gone; "
            + (f"distaff train --resume {r.run}" if r.study is None else f"study {r.study} goes on with distaff tune"),
        )
        for r in stale
    ]


def _unfinished_forgettings(workspace: Workspace) -> list[Check]:
    """Return the requests to forget people that were not carried out to the end."""
    return [
        Check(
            f"forgetting {request.forgetting}",
            "problem",
            f"not finished; make the request of {request.requested_at:%Y-%m-%d %H:%M} UTC again: "
            f"distaff forget USER --dataset {request.dataset}",
        )
        for request in audit.unfinished_requests(workspace)
    ] + [
        Check(f"forgetting {model.forgetting}", "problem", f"run {model.run} could not be fitted anew: {model.message}")
        for model in audit.models(workspace, status="failed")
    ]


def _torn_journals(workspace: Workspace, fix: bool) -> list[Check]:
    """Journals of sweeps that end in, or continue after, half a line: a full disk or a power cut."""
    findings = []
    for file in journal.journals(workspace):
        lost = journal.repair(file) if fix else journal.torn(file)
        if lost:
            detail = f"{lost} bytes from a torn line on" + (
                f", now beside it in {journal.REMAINS}" if fix else "; --fix cuts them off"
            )
            findings.append(Check(f"sweep {file.parent.name}", "fixed" if fix else "problem", detail))
    return findings


def _sweep(scratch: Path) -> list[Check]:
    """Remove what killed ingestions left behind; a young folder without a database may belong to one that begins."""
    old = time.time() - _LEFT_BEHIND
    kinds = (Scratch, Spool)
    abandoned = [
        folder
        for folder in scratch.glob("*")
        if any(kind.is_abandoned(folder) for kind in kinds) or folder.stat().st_mtime < old
    ]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return [Check("scratch", "fixed", f"{len(abandoned)} folders of killed ingestions removed")] if abandoned else []
