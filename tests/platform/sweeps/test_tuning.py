"""Sweeps end to end on tiny data: the budget met exactly whatever happens to the processes, and nothing looked at twice."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from published import publish
from sweeping import SPACE, slow_plan, tune_and_kill

from distaff import doctor
from distaff.board.board import board
from distaff.runs import records, training
from distaff.sweeps import journal, trials, tuning
from distaff.sweeps.plan import Plan
from distaff.testing.data import checkerboard
from distaff_data.errors import DistaffError, InputError, UnknownNameError
from distaff_data.workspace import Workspace

FAST = {"max_epochs": 4, "eval_every": 2}


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    publish(workspace, checkerboard())
    return workspace


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    file = tmp_path / "space.toml"
    file.write_text(SPACE)
    return file


@pytest.fixture
def plan(filled: Workspace, space_file: Path) -> Plan:
    return Plan.make(filled, "lightgcn", "checkerboard", settings=FAST, space=space_file)


def quiet(seed: int) -> Any:
    return contextlib.nullcontext(lambda epoch: None)


@pytest.mark.usefixtures("here")
def test_trials_are_runs_that_the_board_leaves_out_and_the_best_is_on_it(filled: Workspace, plan: Plan) -> None:
    found = tuning.tune(filled, plan, "s", budget=4)
    assert [row.trial for row in found.trials] == [0, 1, 2, 3]
    assert json.loads(found.trials[0].settings)["n_layers"] in (1, 2)
    recorded = records.listing(filled, study="s")
    assert {run.trial for run in recorded} == {row.trial for row in found.trials}
    assert records.listing(filled) == []
    assert board(filled, "checkerboard").rows == []
    found = tuning.retrain(filled, found, 2, quiet)
    assert tuning.retrain(filled, found, 2, quiet).runs == found.runs  # nothing is fitted again
    (row,) = board(filled, "checkerboard").rows
    assert row.runs == found.runs
    assert tuning.find_study(filled, "s").runs == found.runs
    assert found.best is not None
    metrics = records.metrics_of(filled, found.runs)
    reached = json.loads(found.best.metrics)["recall@20"]
    assert metrics[found.runs[0]]["valid"]["recall@20"] == reached  # the trial's seed is the first


@pytest.mark.usefixtures("here")
def test_test_metrics_of_trials_are_not_looked_at_and_weights_not_kept(filled: Workspace, plan: Plan) -> None:
    tuning.tune(filled, plan, "s", budget=2)
    (first, *_) = records.listing(filled, study="s")
    assert set(records.metrics_of(filled, [first.run])[first.run]) == {"valid"}
    with pytest.raises(InputError, match="weights are not kept"):
        records.model_folder(filled, first.run)
    with pytest.raises(InputError, match="is a trial of s"):
        training.resume(filled, first.run)


@pytest.mark.usefixtures("here")
def test_default_configuration_is_tried_first(filled: Workspace) -> None:
    plan = Plan.make(filled, "lightgcn", "checkerboard", settings=FAST)
    first = tuning.tune(filled, plan, "s", budget=1).trials[0]
    assert json.loads(first.settings) == {"lr": 1e-3, "embedding_dim": 64, "n_layers": 3, "reg": 1e-4}


@pytest.mark.usefixtures("here")
def test_larger_budget_goes_on_and_the_tables_say_what_the_storage_says(filled: Workspace, plan: Plan) -> None:
    before = tuning.tune(filled, plan, "s", budget=2).trials
    after = tuning.tune(filled, plan, "s", budget=5).trials
    assert after[:2] == before
    assert len(after) == 5
    rows = filled.warehouse.rows("SELECT * EXCLUDE (written_at) FROM trials WHERE study = 's' ORDER BY trial")
    assert rows == [vars(row) for row in after]
    study = filled.warehouse.rows("SELECT status, trials, best FROM studies")[0]
    assert (study["status"], study["trials"]) == ("done", 5)
    assert len({row.settings for row in after}) == 5


@pytest.mark.usefixtures("here")
def test_stopping_and_going_on_proposes_what_running_through_does(filled: Workspace, plan: Plan) -> None:
    tuning.tune(filled, plan, "stopped", budget=2)
    stopped = tuning.tune(filled, plan, "stopped", budget=4)
    through = tuning.tune(filled, plan, "through", budget=4)
    assert [row.settings for row in stopped.trials] == [row.settings for row in through.trials]


@pytest.mark.usefixtures("here")
def test_space_of_few_choices_is_tried_whole_and_once(filled: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "few.toml"
    file.write_text("n_intents = [2, 3, 4]")
    plan = Plan.make(filled, "nmf", "checkerboard", space=file)
    found = tuning.tune(filled, plan, "s", budget=50)
    assert sorted(json.loads(row.settings)["n_intents"] for row in found.trials) == [2, 3, 4]
    assert len(tuning.tune(filled, plan, "s", budget=50).trials) == 3


@pytest.mark.usefixtures("here")
def test_another_question_needs_another_study(filled: Workspace, plan: Plan, space_file: Path) -> None:
    tuning.tune(filled, plan, "s", budget=1)
    other = Plan.make(filled, "lightgcn", "checkerboard", settings=FAST, space=space_file, metrics=("ndcg@20",))
    with pytest.raises(InputError, match="exists with another metrics"):
        tuning.tune(filled, other, "s", budget=2)
    with pytest.raises(UnknownNameError, match="there are: s"):
        tuning.find_study(filled, "other")


@pytest.mark.usefixtures("here")
def test_poor_trials_are_pruned_and_recorded_as_such(
    filled: Workspace, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Always(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.number > 0

    monkeypatch.setattr("distaff.sweeps.worker.pruner", lambda name: Always())
    found = tuning.tune(filled, plan, "s", budget=3)
    assert [row.state for row in found.trials] == ["complete", "pruned", "pruned"]
    assert Counter(run.status for run in records.listing(filled, study="s")) == {"done": 1, "pruned": 2}
    pruned = next(run for run in records.listing(filled, study="s") if run.status == "pruned")
    assert filled.warehouse.rows("SELECT max(epoch) AS n FROM history WHERE run = ?", [pruned.run]) == [{"n": 2}]


@pytest.mark.usefixtures("here")
def test_several_objectives_give_a_front_that_none_beats(filled: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "few.toml"
    file.write_text("n_intents = [2, 3, 4, 5]\ninit = 'random'\n")
    plan = Plan.make(filled, "nmf", "checkerboard", space=file, metrics=("recall@20", "independence"))
    found = tuning.tune(filled, plan, "s", budget=4)
    values = {row.trial: tuple(json.loads(row.metrics)[m] for m in plan.metrics) for row in found.trials}
    assert set(found.front) == {
        t
        for t, v in values.items()
        if not any(all(a >= b for a, b in zip(o, v, strict=True)) and o != v for o in values.values())
    }
    assert values[found.front[0]][0] == max(v[0] for v in values.values())


@pytest.mark.usefixtures("here")
def test_failing_trials_count_and_when_all_fail_the_reason_is_said(
    filled: Workspace, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise FloatingPointError("the loss is not finite")

    monkeypatch.setattr("distaff.runs.training.train", fail)
    with pytest.raises(DistaffError, match=r"no trial of s was completed.*not finite"):
        tuning.tune(filled, plan, "s", budget=2)
    assert [row.state for row in tuning.find_study(filled, "s").trials] == ["failed", "failed"]


@pytest.mark.usefixtures("here")
def test_interrupted_trial_is_tried_again_with_the_same_configuration(
    filled: Workspace, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, calls = training.train, iter(range(9))

    def stop(*args: Any, **options: Any) -> records.Run:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return train(*args, **options)

    monkeypatch.setattr("distaff.runs.training.train", stop)
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(filled, plan, "s", budget=3)
    assert filled.warehouse.rows("SELECT status FROM studies") == [{"status": "interrupted"}]
    rows = tuning.tune(filled, plan, "s", budget=3).trials
    assert [row.state for row in rows] == ["complete", "lost", "complete", "complete"]
    assert rows[2].settings == rows[1].settings
    assert rows[2].retry_of == 1


def test_configuration_that_kills_its_process_is_given_up(filled: Workspace, plan: Plan) -> None:
    study = tuning._open(filled, plan, "s", 1, None)
    for attempt in range(3):
        trial = trials.claim(filled, study, plan, f"dead{attempt}")
        assert trial is not None
        assert trial.number == attempt
    assert trials.claim(filled, study, plan, "alive") is None
    assert [row.state for row in trials.ended(study, plan)] == ["lost"] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ("recall@21",)}, "did you mean"),
        ({"pruner": "medain"}, "did you mean median"),
        ({"metrics": ("recall@20", "ndcg@20"), "pruner": "median"}, "cannot be pruned"),
        ({"settings": {"n_layers": "-1"}}, "n_layers"),
        ({"settings": dict.fromkeys(("lr", "embedding_dim", "n_layers", "reg"), 1)}, "nothing to change"),
    ],
)
def test_wrong_questions_make_no_study(filled: Workspace, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Plan.make(filled, "lightgcn", "checkerboard", **options)


def test_dataset_without_validation_is_refused(workspace: Workspace) -> None:
    publish(workspace, checkerboard(held_out=0))
    with pytest.raises(InputError, match="no validation split"):
        Plan.make(workspace, "lightgcn", "checkerboard")


def test_two_workers_one_killed_midway_lose_and_double_no_trial(filled: Workspace, tmp_path: Path) -> None:
    tune_and_kill(filled, slow_plan(filled, tmp_path))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("tail", [b'{"op_code":4,"stu', b'{"op_code":4,"stu\n{"op_code":5}\n', b"[1]\n", b"\xff\xfe\n"])
def test_torn_journal_is_refused_repaired_and_goes_on(filled: Workspace, plan: Plan, tail: bytes) -> None:
    before = tuning.tune(filled, plan, "s", budget=2).trials
    (file,) = journal.journals(filled)
    whole = file.read_bytes()
    file.write_bytes(whole + tail)
    with pytest.raises(InputError, match="doctor --fix"):
        tuning.tune(filled, plan, "s", budget=3)
    states = [f.state for fix in (False, True) for f in doctor.examine(filled.root, fix=fix) if f.check == "sweep s"]
    assert states == ["problem", "fixed"]
    assert file.read_bytes() == whole
    assert file.with_name(journal.REMAINS).read_bytes() == tail
    assert tuning.tune(filled, plan, "s", budget=3).trials[:2] == before
