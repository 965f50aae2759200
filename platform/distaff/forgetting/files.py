"""Files of a workspace, outside the tables, that name people."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from distaff import exports, jobs
from distaff.recommenders.score import interrupted_shards
from distaff.runs import aliases
from distaff_data.atomic import clear_leftovers, leftovers
from distaff_data.errors import InputError
from distaff_data.sources import Spool
from distaff_data.warehouse import Scratch
from distaff_data.workspace import Workspace

_USER = "user_id"


def clear(workspace: Workspace, runs: Sequence[str], people: Sequence[str]) -> int:
    """Remove what interrupted work left of the people, and take them out of the jobs' files; returns how many files."""
    removed = 0
    left_behind = [folder for run in runs for folder in interrupted_shards(workspace, run)]
    left_behind += [f for f in workspace.scratch.glob("*") if Scratch.is_abandoned(f) or Spool.is_abandoned(f)]
    for folder in left_behind:
        removed += sum(1 for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder)
    removed += _clear_aside(workspace.warehouse.aside)
    for file in _outputs(workspace, set(runs)):
        removed += len(leftovers(file))
        clear_leftovers(file)
        if _names(file, people):
            _rewrite(file, people)
            removed += 1
    return removed


def _clear_aside(folder: Path) -> int:
    """Delete the damaged files that ``doctor`` set aside: what they hold cannot be told."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    shutil.rmtree(folder, ignore_errors=True)
    return len(files)


def _outputs(workspace: Workspace, names: set[str]) -> list[Path]:
    """Files that jobs on these runs write."""
    try:
        listed = jobs.read(workspace)
    except InputError:  # a broken distaff.toml must not keep anybody from being forgotten
        return []
    paths = [job.out_path(workspace) for job in listed if aliases.resolve(workspace, job.model) in names]
    return [file for file in paths if file is not None and file.is_file()]


def _names(file: Path, people: Sequence[str]) -> bool:
    """Tell whether a file has lists of the people."""
    try:
        with pq.ParquetFile(file) as opened:
            if _USER not in opened.schema_arrow.names:
                return False
            batches = opened.iter_batches(columns=[_USER])
            return any(pc.any(pc.is_in(b[0], pa.array(people, pa.string()))).as_py() for b in batches)
    except pa.ArrowInvalid:  # no Parquet: a job of another kind, whose rows are nobody's
        return False


def _rewrite(file: Path, people: Sequence[str]) -> None:
    table = pq.read_table(file)
    with exports.whole(file) as temporary:
        pq.write_table(table.filter(pc.invert(pc.is_in(table[_USER], pa.array(people, pa.string())))), temporary)
