"""What is deleted is shown nowhere, comes back as it was, and goes for good when the bin is emptied."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from distaff import jobs
from distaff.board.selection import tried
from distaff.deletion import bin
from distaff.deletion.delete import delete, restore
from distaff.doctor import examine
from distaff.jobs import Job
from distaff.recommenders.score import score_run
from distaff.runs import aliases, records, training
from distaff.runs.records import Run
from distaff_data.errors import DistaffError, InputError, UnknownNameError
from distaff_data.planted.samples import sample
from distaff_data.schema import TABLES
from distaff_data.workspace import Workspace

SMALL: dict[str, Any] = {"n_users": 40, "n_items": 30, "n_events": 400}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two datasets, a control and a model on the one with lists of each, and the row of a sweep with a trial."""
    workspace = Workspace.create(tmp_path_factory.mktemp("deletion") / "workspace")
    for name in ("shop", "other"):
        sample(workspace, "planted-interactions", name=name, **SMALL)
    for model in ("popularity", "ease"):
        score_run(workspace, training.train(workspace, model, "shop", device="cpu").run, top_k=3)
    like = records.listing(workspace)[0]
    workspace.warehouse.append("runs", [vars(like) | {"run": "trial-0", "study": "search", "trial": 0}])
    workspace.warehouse.append(
        "studies", [{"study": "search", "model": like.model, "dataset": "shop", "status": "done"}]
    )
    workspace.warehouse.append("trials", [{"study": "search", "trial": 0, "state": "complete", "run": "trial-0"}])
    (workspace.root / "sweeps" / "search").mkdir(parents=True)
    (workspace.root / "sweeps" / "search" / "journal.log").write_text("a line\n")
    return workspace


