"""Files of a workspace that are damaged or missing, what would repair each, and repairs that lose nothing more."""

from __future__ import annotations

import json
from pathlib import Path

from distaff import jobs
from distaff.doctor.check import Check
from distaff.forgetting import audit
from distaff.model import checkpoints, saving
from distaff.runs import records
from distaff.runs.records import Run
from distaff_data.atomic import replacing
from distaff_data.errors import DamagedError, DistaffError, InputError
from distaff_data.schema import TABLES
from distaff_data.warehouse import Damage, Warehouse
from distaff_data.workspace import Workspace

_ANEW = {  # what made a target, by the first part of its name
    "dataset": "distaff ingest ... {0} FILES --replace",
    "users": "distaff ingest users {0} FILES",
    "items": "distaff ingest items {0} FILES",
    "user-vectors": "distaff ingest users {0} FILES",
    "item-vectors": "distaff ingest items {0} FILES",
    "metrics": "distaff evaluate {0}",
    "recommendations": "distaff score {0}",
    "factors": "distaff factors {0}",
    "blind_spots": "distaff blind-spots {0}",
    "embeddings": "distaff embed {0}",
    "forecasts": "distaff forecast {0}",
    "classifications": "distaff classify {0}",
    "anomalies": "distaff anomalies {0}",
}


def mend(root: Path) -> list[Check]:
    """Repair the tables before the workspace is opened; a table that is gone or torn would keep it closed."""
    if not (root / "warehouse").is_dir():
        return []
    dropped = Warehouse.mend(root / "warehouse")
    return [
        Check(f"published {target}", "fixed", f"it lost rows and is dropped; {_anew(target)}") for target in dropped
    ]


def of_tables(workspace: Workspace) -> list[Check]:
    """Files of tables that cannot be read to the end."""
    return [
        Check(f"table {damage.table}", "problem", f"{damage.file}: {damage.problem}; {_remedy(workspace, damage)}")
        for damage in workspace.warehouse.damaged()
    ]


def of_runs(workspace: Workspace, fix: bool) -> list[Check]:
    """Files of runs' folders that are missing or were changed."""
    listed = [Run(**row) for row in workspace.warehouse.rows(f"SELECT {records.COLUMNS} FROM runs ORDER BY run")]
    return [finding for run in listed if run.study is None for finding in _of_run(workspace, run, fix)]


def of_settings(workspace: Workspace) -> list[Check]:
    """Settings that cannot be read, and a key of the audit record that is none."""
    findings = []
    try:
        jobs.read(workspace)
    except InputError as error:
        findings.append(Check("distaff.toml", "problem", f"{error}; correct the file"))
    if (workspace.root / audit.KEY).exists():
        try:
            audit.hashes(workspace, "", [])
        except DistaffError as error:
            findings.append(Check("forget.key", "problem", str(error)))
    return findings


def _of_run(workspace: Workspace, run: Run, fix: bool) -> list[Check]:
    folder, findings = records.run_folder(workspace, run.run), []
    if run.status == "done":
        try:
            saving.check(folder / "model")
        except InputError as error:
            findings.append(Check(f"run {run.run}", "problem", f"{error}; {_again(run)}"))
    elif run.status in ("interrupted", "failed"):
        for file in sorted((folder / "checkpoint").glob("*.safetensors")):
            try:
                checkpoints.read_checkpoint(file.parent, file.stem)
            except InputError as error:
                findings.append(Check(f"run {run.run}", "problem", f"{error}: {_again(run)}"))
    config = folder / "config.json"
    if folder.is_dir() and not _is_json(config):
        if fix:
            with replacing(config) as temporary:
                temporary.write_text(run.config)
        detail = "config.json was written anew" if fix else f"{config}: damaged or missing; --fix writes it anew"
        findings.append(Check(f"run {run.run}", "fixed" if fix else "problem", detail))
    return findings


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_bytes()), dict)
    except (OSError, ValueError, RecursionError):
        return False


def _again(run: Run) -> str:
    settings = "".join(f" --set {name}={value}" for name, value in json.loads(run.settings).items())
    return f"train it again: distaff train {run.model} {run.dataset} --seed {run.seed}{settings}"


def _anew(target: str) -> str:
    kind, _, name = target.partition("/")
    return f"make it again: {_ANEW[kind].format(name)}" if kind in _ANEW else "make it again"


def _remedy(workspace: Workspace, damage: Damage) -> str:
    if not damage.reparable:
        return "only a backup of the table's folder brings it back"
    if damage.kind == "table":
        return "--fix makes it, empty"
    if damage.kind == "hint":
        return "the table does without it; --fix sets it aside"
    if damage.kind == "first":
        return "--fix writes it anew; it holds nothing but the schema"
    if damage.kind == "log":
        return "--fix sets it aside, and the table is as before the last write to it; do that again"
    if TABLES[damage.table].key is not None:
        return "--fix sets it aside with the rows in it"
    try:
        suspects = workspace.warehouse.suspects(damage)
    except DamagedError:
        suspects = []
    lost = (
        f" and drops {', '.join(suspects)}, which then is to be made again" if suspects else "; no row in it is shown"
    )
    return f"--fix sets it aside{lost}"
