"""Scoring killed with -9 at 20 random moments: ``python benchmarks/score_kills.py [--kills N] [--json]``.

Every user of Gowalla is scored with the LightGCN run of ``benchmarks/gowalla.py``, with lists one longer each time that a
scoring got through, so that old and new lists can be told apart. After every kill the published table and the Parquet
file must each be whole: lists of one length for all users. After the last one, a scoring that nobody disturbs must finish
what is left, and publish just what a scoring without any kill does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pyarrow.parquet as pq
from benchmarks.gowalla import lightgcn
from benchmarks.speed import ROOT

from distaff.recommenders.score import score_run
from distaff_data.workspace import Workspace

_FIRST = 10  # length of the first lists


def main() -> None:
    parser = argparse.ArgumentParser(description="Scoring killed at random moments leaves what is published whole.")
    parser.add_argument("--kills", type=int, default=20)
    default = os.environ.get("DISTAFF_REAL_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of real data [DISTAFF_REAL_DATA]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    result = torment(*lightgcn(args.data), kills=args.kills)
    print(json.dumps(result) if args.json else "  ".join(f"{name} {value}" for name, value in result.items()))


def torment(workspace: Workspace, run: str, *, kills: int) -> dict[str, Any]:
    """Kill as often as asked; return what happened, once everything that must hold held."""
    out = Path(tempfile.mkdtemp(prefix="score-kills-")) / "lists.parquet"
    start = time.monotonic()
    users = score_run(workspace, run, top_k=_FIRST, out=out).users
    process = _start(workspace, run, _FIRST + 1, out)
    assert process.wait() == 0
    usual = time.monotonic() - start  # two scorings: the moments lie anywhere in one, start of the process included
    published, moments, n_kills, through = _FIRST + 1, random.Random(0), 0, 0
    while n_kills < kills:
        process = _start(workspace, run, published + 1, out)
        try:
            process.wait(moments.uniform(0, 0.6 * usual))
            published, through = published + 1, through + 1
            assert process.returncode == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            n_kills += 1
        table, file = lengths(workspace, run, users), lengths_of(out, users)
        assert table in (published, published + 1), (table, published)
        assert file in (published, published + 1), (file, published)
        published = table  # killed after it published: the next lists are longer again
    n_shards = len(list(workspace.scratch.glob("scoring-*/*.parquet")))
    score_run(workspace, run, top_k=published + 1, out=out)
    disturbed = _lists(workspace, run)
    workspace.warehouse.drop(f"recommendations/{run}")
    score_run(workspace, run, top_k=published + 1)
    assert disturbed.equals(_lists(workspace, run))
    return {
        "kills": n_kills,
        "got_through": through,
        "shards_left_to_the_last": n_shards,
        "users": users,
        "whole": True,
    }


def lengths(workspace: Workspace, run: str, users: int) -> int:
    """Return the length of the published lists, which all users must have."""
    rows = workspace.warehouse.rows(
        "SELECT count(DISTINCT user_id) AS users, count(*) AS n, max(rank) AS k FROM recommendations WHERE run = ?",
        [run],
    )[0]
    assert (rows["users"], rows["n"]) == (users, users * rows["k"]), rows
    return int(rows["k"])


def lengths_of(file: Path, users: int) -> int:
    """Return the length of the lists in the file, likewise."""
    ranks = pq.read_table(file, columns=["rank"]).column("rank").to_numpy()
    assert len(ranks) == users * ranks.max()
    return int(ranks.max())


def _start(workspace: Workspace, run: str, top_k: int, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "distaff", "--workspace", str(workspace.root), "score", run]
    options = ["--top-k", str(top_k), "--out", str(out), "--json"]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)


def _lists(workspace: Workspace, run: str) -> Any:
    sql = "SELECT user_id, rank, item_id FROM recommendations WHERE run = ? ORDER BY ALL"
    return workspace.warehouse.query(sql, [run])


if __name__ == "__main__":
    main()
