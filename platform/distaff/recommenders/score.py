"""Batch scoring: top-k lists of many users, in shards that outlive an interruption, published whole or not at all.

Each shard is a range of users and a Parquet file in the workspace's scratch folder, written by this process or by the
workers of a Ray cluster. Scoring the same run again for the same users and length takes over the shards that are there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from filelock import Timeout
from torch import Tensor

from distaff import engines, exports
from distaff.ranking.metrics import exclusion
from distaff.recommenders.base import Recommender
from distaff.recommenders.lists import SCORE_SCHEMA
from distaff.runs.records import model_folder
from distaff_data.atomic import replacing
from distaff_data.errors import DistaffError, InputError
from distaff_data.splits import SPLITS
from distaff_data.workspace import Workspace

_USERS_A_SHARD = 8_192

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Scored:
    """A published scoring: the run, its lists' length, and how many users and rows."""

    run: str
    top_k: int
    users: int
    rows: int
    out: str | None


def score_run(
    workspace: Workspace,
    run_id: str,
    *,
    top_k: int = 20,
    out: Path | None = None,
    users: Path | None = None,
    engine: str = "local",
    progress: Progress = lambda n_done, total: None,
    model: Recommender | None = None,
) -> Scored:
    """Score users with a run's model; replaces the run's earlier lists, and goes on where the same scoring stopped.

    Args:
        workspace: Where the run is and the table ``recommendations`` goes.
        run_id: A finished run.
        top_k: List length.
        out: A file to write as well (``user_id, rank, item_id, score``), .csv, .parquet or .arrow; appears whole.
        users: Text file with one user id a line; all users when None.
        engine: Who writes the shards, one of :data:`distaff.engines.ENGINES`.
        progress: Called with users done and users in all.
        model: The run's model, where the caller has it in memory.

    Raises:
        InputError: Unknown run, user or engine, or a bad ``top_k``; nothing is published.
        DistaffError: Another process is scoring the run.
    """
    engines.check(engine)
    model_at = model_folder(workspace, run_id)
    writer = _Writer(model or Recommender.load(model_at))
    if top_k < 1:
        raise InputError(f"top-k must be at least 1, not {top_k}")
    if out is not None:
        exports.check(out)
    positions = torch.arange(writer.model.data.n_users) if users is None else _read_users(writer.model, users)
    try:
        with workspace.warehouse.lock(f"scoring/{run_id}").acquire(blocking=False):
            folder = _shard_folder(workspace, run_id, top_k, positions)
            shards = _cut(positions, top_k, folder)
            _write(writer, model_at, shards, engine, progress)
            rows = _publish(workspace, run_id, [shard.file for shard in shards], out)
            shutil.rmtree(folder)
    except Timeout:
        raise DistaffError(f"run {run_id!r} is being scored by another process") from None
    return Scored(run_id, top_k, positions.numel(), rows, None if out is None else str(out))


def _shard_folder(workspace: Workspace, run_id: str, top_k: int, positions: Tensor) -> Path:
    """Return the folder of the shards, named by all that decides what is in them."""
    users = hashlib.sha256(positions.numpy().tobytes()).hexdigest()
    key = hashlib.sha256(f"{run_id}\n{top_k}\n{_USERS_A_SHARD}\n{users}".encode()).hexdigest()[:32]
    folder = workspace.scratch / f"{_shards_of(run_id)}{key}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def interrupted_shards(workspace: Workspace, run_id: str) -> list[Path]:
    """Return the folders with shards of interrupted scorings of a run."""
    return sorted(f for f in workspace.scratch.glob("scoring-*") if f.name.startswith(_shards_of(run_id)))


def _shards_of(run_id: str) -> str:
    return f"scoring-{Path(run_id).name}-"


@dataclass(frozen=True)
class _Shard:
    """A range of users, the length of their lists, and the file they go to."""

    users: Tensor
    top_k: int
    file: Path


class _Writer:
    """A fitted model at hand, with what does not change from shard to shard."""

    def __init__(self, model: Recommender) -> None:
        self.model = model
        self._seen, self._ranker = exclusion(self.model.data, SPLITS), self.model.ranker()

    def write(self, shard: _Shard) -> int:
        """Write a shard's file, which appears whole; returns the number of its users."""
        users = shard.users
        with replacing(shard.file) as temporary:
            pq.write_table(self.model.lists(users, self._seen.take(users), shard.top_k, self._ranker), temporary)
        return users.numel()


def _cut(positions: Tensor, top_k: int, folder: Path) -> list[_Shard]:
    parts = enumerate(positions.split(_USERS_A_SHARD))
    return [_Shard(users, top_k, folder / f"{number:06d}.parquet") for number, users in parts]


def _write(writer: _Writer, folder: Path, shards: list[_Shard], engine: str, progress: Progress) -> None:
    """Write the shards that are missing."""
    missing = [shard for shard in shards if not _is_whole(shard.file)]
    total = sum(shard.users.numel() for shard in shards)
    n_done = total - sum(shard.users.numel() for shard in missing)
    if engine == "local" or not missing:
        counts: Iterator[int] = map(writer.write, missing)
    else:
        counts = engines.ray_each(_write_shard, [(folder, shard) for shard in missing])
    progress(n_done, total)
    for n_users in counts:
        n_done += n_users
        progress(n_done, total)


def _write_shard(task: tuple[Path, _Shard]) -> int:
    """Write one shard, on a cluster's worker, with the model that its first shard made it load."""
    folder, shard = task
    return _writer(folder).write(shard)


@lru_cache(maxsize=1)
def _writer(folder: Path) -> _Writer:
    return _Writer(Recommender.load(folder))


def _publish(workspace: Workspace, run_id: str, shards: list[Path], out: Path | None) -> int:
    """Publish the shards' rows in one generation, and write them to ``out``; returns how many there are."""
    with workspace.warehouse.publish(f"recommendations/{run_id}") as publication:
        rows = pa.RecordBatchReader.from_batches(SCORE_SCHEMA, _batches(shards))
        publication.append("recommendations", rows, run=run_id)
        if out is not None:
            with exports.writing(out) as append:
                for batch in _batches(shards):
                    append(pa.Table.from_batches([batch]))
    return sum(pq.read_metadata(shard).num_rows for shard in shards)


def _batches(shards: list[Path]) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        with pq.ParquetFile(shard) as file:
            yield from file.iter_batches()


def _is_whole(shard: Path) -> bool:
    """Tell whether a shard is there and readable; after a power cut a file may have its name and not its content."""
    try:
        pq.read_metadata(shard)
    except (FileNotFoundError, pa.ArrowInvalid):
        return False
    return True


def _read_users(model: Recommender, file: Path) -> Tensor:
    if not file.is_file():
        raise InputError("there is no such file of user ids", path=file)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError("the file of user ids is not UTF-8", path=file) from None
    named = [(line, text.strip()) for line, text in enumerate(lines, 1) if text.strip()]
    if not named:
        raise InputError("the file of user ids is empty", path=file)
    positions = model.data.user_positions([text for _, text in named])
    if bool((positions < 0).any()):
        line, text = named[int((positions < 0).nonzero()[0])]
        raise InputError("this user is not in the data the run was fitted to", path=file, line=line, value=text)
    return positions
