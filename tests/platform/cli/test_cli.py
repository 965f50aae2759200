"""The command line from end to end, in this process: what it prints, and its exit status."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distaff.cli import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``distaff`` with arguments in a workspace of its own; gives exit status, standard output and error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["distaff", "--workspace", str(tmp_path / "ws"), *arguments])
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """30 users and 40 items in two blocks."""
    file = tmp_path / "orders.csv"
    lines = [f"u{u},i{i}" for u in range(30) for i in range(40) if u % 2 == i % 2]
    file.write_text("customer,product\n" + "\n".join(lines) + "\n")
    return file


def _json(result: tuple[int, str, str]) -> Any:
    assert result[0] == 0, result[2]
    return json.loads(result[1])


def test_whole_job_from_file_to_lists(call: Call, orders: Path, tmp_path: Path) -> None:
    names = ("--user", "customer", "--item", "product")
    assert _json(call("ingest", "interactions", "shop", str(orders), *names, "--json"))["users"] == 30
    categories = tmp_path / "items.csv"
    categories.write_text("product,kind\n" + "\n".join(f"i{i},{'even' if i % 2 == 0 else 'odd'}" for i in range(40)))
    assert call("ingest", "items", "shop", str(categories), "--id", "product")[0] == 0
    control = _json(call("train", "popularity", "shop", "--json"))["runs"][0]
    assert control["status"] == "done"
    trained = _json(call("train", "nmf", "shop", "--set", "n_intents=2", "--seeds", "2", "--json"))["runs"]
    assert [run["seed"] for run in trained] == [0, 1]
    assert set(trained[0]["metrics"]) == {"valid"}  # the test is not looked at unless it is asked for
    for verb in ("show", "evaluate"):
        assert set(_json(call(verb, trained[0]["run"], "--json"))["metrics"]) == {"valid"}
        assert set(_json(call(verb, trained[0]["run"], "--test", "--json"))["metrics"]) == {"valid", "test"}
    listed = _json(call("runs", "--test", "--json"))["runs"]
    assert [set(run["metrics"]) for run in listed] == [{"valid", "test"}] * 3
    board = _json(call("board", "shop", "--json"))
    assert {row["model"] for row in board["rows"]} == {"popularity", "nmf"}
    assert set(board["rows"][0]["metrics"]["recall@20"]) == {"mean", "std", "low", "high"}
    report = _json(call("factors", trained[0]["run"], "--json"))
    assert {f["name"] for f in report["factors"]} == {"even", "odd"}
    assert set(report["factors"][0]["top"][0]) == {"id", "title", "relevance"}
    assert _json(call("note", trained[0]["run"], "0", "--name", "mine", "--json"))["notes"][0]["name"] == "mine"
    assert call("note", trained[0]["run"], "0", "--merge-into", "1", "--hide")[0] == 0
    assert "mine" in {f["name"] for f in _json(call("factors", trained[0]["run"], "--json"))["factors"]}
    again = _json(call("rerank", trained[0]["run"], "u1", "--set", "0=0", "--set", "1=0.5", "--top-k", "5", "--json"))
    assert len(again["before"]) == len(again["after"]) == len(again["changes"])
    spots = _json(call("blind-spots", trained[0]["run"], "--calibrate", "0.5", "--json"))
    assert [step["weight"] for step in spots["calibration"]] == [0.0, 0.5]
    assert {spot["factor"] for spot in spots["spots"]} == {0, 1}
    status, out, talked = call("blind-spots", control["run"], "--by", trained[0]["run"], "--calibrate", "0.5")
    assert (status, "everyone" in out, "Recall@20" in talked) == (0, True, True)
    lists = _json(call("score", trained[0]["run"], "--top-k", "3", "--out", str(tmp_path / "lists.parquet"), "--json"))
    assert lists["users"] == 30
    assert (tmp_path / "lists.parquet").exists()
    wrong = _json(
        call(
            "sql", "select count(*) as n from recommendations r join interactions i using (user_id, item_id)", "--json"
        )
    )
    assert wrong["rows"] == [{"n": 0}]


def test_training_prints_what_a_model_chose_by_itself(call: Call, orders: Path) -> None:
    call("ingest", "interactions", "shop", str(orders))
    status, _, talked = call("train", "plait", "shop", "--set", "components=item_knn,rp3beta", "--set", "n_intents=2")
    assert status == 0
    assert "seed 0: plait: " in talked
    assert "mixture, with 2 intents" in talked
    assert "configurations tried on validation" in talked
    assert "plait: " not in call("train", "item_knn", "shop")[2]


def test_sample_and_sql_export(call: Call, tmp_path: Path) -> None:
    knobs = ("--set", "n_users=60", "--set", "n_items=40", "--set", "n_events=1500")
    assert call("sample", "planted-interactions", *knobs)[0] == 0
    status, out, _ = call("sql", "select * from truths", "--out", str(tmp_path / "truths.parquet"))
    assert (status, (tmp_path / "truths.parquet").exists()) == (0, True)
    assert "100 rows" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "popularity", "nothing"), "no dataset"),
        (("board", "nothing"), "no dataset"),
        (("show", "nothing"), "no run"),
        (("sample", "planted-interaction"), "did you mean planted-interactions"),
        (("sql", "drop table runs"), "exactly one SELECT"),
        (("sql", "select 1; select 2"), "exactly one SELECT"),
        (("ingest", "interactions", "x", "no-such-file.csv"), "no-such-file.csv"),
        (("dashboard", "--address", "0.0.0.0"), "0.0.0.0"),
        (("note", "nothing", "0", "--name", "x"), "no run"),
        (("rerank", "nothing", "u1", "--set", "0=1"), "no run"),
        (("blind-spots", "nothing"), "no run"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    call: Call, empty: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    shutil.copytree(empty, tmp_path / "ws")
    status, out, err = call(*arguments)
    assert status == 2
    assert message in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_workspace_is_made_where_it_is_said(call: Call, tmp_path: Path) -> None:
    assert call("init", str(tmp_path / "elsewhere"))[0] == 0
    assert (tmp_path / "elsewhere" / "distaff.toml").is_file()
    assert call("runs")[0] == 2


def test_no_workspace_says_how_to_make_one(call: Call) -> None:
    status, _, err = call("runs")
    assert (status, "distaff init" in err) == (2, True)


def test_help_shows_brackets_as_they_are(call: Call) -> None:
    status, out, _ = call("score", "--help")
    assert status == 0
    assert "extra [ray]" in " ".join(out.replace("│", " ").split())


def test_unknown_verb_is_a_usage_error(call: Call) -> None:
    assert call("trian")[0] == 2


def test_models_without_intents_say_so(call: Call, orders: Path) -> None:
    call("ingest", "interactions", "shop", str(orders), "--user", "customer", "--item", "product")
    run = _json(call("train", "popularity", "shop", "--json"))["runs"][0]["run"]
    status, _, err = call("factors", run)
    assert (status, "no intents" in err) == (2, True)


def test_doctor_finds_a_missing_model_and_is_content_otherwise(call: Call, orders: Path, tmp_path: Path) -> None:
    call("ingest", "interactions", "shop", str(orders), "--user", "customer", "--item", "product")
    run = _json(call("train", "popularity", "shop", "--json"))["runs"][0]["run"]
    assert call("doctor")[0] == 0
    (tmp_path / "ws" / "runs" / run / "model" / "model.json").unlink()
    status, out, _ = call("doctor", "--json")
    assert status == 1
    assert [f["check"] for f in json.loads(out)["findings"] if f["state"] == "problem"] == [f"run {run}"]


def test_models_lists_every_entry_point(call: Call) -> None:
    found = {row["model"]: row for row in _json(call("models", "--json"))["models"]}
    assert {"dccf", "lightgcn", "ease", "puresvd", "varimax", "nmf", "als", "popularity"} <= set(found)
    assert found["ease"]["control"]
    assert not found["dccf"]["control"]
