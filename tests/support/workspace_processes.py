"""Processes that use one workspace at once: each is run as ``python -m workspace_processes ROLE ROOT ARGUMENT``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from distaff.board.board import board
from distaff.recommenders.score import score_run
from distaff.runs import training
from distaff_data.workspace import Workspace


def train(workspace: Workspace, times: str) -> None:
    for seed in range(int(times)):
        training.train(workspace, "popularity", "checkerboard", seed=seed)


def score(workspace: Workspace, run: str) -> None:
    for top_k in (3, 5) * 2:
        score_run(workspace, run, top_k=top_k)


def read(workspace: Workspace, stop: str) -> None:
    """Read until the file ``stop`` is there; whatever is seen must be whole."""
    reads = 0
    while not Path(stop).exists():
        lists = workspace.warehouse.rows("SELECT count(*) AS n, max(rank) AS k FROM recommendations")[0]
        assert lists["n"] == 40 * (lists["k"] or 0), lists
        whole = workspace.warehouse.rows("SELECT run, count(*) AS n FROM unit_metrics GROUP BY run")
        assert {row["n"] for row in whole} <= {160}, whole  # 40 users, two splits, two metrics
        for row in board(workspace, "checkerboard").rows:
            assert row.metrics["recall@20"].mean > 0
        reads += 1
        time.sleep(0.01)
    assert reads > 3, reads


if __name__ == "__main__":
    role, root, argument = sys.argv[1:]
    {"train": train, "score": score, "read": read}[role](Workspace.open(root), argument)
