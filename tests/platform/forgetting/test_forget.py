"""A person who was forgotten is nowhere; everybody else is where they were."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from deltalake import DeltaTable, write_deltalake

from distaff import exports, jobs
from distaff.deletion import bin
from distaff.deletion.delete import delete, restore
from distaff.doctor import examine
from distaff.factors.intents.evidence import explain_run
from distaff.factors.intents.notes import annotate
from distaff.forgetting import Forgotten, audit, forget, proof
from distaff.jobs import Job
from distaff.recommenders.base import Recommender
from distaff.recommenders.score import score_run
from distaff.runs import liveness, records, training
from distaff_data.errors import DistaffError, InputError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.tables.interactions import load_interactions
from distaff_data.warehouse import erasure
from distaff_data.workspace import Workspace

PERSON = "zoë.quandt@example.org"
N_USERS, N_ITEMS = 40, 30
LIGHTGCN: dict[str, Any] = {"embedding_dim": 4, "max_epochs": 2}


def write_log(folder: Path) -> Path:
    """Users who take items of their own half; the person is one of them, in the middle of the order."""
    draw = np.random.default_rng(0)
    lines = ["user,item"]
    for user in range(N_USERS):
        name = PERSON if user == 17 else f"user{user:02d}"
        own = [i for i in range(N_ITEMS) if i % 2 == user % 2]
        lines += [f"{name},item{i}" for i in draw.choice(own, 10, replace=False)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    (folder / "people.csv").write_text(f"user,country\nuser01,DE\n{PERSON},zamunda\n")
    return folder / "log.csv"


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, one model that forgets in closed form, and its lists."""
    folder = tmp_path_factory.mktemp("simple")
    log = write_log(folder)
    workspace = Workspace.create(folder / "workspace")
    ingest_interactions(workspace, "shop", log, split="random:0.6,0.2,0.2")
    ingest_attributes(workspace, "user", "shop", [folder / "people.csv"])
    score_run(workspace, training.train(workspace, "ease", "shop", device="cpu").run, top_k=4)
    return workspace.root