@pytest.fixture
def filled(template: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it."""
    shutil.copytree(template.root, tmp_path / "workspace")
    return Workspace.open(tmp_path / "workspace")


def shown(workspace: Workspace) -> dict[str, list[str]]:
    """Every row that anybody sees, table by table, but the record of what is live and of deletions."""
    names = TABLES.keys() - {"publications", "deletions"}
    found = {}
    for name in names:
        table: pa.Table = workspace.warehouse.query(f"SELECT * FROM {name}")
        kept = table.drop_columns([column for column in ("written_at",) if column in table.column_names])
        found[name] = sorted(json.dumps(row, default=str) for row in kept.to_pylist())
    return found


def files(workspace: Workspace) -> dict[str, bytes]:
    """Files of runs, sweeps and the bin."""
    return {str(f.relative_to(workspace.root)): f.read_bytes() for part in ("runs", "sweeps", "bin")
            for f in (workspace.root / part).rglob("*") if f.is_file()}  # fmt: skip


def run_of(workspace: Workspace, model: str) -> Run:
    return next(run for run in records.listing(workspace) if run.model == model)


@pytest.mark.parametrize(("kind", "name"), [("run", "ease"), ("dataset", "shop"), ("study", "search")])
def test_what_is_deleted_is_nowhere_and_comes_back_as_it_was(filled: Workspace, kind: str, name: str) -> None:
    name = run_of(filled, name).run if kind == "run" else name
    before, stored = shown(filled), files(filled)
    deleted = delete(filled, kind, name)
    gone = shown(filled)
    assert {column for column in before if gone[column] != before[column]} >= {"runs"}
    left = [
        json.loads(row) for table in ("runs", "metrics", "recommendations", "studies", "trials") for row in gone[table]
    ]
    assert not [row for row in left if row.get("run") in deleted.runs or row.get("study") in deleted.studies]
    assert all(path.startswith("bin/") for path in files(filled) if any(f"/{run}/" in path for run in deleted.runs))
    assert [found.name for found in bin.contents(filled)] == [name]
    with pytest.raises(UnknownNameError):
        delete(filled, kind, name)
    restore(filled, name)
    assert shown(filled) == before
    assert files(filled) == stored
    assert bin.contents(filled) == []


def test_a_dataset_takes_its_runs_and_sweeps_and_leaves_the_other(filled: Workspace) -> None:
    deleted = delete(filled, "dataset", "shop")
    assert len(deleted.runs) == 3
    assert deleted.studies == ["search"]
    rows = filled.warehouse.rows("SELECT dataset FROM datasets UNION SELECT dataset FROM interactions")
    assert [row["dataset"] for row in rows] == ["other"]
    assert filled.warehouse.rows("SELECT 1 FROM runs UNION SELECT 1 FROM studies UNION SELECT 1 FROM trials") == []


def test_what_lies_in_the_bin_outlives_a_reclaiming_and_nothing_outlives_its_emptying(filled: Workspace) -> None:
    before = shown(filled)
    deleted = delete(filled, "dataset", "shop")
    filled.warehouse.reclaim(timedelta(0))
    restore(filled, "shop")
    assert shown(filled) == before
    deleted = delete(filled, "dataset", "shop")
    assert next(check for check in examine(filled.root) if check.check == "bin").detail.startswith("1 deletion")
    (emptied,) = [check for check in examine(filled.root, empty=True) if check.check == "bin"]
    assert emptied.state == "fixed"
    assert files(filled) == {}
    filled.warehouse.reclaim(timedelta(0))
    assert not filled.warehouse.stores("interactions", "list_contains(?, generation)", [deleted.generations])
    assert not filled.warehouse.stores("recommendations", "list_contains(?, run)", [deleted.runs])
    with pytest.raises(UnknownNameError):
        restore(filled, "shop")
    assert filled.warehouse.rows("SELECT 1 FROM runs") == []


def test_a_run_that_an_alias_or_a_job_stands_for_is_not_deleted(filled: Workspace) -> None:
    champion, scored = run_of(filled, "ease").run, run_of(filled, "popularity").run
    aliases.promote(filled, champion, "champion")
    jobs.add(filled, Job.parse("nightly", {"cron": "0 3 * * *", "model": scored}))
    before = shown(filled)
    for kind, name, reason in (("run", champion, "alias champion"), ("run", scored, "job nightly"),
                               ("dataset", "shop", "alias champion, the job nightly")):  # fmt: skip
        with pytest.raises(InputError, match=reason):
            delete(filled, kind, name)
    assert shown(filled) == before


def test_a_configuration_that_was_deleted_was_tried_all_the_same(filled: Workspace) -> None:
    before = tried(filled, "shop")
    assert before["ease"] == 1
    delete(filled, "run", run_of(filled, "ease").run)
    assert tried(filled, "shop") == before


def test_a_trial_goes_with_its_sweep_only(filled: Workspace) -> None:
    with pytest.raises(InputError, match="distaff delete study search"):
        delete(filled, "run", "trial-0")


def test_what_somebody_works_on_is_not_deleted(filled: Workspace) -> None:
    run = run_of(filled, "ease").run
    with filled.warehouse.lock(f"scoring/{run}"), pytest.raises(DistaffError, match="another process"):
        delete(filled, "run", run)
    assert bin.contents(filled) == []


def test_a_place_that_was_taken_is_not_taken_again(filled: Workspace) -> None:
    run = run_of(filled, "ease").run
    delete(filled, "run", run)
    delete(filled, "dataset", "shop")
    with pytest.raises(InputError, match="is not there"):
        restore(filled, run)
    sample(filled, "planted-interactions", name="shop", **SMALL)
    with pytest.raises(InputError, match="another dataset"):
        restore(filled, "shop")
    assert restore(filled, run).name == run


@pytest.mark.parametrize("step", ["hide", "drop", "move"])
def test_a_deletion_that_was_killed_is_undone_by_restoring_it(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    before, stored = shown(filled), files(filled)
    target = shutil if step == "move" else type(filled.warehouse)
    with monkeypatch.context() as patch:
        patch.setattr(target, step, killed)
        with pytest.raises(KeyboardInterrupt):
            delete(filled, "dataset", "shop")
    restore(filled, "shop")
    assert shown(filled) == before
    assert files(filled) == stored
