from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from published import publish
from torch import Tensor

from distaff.recommenders.base import Recommender
from distaff.recommenders.lists import SCORE_SCHEMA
from distaff.recommenders.score import score_run
from distaff.runs import training
from distaff.testing.data import checkerboard
from distaff_data.errors import DistaffError, InputError
from distaff_data.splits import SPLITS
from distaff_data.workspace import Workspace


@pytest.fixture
def scored(workspace: Workspace) -> tuple[Workspace, str]:
    publish(workspace, checkerboard())
    return workspace, training.train(workspace, "popularity", "checkerboard").run


def test_table_and_parquet_hold_the_same_lists(scored: tuple[Workspace, str], tmp_path: Path) -> None:
    workspace, run = scored
    result = score_run(workspace, run, top_k=4, out=tmp_path / "recs.parquet")
    written = pq.read_table(tmp_path / "recs.parquet")
    assert written.schema.equals(SCORE_SCHEMA)
    stored = workspace.warehouse.query(
        "SELECT user_id, rank, item_id, score FROM recommendations ORDER BY user_id, rank"
    )
    assert stored.equals(written.sort_by([("user_id", "ascending"), ("rank", "ascending")]))
    assert (result.users, result.rows) == (40, written.num_rows) == (40, 160)


def test_no_list_holds_what_the_user_already_took(scored: tuple[Workspace, str]) -> None:
    workspace, run = scored
    score_run(workspace, run, top_k=15)
    taken = workspace.warehouse.rows(
        "SELECT count(*) AS n FROM recommendations r JOIN interactions x USING (user_id, item_id)"
    )
    assert taken[0]["n"] == 0
    data = checkerboard()
    assert sum(data.split(s).nnz for s in SPLITS) == 40 * 15


def test_scoring_again_replaces_the_lists(scored: tuple[Workspace, str]) -> None:
    workspace, run = scored
    score_run(workspace, run, top_k=5)
    score_run(workspace, run, top_k=3)
    assert workspace.warehouse.rows("SELECT count(*) AS n FROM recommendations") == [{"n": 120}]


def test_only_the_users_in_the_file_are_scored(scored: tuple[Workspace, str], tmp_path: Path) -> None:
    workspace, run = scored
    (tmp_path / "users.txt").write_text("7\n\n3\n")
    assert score_run(workspace, run, top_k=2, users=tmp_path / "users.txt").users == 2
    found = workspace.warehouse.rows("SELECT DISTINCT user_id FROM recommendations ORDER BY 1")
    assert [row["user_id"] for row in found] == ["3", "7"]


@pytest.mark.parametrize(
    ("text", "message"), [("3\nnobody\n", "line 2, value 'nobody'"), ("", "empty"), ("\n \n", "empty")]
)
def test_bad_user_file_publishes_nothing(
    scored: tuple[Workspace, str], tmp_path: Path, text: str, message: str
) -> None:
    workspace, run = scored
    (tmp_path / "users.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        score_run(workspace, run, users=tmp_path / "users.txt", out=tmp_path / "recs.parquet")
    assert workspace.warehouse.rows("SELECT * FROM recommendations") == []
    assert not (tmp_path / "recs.parquet").exists()


def test_scoring_that_fails_midway_leaves_the_older_lists_and_file(
    scored: tuple[Workspace, str], tmp_path: Path
) -> None:
    workspace, run = scored
    out = tmp_path / "recs.parquet"
    score_run(workspace, run, top_k=2, out=out)
    before = out.read_bytes()

    def fail(done: int, total: int) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        score_run(workspace, run, top_k=3, out=out, progress=fail)
    assert out.read_bytes() == before
    assert workspace.warehouse.rows("SELECT max(rank) AS k FROM recommendations") == [{"k": 2}]
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []


@pytest.mark.parametrize("top_k", [0, -3])
def test_list_length_below_one_is_refused(scored: tuple[Workspace, str], top_k: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        score_run(*scored, top_k=top_k)


def test_interrupted_scoring_goes_on_where_it_stopped(
    scored: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, run = scored
    monkeypatch.setattr("distaff.recommenders.score._USERS_A_SHARD", 16)
    ranked = Recommender.lists
    counted: list[int] = []

    def lists(self: Recommender, users: Tensor, *args: Any) -> pa.Table:
        if len(counted) == 2:
            counted.clear()
            raise KeyboardInterrupt
        counted.append(users.numel())
        return ranked(self, users, *args)

    monkeypatch.setattr(Recommender, "lists", lists)
    with pytest.raises(KeyboardInterrupt):
        score_run(workspace, run, top_k=4)
    assert workspace.warehouse.rows("SELECT * FROM recommendations") == []
    (folder,) = workspace.scratch.glob("scoring-*")
    shards = sorted(folder.glob("*.parquet"))
    assert len(shards) == 2
    shards[1].write_bytes(b"")  # what a power cut leaves of a file that was never synced
    seen: list[int] = []
    assert score_run(workspace, run, top_k=4, progress=lambda done, total: seen.append(done)).rows == 160
    assert counted == [16, 8]
    assert seen == [16, 32, 40]  # the first counts what was there
    assert not folder.exists()
    whole = workspace.warehouse.query("SELECT user_id, rank, item_id FROM recommendations ORDER BY ALL")
    monkeypatch.undo()
    score_run(workspace, run, top_k=4)
    assert workspace.warehouse.query("SELECT user_id, rank, item_id FROM recommendations ORDER BY ALL").equals(whole)


def test_run_is_scored_by_one_process_at_a_time(scored: tuple[Workspace, str]) -> None:
    workspace, run = scored
    with workspace.warehouse.lock(f"scoring/{run}"), pytest.raises(DistaffError, match="by another process"):
        score_run(workspace, run)
    assert score_run(workspace, run).users == 40


def test_workers_of_ray_write_the_shards_that_this_process_writes(
    scored: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="ray is not installed; pip install distaff[ray]")
    workspace, run = scored
    monkeypatch.setattr("distaff.recommenders.score._USERS_A_SHARD", 16)
    rows = "SELECT user_id, rank, item_id, score FROM recommendations ORDER BY ALL"
    score_run(workspace, run, top_k=4)
    here = workspace.warehouse.query(rows)
    workspace.warehouse.drop(f"recommendations/{run}")
    done: list[int] = []
    scored_there = score_run(workspace, run, top_k=4, engine="ray", progress=lambda n, total: done.append(n))
    assert workspace.warehouse.query(rows).equals(here)
    assert scored_there.users == done[-1] == 40


def test_engine_that_is_not_there_is_refused(scored: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="did you mean ray"):
        score_run(*scored, engine="rey")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install .distaff\[ray\]"):
        score_run(*scored, engine="ray")