@pytest.fixture(scope="module")
def template(simple: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two more kinds of models, evidence, lists twice, a job's file, and what kills left behind."""
    workspace = copy_of(simple, tmp_path_factory.mktemp("forget"))
    for model, settings in (("nmf", {"n_intents": 3}), ("lightgcn", LIGHTGCN)):
        run = training.train(workspace, model, "shop", settings=settings, device="cpu").run
        score_run(workspace, run, top_k=4)
    nmf = next(r.run for r in records.listing(workspace) if r.model == "nmf")
    explain_run(workspace, nmf)
    jobs.add(workspace, Job.parse("nightly", {"cron": "0 3 * * *", "model": nmf, "out": "lists.parquet"}))
    score_run(workspace, nmf, top_k=4, out=workspace.root / "lists.parquet")

    def killed(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_run(workspace, nmf, top_k=7, progress=killed)
    (records.run_folder(workspace, nmf) / "checkpoint").mkdir()
    lists = next((workspace.warehouse.root / "recommendations").glob("*.parquet"))
    shutil.copy(lists, lists.with_name("part-00000-of-a-writer-that-was-killed.parquet"))  # written, and not committed
    return workspace


@pytest.fixture
def filled(template: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it."""
    return copy_of(template.root, tmp_path)


@pytest.fixture
def small(simple: Path, tmp_path: Path) -> Workspace:
    """A copy of the one with a single model, for what hangs on the tables and the request."""
    return copy_of(simple, tmp_path)


@pytest.fixture(scope="module")
def forgotten(template: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A copy in which the person was forgotten, for tests that only look."""
    workspace = copy_of(template.root, tmp_path_factory.mktemp("forgotten"))
    return Case(template, workspace, forget(workspace, [PERSON]))


@pytest.fixture
def after(forgotten: Case, tmp_path: Path) -> Workspace:
    """A copy of that, to go on with."""
    return copy_of(forgotten.after.root, tmp_path)


def copy_of(root: Path, folder: Path) -> Workspace:
    shutil.copytree(root, folder / "workspace")
    return Workspace.open(folder / "workspace")


@dataclass(frozen=True)
class Case:
    """A workspace before and after, and what was said."""

    before: Workspace
    after: Workspace
    said: Forgotten


def traces(workspace: Workspace) -> list[str]:
    """Files of the workspace in which the person's id occurs: byte by byte, and in what Parquet files say unpacked."""
    found = []
    for file in sorted(f for f in workspace.root.rglob("*") if f.is_file()):
        told = file.read_bytes()
        if told[:4] == b"PAR1":
            told += str(pq.read_table(file).to_pylist()).encode() + str(pq.read_metadata(file).to_dict()).encode()
        if PERSON.encode() in told or b"zamunda" in told:
            found.append(str(file.relative_to(workspace.root)))
    return found


def test_nothing_in_the_workspace_names_a_forgotten_person(forgotten: Case) -> None:
    kinds = {Path(name).parts[0] for name in traces(forgotten.before)}
    assert {"warehouse", "runs", ".scratch", "lists.parquet"} <= kinds
    found = forgotten.said
    assert traces(forgotten.after) == []
    assert found.request.status == "done"
    assert found.request.rows > 30
    assert {(m.run.split("-")[0], m.method, m.status) for m in found.models} == {
        ("ease", "downdate", "done"), ("nmf", "refit", "done"), ("lightgcn", "rows", "queued"),
    }  # fmt: skip
    assert "log.csv" in found.sources


def test_everybody_else_stays_and_every_table_can_still_be_read(forgotten: Case) -> None:
    old, new = forgotten.before.warehouse, forgotten.after.warehouse
    before = load_interactions(old, "shop")
    tables = ("interactions", "recommendations", "loadings", "factor_examples", "unit_metrics", "attributes")
    count = "SELECT count(*) AS n FROM {} WHERE {}"
    own = {t: old.rows(count.format(t, "true"))[0]["n"] for t in tables}
    data = load_interactions(new, "shop")
    assert data.n_users == before.n_users - 1
    expected = before.without(before.user_positions([PERSON]))
    assert data.user_ids.equals(expected.user_ids)
    for split in ("train", "valid", "test"):
        assert torch.equal(data.split(split).dense(), expected.split(split).dense())
    after = {t: new.rows(count.format(t, "true"))[0]["n"] for t in tables}
    assert after["recommendations"] == own["recommendations"] - 3 * 4
    assert after["attributes"] == own["attributes"] - 1
    assert after["interactions"] == own["interactions"] - 10
    (facts,) = new.rows("SELECT facts::JSON->>'users' AS u, facts::JSON->>'train' AS t FROM datasets")
    assert (int(facts["u"]), int(facts["t"])) == (N_USERS - 1, data.train.nnz)
    items = new.rows("SELECT n_train FROM items ORDER BY position")
    assert [row["n_train"] for row in items] == torch.bincount(data.train.indices, minlength=data.n_items).tolist()
    assert DeltaTable(new.root / "interactions").version() > 0
    with new.publish("recommendations/later") as publication:
        publication.append("recommendations", [{"user_id": "user01", "rank": 1}], run="later")


def test_models_are_what_training_without_the_person_gives(forgotten: Case) -> None:
    filled = forgotten.after
    trained = {r.model: r for r in records.listing(filled)}
    data = load_interactions(filled.warehouse, "shop")
    everyone = torch.arange(data.n_users)
    for model in ("ease", "nmf"):
        kept = Recommender.load(records.model_folder(filled, trained[model].run))
        anew = type(kept)(**kept.config.model_dump()).fit(data, seed=0, device="cpu")
        torch.testing.assert_close(kept.predict(everyone), anew.predict(everyone), rtol=1e-4, atol=1e-4)
    assert {r.dataset_generation for r in records.listing(filled)} == {data.generation}


def test_scoring_afterwards_has_no_list_for_the_person(after: Workspace, tmp_path: Path) -> None:
    for run in records.listing(after):
        assert score_run(after, run.run, top_k=2).users == N_USERS - 1
    assert after.warehouse.rows("SELECT 1 FROM recommendations WHERE user_id = ?", [PERSON]) == []
    (tmp_path / "users.txt").write_text(PERSON)
    with pytest.raises(InputError, match="not in the data"):
        score_run(after, records.listing(after)[0].run, users=tmp_path / "users.txt")


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def test_request_that_is_killed_at_any_step_is_finished_by_making_it_again(filled: Workspace) -> None:
    steps: list[str] = []

    def kill_at_the_next(step: str) -> None:
        if step not in steps:
            steps.append(step)
            raise Killed

    for _ in range(20):
        try:
            found = forget(filled, [PERSON], progress=kill_at_the_next)
        except Killed:
            continue
        break
    assert len(steps) == 9, steps  # three models, the factors of one, and five others
    assert traces(filled) == []
    assert found.request.status == "done"
    assert len(filled.warehouse.rows("SELECT * FROM forgettings")) == 1
    assert len(found.models) == 3
    data = load_interactions(filled.warehouse, "shop")
    assert data.n_users == N_USERS - 1
    assert {r.dataset_generation for r in records.listing(filled)} == {data.generation}


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("step", ["tables: what is shown", "tables: what was replaced", "tables: older versions"])
def test_process_that_is_killed_while_it_forgets_leaves_a_request_that_can_be_finished(
    small: Workspace, step: str
) -> None:
    """A kill that nothing in the process hears of, a moment after a step began."""
    code = (
        "import os, sys, threading; from distaff.forgetting import forget; from distaff_data.workspace import Workspace\n"
        "def kill(step):\n"
        "    if step == sys.argv[3]: threading.Timer(0.05, os.kill, (os.getpid(), 9)).start()\n"
        "forget(Workspace.open(sys.argv[1]), [sys.argv[2]], progress=kill)\n"
    )
    command = [sys.executable, "-c", code, str(small.root), PERSON, step]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == -9, ended.stderr
    assert forget(small, [PERSON], "shop").request.status == "done"
    assert traces(small) == []
    assert load_interactions(small.warehouse, "shop").n_users == N_USERS - 1


def test_model_that_is_killed_while_it_is_saved_is_whole_afterwards(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if self.name.endswith(".part") and target.name == "model":
            raise Killed
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    monkeypatch.setattr("shutil.rmtree", lambda *args, **options: None)
    with pytest.raises(Killed):
        forget(filled, [PERSON])
    monkeypatch.undo()
    assert traces(filled)
    forget(filled, [PERSON])
    assert traces(filled) == []
    for run in records.listing(filled):
        assert Recommender.load(records.model_folder(filled, run.run)).data.n_users == N_USERS - 1


def test_audit_record_says_what_was_done_and_names_nobody(forgotten: Case) -> None:
    filled, found = forgotten.after, forgotten.said
    (row,) = filled.warehouse.rows("SELECT * FROM forgettings")
    assert len(row["subjects"]) == 1
    assert len(row["subjects"][0]) == 64
    assert row["completed_at"] >= row["requested_at"]
    assert ((filled.root / "forget.key").stat().st_mode & 0o777) == 0o600
    models = filled.warehouse.rows("SELECT * FROM forgotten_models")
    assert {m["run"] for m in models} == {m.run for m in found.models}
    assert all(0 <= m["low"] <= m["after"] <= m["high"] <= 1 for m in models)


def test_record_says_what_shows_the_forgetting_and_what_the_attack_would_have_found(forgotten: Case) -> None:
    found = forgotten.said
    proofs = {m.run.split("-")[0]: m for m in found.models}
    assert {name: m.proof for name, m in proofs.items()} == {"ease": "equality", "nmf": "equality", "lightgcn": "none"}
    for m in found.models:
        assert m.detectable is not None
        assert m.detectable > 0.75  # one person's ten items
        assert "proves nothing" in str(m.message)
    assert {(p.model, p.people, p.low) for p in found.pooled} == {(n, 1, None) for n in ("ease", "nmf", "lightgcn")}


def test_requests_for_one_person_are_pooled_and_those_for_several_are_not(small: Workspace) -> None:
    for person in (PERSON, "user03", "user05"):
        more = forget(small, [person], "shop")
    (ease,) = more.pooled
    values = [m.after for m in audit.models(small)]
    assert ease.model == "ease"
    assert ease.people == len(values) == 3
    assert ease.after == pytest.approx(np.mean([v for v in values if v is not None]))
    assert ease.low is not None
    assert ease.low <= ease.after
    assert more.as_dict()["pooled"][0]["model"] == "ease"
    forget(small, ["user07", "user09"], "shop")
    assert {p.people for p in proof.pooled(small, "shop")} == {3}  # a request for two is none for one


def test_split_by_time_is_said_to_confound_the_attack(tmp_path: Path) -> None:
    log = write_log(tmp_path)
    lines = log.read_text().splitlines()
    log.write_text(
        "\n".join([lines[0] + ",time", *(f"{line},{1_600_000_000 + n}" for n, line in enumerate(lines[1:]))])
    )
    workspace = Workspace.create(tmp_path / "w")
    ingest_interactions(workspace, "shop", log, split="leave-last-out")
    training.train(workspace, "ease", "shop", device="cpu")
    (model,) = forget(workspace, [PERSON]).models
    assert "confounded with age" in str(model.message)
    assert model.proof == "equality"


@pytest.mark.parametrize("text", ["", "00", "key", "é" * 64])
def test_key_that_is_none_is_refused_and_nobody_is_hashed_with_it(small: Workspace, text: str) -> None:
    (small.root / "forget.key").write_text(text)
    with pytest.raises(InputError, match="does not hold a key"):
        forget(small, [PERSON], "shop")
    assert small.warehouse.rows("SELECT * FROM forgettings") == []


def test_key_is_written_whole_or_not_at_all(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("distaff.forgetting.audit.os.fsync", full)
    with pytest.raises(DistaffError, match="No space left on device"):
        audit.hashes(small, "shop", [PERSON])
    assert not list(small.root.glob("*forget.key*"))
    monkeypatch.undo()
    assert len(audit.hashes(small, "shop", [PERSON])[0]) == 64


def test_stranger_is_refused_and_changes_nothing(small: Workspace) -> None:
    with pytest.raises(InputError, match="nobody of this id"):
        forget(small, ["nobody"], "shop")
    with pytest.raises(InputError, match="no dataset has people"):
        forget(small, ["nobody"])
    with pytest.raises(InputError, match="no dataset named"):
        forget(small, [PERSON], "shops")
    assert small.warehouse.rows("SELECT * FROM forgettings") == []


def test_person_of_the_same_id_in_another_dataset_is_somebody_else(small: Workspace, tmp_path: Path) -> None:
    ingest_interactions(small, "other", write_log(tmp_path), split="random:0.6,0.2,0.2")
    with pytest.raises(InputError, match="--dataset other or shop"):
        forget(small, [PERSON])
    forget(small, [PERSON], "other")
    assert load_interactions(small.warehouse, "other").n_users == N_USERS - 1
    assert load_interactions(small.warehouse, "shop").n_users == N_USERS


def test_dataset_that_somebody_works_on_is_left_alone(small: Workspace) -> None:
    run = records.listing(small)[0].run
    with small.warehouse.lock(f"scoring/{run}"), pytest.raises(DistaffError, match="another process"):
        forget(small, [PERSON])
    assert small.warehouse.rows("SELECT * FROM forgettings") == []


def test_run_that_was_killed_under_an_id_that_lives_again_blocks_nobody(small: Workspace) -> None:
    """In a container, where every process has the id 1."""
    run = records.listing(small)[0]
    records.record(small, replace(run, status="running", process=1))
    with liveness.held(records.run_folder(small, run.run)), pytest.raises(DistaffError, match="is being fitted"):
        forget(small, [PERSON])
    assert forget(small, [PERSON]).request.status == "done"


def test_fit_that_began_meanwhile_keeps_the_request_open(small: Workspace) -> None:
    def train(step: str) -> None:
        if step == "files":
            training.train(small, "popularity", "shop", device="cpu")

    with pytest.raises(DistaffError, match="began while the people were forgotten"):
        forget(small, [PERSON], progress=train)
    assert any("make the request" in found.detail for found in examine(small.root))
    assert forget(small, [PERSON]).request.status == "done"
    assert not any("make the request" in found.detail for found in examine(small.root))


def test_replaced_dataset_is_forgotten_in_its_older_generations_too(small: Workspace, tmp_path: Path) -> None:
    log = write_log(tmp_path)
    log.write_text("\n".join(line for line in log.read_text().splitlines() if PERSON not in line) + "\n")
    ingest_interactions(small, "shop", log, split="random:0.6,0.2,0.2", replace=True)
    assert traces(small)
    forget(small, [PERSON], "shop")
    assert traces(small) == []


def _exported(workspace: Workspace) -> dict[str, pa.Table]:
    """Write tables that name the person into the workspace, as ``--out`` does; returns them by their file."""
    rows = pa.table({"user_id": ["user01", PERSON, "user02"], "n": [1, 2, 3]})
    lists = pa.table({"item": ["a", "b"], "users": [["user01"], ["user02", PERSON]]})
    (workspace.root / "sub").mkdir()
    tables = {"recs.csv": rows, "sub/u.parquet": rows, "u.arrow": rows, "lists.arrow": lists}
    for name, table in tables.items():
        exports.write(table, workspace.root / name)
    (workspace.root / "memo.txt").write_text(f"about {PERSON}")
    (workspace.root / "other.csv").write_text("user_id\nuser01\n")
    return tables


def test_exports_in_the_workspace_are_told_and_cleaned_on_request(small: Workspace) -> None:
    tables = _exported(small)
    assert set(forget(small, [PERSON]).exports) == {*tables, "memo.txt"}
    again = forget(small, [PERSON], "shop", clean_exports=True)
    assert again.exports == ("memo.txt",), "text is told, and left to its owner"
    assert (small.root / "recs.csv").read_text().splitlines() == ['"user_id","n"', '"user01","1"', '"user02","3"']
    assert pq.read_table(small.root / "sub" / "u.parquet").to_pylist() == [
        {"user_id": "user01", "n": 1},
        {"user_id": "user02", "n": 3},
    ]
    with pa.ipc.open_file(small.root / "lists.arrow") as opened:
        assert opened.read_all().to_pylist() == [{"item": "a", "users": ["user01"]}]
    assert traces(small) == ["memo.txt"]


def test_notes_that_name_the_person_are_listed_for_their_author_and_expunged_with_what_they_said_before(
    filled: Workspace,
) -> None:
    nmf = next(r.run for r in records.listing(filled) if r.model == "nmf")
    annotate(filled, nmf, 0, note=f"taken up by {PERSON}, who writes to us")
    annotate(filled, nmf, 1, note=f"the taste of{PERSON}s")
    annotate(filled, nmf, 2, note="not about anybody")
    done = forget(filled, [PERSON])
    named = (f"{nmf}/0", f"{nmf}/1")  # inside a longer word it may be them or not, which its author knows
    assert done.notes == named
    assert done.as_dict()["notes"] == named
    assert traces(filled), "the notes are their writer's"
    for factor in (0, 1):
        annotate(filled, nmf, factor, note="")
    examine(filled.root, fix=True)
    assert traces(filled) == []
    assert filled.warehouse.rows("SELECT note FROM factor_notes WHERE note <> ''") == [{"note": "not about anybody"}]


def test_notes_written_while_old_ones_go_are_not_lost(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    nmf = next(r.run for r in records.listing(filled) if r.model == "nmf")
    for text in ("first", "second"):
        annotate(filled, nmf, 0, note=text)
    late = ["third"]

    def slow(*arguments: Any, **options: Any) -> None:
        if late:
            annotate(filled, nmf, 1, note=late.pop())
        write_deltalake(*arguments, **options)

    monkeypatch.setattr(erasure, "write_deltalake", slow)
    filled.warehouse.keep_newest("factor_notes")
    notes = filled.warehouse.rows("SELECT factor, note FROM factor_notes ORDER BY factor")
    assert notes == [{"factor": 0, "note": "second"}, {"factor": 1, "note": "third"}]


def test_person_is_taken_out_of_the_bin_with_the_runs_that_lie_in_it(filled: Workspace) -> None:
    deleted = next(run.run for run in records.listing(filled) if run.model == "lightgcn")
    delete(filled, "run", deleted)
    assert any(name.startswith("bin/") for name in traces(filled))
    found = forget(filled, [PERSON])
    assert found.cleared == (f"run {deleted}",)
    assert traces(filled) == []
    assert bin.contents(filled) == []
    with pytest.raises(InputError, match="deletion"):
        restore(filled, deleted)


@pytest.mark.parametrize("named", [None, "shop"])
def test_person_is_taken_out_of_a_dataset_that_lies_in_the_bin(filled: Workspace, named: str | None) -> None:
    jobs.remove(filled, "nightly")
    delete(filled, "dataset", "shop")
    assert {Path(name).parts[0] for name in traces(filled)} >= {"bin", "warehouse"}
    with pytest.raises(InputError):
        forget(filled, ["somebody else"], named)
    assert len(bin.contents(filled)) == 1
    found = forget(filled, [PERSON], named, clean_exports=True)
    assert found.cleared == ("dataset shop",)
    assert found.request.status == "done"
    assert found.request.rows > 30
    assert traces(filled) == []


def test_request_that_is_killed_at_the_bin_is_finished_by_making_it_again(
    filled: Workspace,
) -> None:
    delete(filled, "run", next(run.run for run in records.listing(filled) if run.model == "lightgcn"))

    def killed(step: str) -> None:
        if step == "tables: what is shown":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forget(filled, [PERSON], progress=killed)
    assert bin.contents(filled) == []
    forget(filled, [PERSON])
    assert traces(filled) == []
