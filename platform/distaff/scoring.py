"""Batch scoring: top-k lists of many users, streamed in blocks and published whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from distaff.ranking import blocks, exclusion
from distaff.recommender import SCORE_SCHEMA, Recommender
from distaff.runs import model_folder
from distaff_data.errors import InputError
from distaff_data.interactions import SPLITS
from distaff_data.workspace import Workspace

_ROWS_A_COMMIT = 4_000_000


@dataclass(frozen=True)
class Scored:
    """What a scoring published: the run, its lists' length, and how many users and rows."""

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
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scored:
    """Score users with a run's model; replaces the run's earlier lists.

    Args:
        workspace: Where the run is and the table ``recommendations`` goes.
        run_id: A finished run.
        top_k: List length.
        out: A Parquet file to write as well (``user_id, rank, item_id, score``); appears whole.
        users: Text file with one user id a line; all users when None.
        progress: Called with users done and users in all.

    Raises:
        InputError: Unknown run or user, or a bad ``top_k``; nothing is published.
    """
    model = Recommender.load(model_folder(workspace, run_id))
    if top_k < 1:
        raise InputError(f"top-k must be at least 1, not {top_k}")
    if out is not None and not out.parent.is_dir():
        raise InputError("the folder of the output file does not exist", path=out.parent)
    positions = torch.arange(model.data.n_users) if users is None else _read_users(model, users)
    rows = 0
    part = None if out is None else out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with workspace.warehouse.publish(f"recommendations/{run_id}") as publication:
            writer = None if part is None else pq.ParquetWriter(part, SCORE_SCHEMA)
            try:
                for table in _chunks(_lists(model, positions, top_k, progress)):
                    publication.append("recommendations", table, run=run_id)
                    rows += table.num_rows
                    if writer is not None:
                        writer.write_table(table)
            finally:
                if writer is not None:
                    writer.close()
            if part is not None and out is not None:
                part.replace(out)
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return Scored(run_id, top_k, positions.numel(), rows, None if out is None else str(out))


def _lists(
    model: Recommender, positions: Tensor, top_k: int, progress: Callable[[int, int], None]
) -> Iterator[pa.Table]:
    seen = exclusion(model.data, SPLITS)
    done = 0
    for block in blocks(positions, model.data.n_items):
        yield model.lists(block, seen.take(block), model.predict(block), top_k)
        done += block.numel()
        progress(done, positions.numel())


def _chunks(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables merged to a few million rows, so that a scoring is a handful of files."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(t.num_rows for t in held) >= _ROWS_A_COMMIT:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _read_users(model: Recommender, file: Path) -> Tensor:
    if not file.is_file():
        raise InputError("there is no such file of user ids", path=file)
    try:
        ids = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError("the file of user ids is not UTF-8", path=file) from None
    wanted = [(line, text.strip()) for line, text in enumerate(ids, 1) if text.strip()]
    if not wanted:
        raise InputError("the file of user ids is empty", path=file)
    positions = model.data.user_positions([text for _, text in wanted])
    if bool((positions < 0).any()):
        line, text = wanted[int((positions < 0).nonzero()[0])]
        raise InputError("this user is not in the data the run was fitted to", path=file, line=line, value=text)
    return positions
