"""The LightGCN authors' Gowalla split, read past the warehouse so that nothing else is in memory; and a run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from distaff.runs import records, training
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.ingest import ingest_interactions
from distaff_data.workspace import Workspace


def read(folder: Path, *names: str) -> list[Csr]:
    """Return the matrices of ``train.txt`` and so on: lines of ``user item item ...``.

    Args:
        folder: Folder of real data, which holds ``interactions/gowalla_lightgcn``.
        names: Splits such as ``train`` and ``test``.

    Returns:
        One matrix ``(n_users, n_items)`` a split, over the users and items of all of them.
    """
    files = [folder / "interactions" / "gowalla_lightgcn" / f"{name}.txt" for name in names]
    pairs = [_pairs(file.read_bytes()) for file in files]
    n_users, n_items = (1 + int(max(pair[side].max() for pair in pairs)) for side in (0, 1))
    return [Csr.from_pairs(users, items, n_users, n_items) for users, items in pairs]


def interactions(folder: Path) -> Interactions:
    """Return the split as interactions; it has no validation part."""
    matrices = dict(zip(("train", "test"), read(folder, "train", "test"), strict=True))
    users = np.concatenate([matrix.row_index().numpy() for matrix in matrices.values()])
    items = np.concatenate([matrix.indices.numpy() for matrix in matrices.values()])
    splits = np.repeat(list(matrices), [matrix.nnz for matrix in matrices.values()])
    return Interactions.from_arrays(users, items, pa.array(splits), name="gowalla")


def _pairs(text: bytes) -> tuple[torch.Tensor, torch.Tensor]:
    flat = np.array(text.split(), dtype=np.int64)
    counts = np.array([line.count(b" ") for line in (line.strip() for line in text.splitlines()) if line])
    starts = np.concatenate([[0], np.cumsum(counts + 1)])[:-1]
    users = np.repeat(flat[starts], counts)
    return torch.from_numpy(users), torch.from_numpy(np.delete(flat, starts))


def lightgcn(folder: Path) -> tuple[Workspace, str]:
    """Return a workspace with Gowalla in it and one LightGCN run: 15 epochs, about nine minutes the first time.

    Too few epochs for its published Recall@20 (it reaches .136 of .183); what matters here is how long vectors are and
    where they point, which its scores decide.

    Args:
        folder: Folder of real data.

    Returns:
        The workspace, ``workspace/benchmarks`` or what ``DISTAFF_BENCHMARKS`` names, and the run.
    """
    root = Path(
        os.environ.get("DISTAFF_BENCHMARKS") or Path(__file__).resolve().parents[1] / "workspace" / "benchmarks"
    )
    workspace = Workspace.create(root)
    with workspace.warehouse.lock("gowalla"):
        done = [
            run for run in records.listing(workspace, "gowalla") if run.model == "lightgcn" and run.status == "done"
        ]
        if done:
            return workspace, done[-1].run
        ingest_interactions(
            workspace, "gowalla", [folder / "interactions" / "gowalla_lightgcn"], format="lightgcn", replace=True
        )
        settings = {"lr": 0.005, "batch_size": 8192, "max_epochs": 15}
        return workspace, training.train(workspace, "lightgcn", "gowalla", settings=settings).run
