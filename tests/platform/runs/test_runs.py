from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from published import publish

from distaff.board.board import board
from distaff.model.base import Epoch
from distaff.recommenders.base import Recommender
from distaff.runs import liveness, records, training
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.workspace import Workspace

FAST = {"embedding_dim": "8", "n_layers": "2", "max_epochs": "6", "eval_every": "2", "patience": "9", "lr": "0.05"}


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    publish(workspace, checkerboard())
    return workspace


def test_run_is_recorded_with_metrics_history_and_model(filled: Workspace) -> None:
    run = training.train(filled, "lightgcn", "checkerboard", settings=FAST, seed=3)
    assert run.status == "done"
    assert records.find(filled, run.run) == run
    metrics = records.metrics_of(filled, [run.run])[run.run]
    assert set(metrics) == {"valid", "test"}
    epochs = filled.warehouse.rows("SELECT count(DISTINCT epoch) AS n FROM history WHERE run = ?", [run.run])
    assert epochs[0]["n"] == 6
    model = Recommender.load(records.model_folder(filled, run.run))
    assert model.config.model_dump()["embedding_dim"] == 8


def test_same_seed_gives_the_same_numbers_and_another_seed_others(filled: Workspace) -> None:
    one, two, other = (
        records.metrics_of(filled, [r.run])[r.run]
        for r in (training.train(filled, "lightgcn", "checkerboard", settings=FAST, seed=s) for s in (1, 1, 2))
    )
    assert one == two
    assert one != other


def test_wrong_names_and_settings_record_no_run(filled: Workspace) -> None:
    with pytest.raises(UnknownNameError, match="did you mean lightgcn"):
        training.train(filled, "lightgnc", "checkerboard")
    with pytest.raises(UnknownNameError, match="did you mean checkerboard"):
        training.train(filled, "popularity", "checkerbord")
    with pytest.raises(InputError, match="n_layers"):
        training.train(filled, "lightgcn", "checkerboard", settings={"n_layers": "-1"})
    assert records.listing(filled) == []
    assert not list(filled.runs.iterdir())


def test_interrupted_run_resumes_to_the_numbers_of_one_that_ran_through(filled: Workspace) -> None:
    through = training.train(filled, "lightgcn", "checkerboard", settings=FAST, seed=5)

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(filled, "lightgcn", "checkerboard", settings=FAST, seed=5, report=stop)
    stopped = next(r for r in records.listing(filled) if r.status == "interrupted")
    resumed = training.resume(filled, stopped.run)
    assert resumed.status == "done"
    everyone = torch.arange(40)
    assert torch.equal(
        Recommender.load(records.model_folder(filled, resumed.run)).predict(everyone),
        Recommender.load(records.model_folder(filled, through.run)).predict(everyone),
    )
    with pytest.raises(InputError, match="nothing to resume"):
        training.resume(filled, resumed.run)


_KILLED = """
import sys
from distaff.runs import liveness, records, training
from distaff_data.workspace import Workspace
settings = dict(embedding_dim="8", max_epochs="100000", eval_every="2", patience="100000")
training.train(Workspace.open(sys.argv[1]), "lightgcn", "checkerboard", settings=settings)
"""


def test_killed_run_loses_nothing_and_can_be_resumed(filled: Workspace) -> None:
    child = subprocess.Popen([sys.executable, "-c", _KILLED, str(filled.root)])
    try:
        deadline = time.monotonic() + 600
        while not list(filled.runs.glob("*/checkpoint/last.safetensors")):
            assert child.poll() is None, "the fit ended by itself"
            assert time.monotonic() < deadline, "no checkpoint after five minutes"
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    run = records.listing(filled)[0]
    assert run.status == "running"
    assert not records.is_alive(filled, run)
    records.record(filled, replace(run, process=1))  # as in a container, where the next process has the same id
    assert not records.is_alive(filled, records.find(filled, run.run))
    assert records.metrics_of(filled, [run.run])[run.run] == {}
    short = json.loads(run.config) | {"max_epochs": 1}  # the checkpoint is past it: nothing is left to fit
    records.record(filled, replace(run, config=json.dumps(short)))
    assert training.resume(filled, run.run).status == "done"


