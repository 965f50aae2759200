"""Verbs of sweeps, aliases and schedules from end to end, in this process: what they print and refuse."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from published import publish

from distaff.cli import completion, main
from distaff.runs import records, training
from distaff.sweeps import tuning
from distaff.sweeps.plan import Plan
from distaff.testing.data import checkerboard
from distaff_data.workspace import Workspace

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    publish(workspace, checkerboard())
    return workspace


@pytest.fixture
def call(filled: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``distaff`` with arguments; gives exit status, standard output and error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["distaff", "--workspace", str(filled.root), *arguments])
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def _json(result: tuple[int, str, str]) -> Any:
    assert result[0] == 0, result[2]
    return json.loads(result[1])


def test_tune_show_export_and_a_worker_of_another_terminal(call: Call, filled: Workspace, tmp_path: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text("n_intents = [2, 3]\n")
    options = ("--space", str(space), "--trials", "9", "--seeds", "2", "--metric", "recall@10", "--json")
    done = _json(call("tune", "nmf", "checkerboard", *options))
    assert done["study"] == "nmf-checkerboard"
    assert sorted(trial["settings"]["n_intents"] for trial in done["trials"]) == [2, 3]
    assert done["best"]["trial"] == done["front"][0]
    assert len(done["runs"]) == 2
    assert _json(call("tune", "show", "nmf-checkerboard", "--json")) == {
        key: value for key, value in done.items() if key not in ("controls", "untuned", "costs")
    }
    assert call("tune", "worker", "nmf-checkerboard")[1] == "0 trials\n"
    assert call("tune", "export", "nmf-checkerboard", str(tmp_path / "best.toml"))[0] == 0
    assert tomllib.loads((tmp_path / "best.toml").read_text()) == {"n_intents": done["best"]["settings"]["n_intents"]}
    assert call("tune", "export", "nmf-checkerboard", str(tmp_path / "trials.csv"))[0] == 0
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 3
    listed = _json(call("runs", "--json"))["runs"]
    assert {run["run"] for run in listed} == set(done["runs"])
    assert len(_json(call("runs", "--study", "nmf-checkerboard", "--json"))["runs"]) == 2
    assert "trial" in call("tune", "show", "nmf-checkerboard")[1]
    (study,) = _json(call("tune", "list", "--json"))["studies"]
    assert (study["study"], study["status"], study["best"]) == ("nmf-checkerboard", "done", done["best"]["trial"])
    assert "nmf-checkerboard" in call("tune", "list")[1]
    assert list(filled.root.glob("sweeps/*/worker-*.lock")) == []


@pytest.mark.usefixtures("here")
def test_controls_stand_beside_with_what_each_may_know_of_a_user(
    call: Call, filled: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = Plan.make(filled, "nmf", "checkerboard")
    assert {"popularity", "puresvd"} <= set(tuning.controls(filled, asked))
    assert "macridvae_graph" not in tuning.controls(filled, asked)  # its items have no words
    monkeypatch.setattr(tuning, "controls", lambda workspace, plan: ["popularity", "ease"])
    space = tmp_path / "space.toml"
    space.write_text("n_intents = [2, 3]\n")
    options = ("--space", str(space), "--trials", "2", "--seeds", "1", "--controls", "--json")
    done = _json(call("tune", "nmf", "checkerboard", *options))
    costs = {cost["model"]: cost for cost in done["costs"]}
    assert {name: cost["trials"] for name, cost in costs.items()} == {"nmf": 2, "ease": 2, "popularity": 0}
    numbers = {name: cost["numbers_per_user"] for name, cost in costs.items()}
    assert numbers == {"nmf": done["best"]["settings"]["n_intents"], "ease": 30, "popularity": 0}
    assert [cost["valid"] for cost in costs.values()] == sorted((c["valid"] for c in costs.values()), reverse=True)
    for cost in costs.values():
        (run,) = cost["runs"]
        files = list((filled.runs / run / "model").iterdir())
        assert cost["megabytes"] == pytest.approx(sum(file.stat().st_size for file in files) / 1e6, abs=6e-4)
        assert records.metrics_of(filled, [run])[run]["valid"]["recall@20"] == cost["valid"]
    shown = call("tune", "nmf", "checkerboard", *options[:-1])[1]
    assert "numbers a user" in shown  # the same studies and runs, which are not repeated
    assert len(records.listing(filled)) == 3


@pytest.mark.usefixtures("here")
def test_a_bound_on_training_binds_the_controls_that_train_in_epochs(
    call: Call, filled: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tuning, "controls", lambda workspace, plan: ["ease", "lightgcn"])
    space = tmp_path / "space.toml"
    space.write_text("lr = [0.01, 0.02]\n")
    bounded = (
        "--set",
        "max_epochs=2",
        "--set",
        "embedding_dim=4",
        "--space",
        str(space),
        "--trials",
        "1",
        "--seeds",
        "1",
    )
    status, _, said = call("tune", "dccf", "checkerboard", *bounded, "--controls")
    assert status == 0
    assert "max_epochs=2 for lightgcn too" in " ".join(said.split())
    trained = {run.model: json.loads(run.settings) for run in records.listing(filled)}
    assert trained["lightgcn"]["max_epochs"] == 2
    assert trained["lightgcn"].get("embedding_dim") != 4  # a size is the control's own to choose
    assert "max_epochs" not in trained["ease"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tune", "nfm", "checkerboard"), "did you mean nmf"),
        (("tune", "nmf", "checkerbord"), "did you mean checkerboard"),
        (("tune", "popularity", "checkerboard"), "nothing to change"),
        (("tune", "nmf", "checkerboard", "--study", "../out"), "cannot hold slashes"),
        (("tune", "show", "nothing"), "no study"),
        (("tune", "nmf", "checkerboard", "--storage", "nonsense://x"), "cannot open the storage"),
        (("promote", "nobody", "--as", "champion"), "no run named"),
        (("rollback", "champion"), "no alias"),
        (("schedule", "remove", "nightly"), "no job"),
        (("schedule", "add", "x", "--cron", "* *", "--model", "m"), "no cron expression"),
        (("schedule", "add", "x", "--cron", "0 3 * * *", "--model", "nobody"), "no run"),
        (("runs", "--dataset", "checkerbord"), "did you mean checkerboard"),
        (("tables", "facors"), "did you mean factors"),
        (("sql", "select * from facors"), 'Did you mean "factors"?'),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(
    call: Call, filled: Workspace, arguments: tuple[str, ...], message: str
) -> None:
    status, _, error = call(*arguments)
    assert status == 2
    assert message in error
    assert len(error.splitlines()) == 1
    assert filled.warehouse.rows("SELECT 1 FROM studies UNION ALL SELECT 1 FROM executions") == []
    assert not list(filled.root.glob("../out*"))


def test_alias_stands_for_its_run_wherever_a_run_is_named(call: Call, filled: Workspace) -> None:
    old, new = (training.train(filled, "popularity", "checkerboard", seed=seed).run for seed in (0, 1))
    for run in (old, new):
        assert call("promote", run, "--as", "champion")[0] == 0
    assert _json(call("show", "champion", "--json"))["run"] == new
    assert _json(call("score", "champion", "--top-k", "2", "--json"))["run"] == new
    assert _json(call("rollback", "champion", "--json"))["aliases"][0]["run"] == old
    assert _json(call("score", "champion", "--top-k", "2", "--json"))["run"] == old
    history = _json(call("aliases", "champion", "--json"))["aliases"]
    assert [change["action"] for change in history] == ["promote", "promote", "rollback"]
    assert old in call("aliases")[1]


def test_schedule_from_adding_a_job_to_removing_it(call: Call, filled: Workspace) -> None:
    run = training.train(filled, "popularity", "checkerboard").run
    call("promote", run, "--as", "champion")
    assert call("schedule", "add", "nightly", "--cron", "0 3 * * *", "--model", "champion", "--top-k", "4")[0] == 0
    assert _json(call("schedule", "run", "--once", "--json")) == {"executions": []}
    (job,) = _json(call("schedule", "list", "--json"))["jobs"]
    assert (job["name"], job["model"], job["top_k"], job["executions"]) == ("nightly", "champion", 4, [])
    assert "nightly" in call("schedule", "list")[1]
    assert call("schedule", "remove", "nightly")[0] == 0
    assert _json(call("schedule", "list", "--json")) == {"jobs": []}


def test_failed_execution_is_exit_status_1(call: Call, filled: Workspace) -> None:
    filled.config.write_text('[schedule.wrong]\ncron = "* * * * *"\nmodel = "nobody"\n')
    assert call("schedule", "run", "--once")[0] == 0  # known from now on
    rows = filled.warehouse.rows("SELECT * EXCLUDE (written_at) FROM executions")
    earlier = rows[0] | {"due_at": rows[0]["due_at"] - timedelta(minutes=3)}
    filled.warehouse.append("executions", [earlier], written_at=datetime.now(UTC))
    status, _, error = call("schedule", "run", "--once")
    assert status == 1
    assert "no run named 'nobody'" in error
    assert "makes up for 2 missed" in error


def test_forgetting_prints_what_it_did_and_refuses_strangers(call: Call, filled: Workspace) -> None:
    run = training.train(filled, "popularity", "checkerboard", device="cpu").run
    status, out, _ = call("forget", "7", "8", "--dataset", "checkerboard", "--yes", "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["dataset"], found["people"], found["status"]) == ("checkerboard", 2, "done")
    assert [(m["run"], m["method"], m["status"]) for m in found["models"]] == [(run, "downdate", "done")]
    status, out, err = call("forget", "7")
    assert (status, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert "no dataset has people" in err
    status, out, _ = call("score", run, "--json")
    assert json.loads(out)["users"] == 38
    assert json.loads(out)["warnings"] == []


def test_job_may_be_of_another_task_that_there_is(call: Call, filled: Workspace) -> None:
    run = training.train(filled, "popularity", "checkerboard", device="cpu").run
    add = ("schedule", "add", "outlook", "--cron", "* * * * *", "--model", run, "--task")
    assert call(*add, "shell")[0] == 2
    assert call(*add, "forecast")[0] == 0
    _status, out, _ = call("schedule", "list", "--json")
    assert [job["task"] for job in json.loads(out)["jobs"]] == ["forecast"]


def test_any_name_of_a_run_works_in_every_verb_that_takes_one(call: Call, filled: Workspace) -> None:
    run = training.train(filled, "popularity", "checkerboard", device="cpu").run
    for name in ("popularity@latest", "checkerboard:popularity", "popularity-ch"):
        assert _json(call("show", name, "--json"))["run"] == run
        assert _json(call("score", name, "--top-k", "2", "--json"))["run"] == run
    status, _, error = call("train", "--resume", "popularity@latest")
    assert (status, f"run {run!r} is done" in error) == (2, True)
    assert call("schedule", "add", "nightly", "--cron", "0 3 * * *", "--model", "popularity@latest")[0] == 0


def test_lists_are_written_by_the_files_ending(call: Call, filled: Workspace, tmp_path: Path) -> None:
    training.train(filled, "popularity", "checkerboard", device="cpu")
    assert call("score", "popularity@latest", "--top-k", "2", "--out", str(tmp_path / "lists.csv"))[0] == 0
    lines = (tmp_path / "lists.csv").read_text().splitlines()
    assert lines[0].replace('"', "").split(",")[:3] == ["user_id", "rank", "item_id"]
    assert len(lines) == 1 + _json(call("score", "popularity@latest", "--top-k", "2", "--json"))["rows"]
    status, _, error = call("score", "popularity@latest", "--out", str(tmp_path / "lists.txt"))
    assert (status, "export to .csv" in error) == (2, True)


def test_shells_complete_datasets_runs_and_models(call: Call, filled: Workspace) -> None:
    run = training.train(filled, "popularity", "checkerboard", device="cpu").run
    call("promote", run, "--as", "champion")
    assert completion.names("run", filled.root, "") == ["champion", run]
    assert completion.names("run", filled.root, "pop") == [run]
    assert completion.names("dataset", filled.root, "ch") == ["checkerboard"]
    assert completion.names("model", filled.root, "tim") == ["timedrl"]
    assert completion.names("run", filled.root / "nowhere", "") == []


def test_tables_and_columns_are_described(call: Call) -> None:
    listed = _json(call("tables", "--json"))["tables"]
    assert {"interactions", "factors", "recommendations"} <= {table["table"] for table in listed}
    (table,) = _json(call("tables", "interactions", "--json"))["tables"]
    named = [
        row["name"]
        for row in _json(call("sql", "select column_name as name from (describe interactions)", "--json"))["rows"]
    ]
    assert [column["column"] for column in table["columns"]] == named
    assert all(column["holds"] for column in table["columns"])
    assert "user's own id" in call("tables", "interactions")[1]


def test_every_verb_stands_in_a_panel_of_the_help(call: Call) -> None:
    out = call("--help")[1]
    places = [out.index(f"─ {panel} ") for panel in ("Data", "Train", "Understand", "Act", "Operate")]
    assert places == sorted(places)
    assert "─ Commands " not in out