def test_running_run_of_a_living_process_is_not_resumed(filled: Workspace) -> None:
    run = training.train(filled, "popularity", "checkerboard")
    records.record(filled, replace(run, status="running", process=os.getpid()))
    with liveness.held(records.run_folder(filled, run.run)), pytest.raises(InputError, match="is being fitted"):
        training.resume(filled, run.run)


def test_run_of_another_machine_lives_while_it_touches_its_file(filled: Workspace) -> None:
    run = training.train(filled, "popularity", "checkerboard")
    records.record(filled, replace(run, status="running", process=1))
    folder = records.run_folder(filled, run.run)
    assert not liveness.is_held(folder)  # this machine's own, and nobody holds the lock
    (folder / "alive.json").write_text('{"machine": "another"}')
    assert records.is_alive(filled, run)
    with pytest.raises(InputError, match="is being fitted"):
        training.resume(filled, run.run)
    silent = time.time() - 2 * liveness._SILENCE
    os.utime(folder / "alive.lock", (silent, silent))
    assert not records.is_alive(filled, run)
    assert training.resume(filled, run.run).status == "done"


def test_of_two_resumptions_of_one_run_one_wins(filled: Workspace) -> None:
    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(filled, "lightgcn", "checkerboard", settings=FAST, report=stop)
    run = records.listing(filled)[0].run
    refused: list[int] = []

    def resume_too(epoch: Epoch) -> None:
        if not refused:
            records.record(
                filled, replace(records.find(filled, run), status="interrupted")
            )  # seen before the other began
            with pytest.raises(InputError, match="is being fitted by another process"):
                training.resume(filled, run)
            refused.append(epoch.epoch)

    assert training.resume(filled, run, report=resume_too).status == "done"
    assert refused
    with pytest.raises(InputError, match="nothing to resume"):
        training.resume(filled, run)


def test_sigterm_marks_the_run_and_says_how_to_go_on(filled: Workspace) -> None:
    settings = ["embedding_dim=8", "max_epochs=100000", "eval_every=2", "patience=100000"]
    command = [sys.executable, "-m", "distaff", "--workspace", str(filled.root), "train", "lightgcn", "checkerboard"]
    command += [argument for setting in settings for argument in ("--set", setting)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 600
    while not list(filled.runs.glob("*/checkpoint/last.safetensors")):
        assert child.poll() is None, "the fit ended by itself"
        assert time.monotonic() < deadline, "no checkpoint after five minutes"
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    told = child.communicate(timeout=600)[1]
    assert child.returncode == 143
    assert "continue a run with: distaff train --resume" in told
    (run,) = records.listing(filled)
    assert run.status == "interrupted"


def test_failure_is_recorded_with_its_reason(filled: Workspace) -> None:
    def fail(epoch: Epoch) -> None:
        raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError):
        training.train(filled, "lightgcn", "checkerboard", settings=FAST, report=fail)
    assert records.listing(filled)[0].status == "failed"
    assert "the disk is on fire" in str(records.listing(filled)[0].message)


def test_board_ranks_configurations_and_compares_with_the_best_control(filled: Workspace) -> None:
    for seed in (0, 1):
        training.train(filled, "lightgcn", "checkerboard", settings=FAST, seed=seed)
    training.train(filled, "popularity", "checkerboard")
    found = board(filled, "checkerboard")
    assert [row.model for row in found.rows] == ["lightgcn", "popularity"]
    best, floor = found.rows
    assert len(best.runs) == 2
    assert best.metrics["recall@20"].low is not None
    assert floor.metrics["recall@20"].low is None
    assert found.best_control == "lightgcn"  # LightGCN is a control of the disentangled models
    assert floor.comparison is not None
    assert floor.comparison.difference == pytest.approx(
        floor.metrics["recall@20"].mean - best.metrics["recall@20"].mean
    )
    assert 0 < found.noise_floor["recall@5"] < best.metrics["recall@5"].mean


def test_board_leaves_out_runs_on_a_replaced_dataset(filled: Workspace) -> None:
    training.train(filled, "popularity", "checkerboard")
    publish(filled, checkerboard(held_out=1))
    assert board(filled, "checkerboard").rows == []


def test_changed_weights_are_refused(filled: Workspace) -> None:
    run = training.train(filled, "popularity", "checkerboard")
    weights: Path = records.run_folder(filled, run.run) / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(InputError, match="changed since it was saved"):
        Recommender.load(records.model_folder(filled, run.run))
