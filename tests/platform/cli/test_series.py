"""The command line of series from file to forecast, and from file to classes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from distaff.cli import main
from distaff.runs import training
from distaff_data.ingest import ingest_series
from distaff_data.workspace import Workspace

Call = Callable[..., Any]


@pytest.fixture
def call(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Runs ``distaff`` with ``--json`` in a workspace of its own; gives the document, or status and error."""

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["distaff", "--workspace", str(workspace.root), *arguments, "--json"])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return json.loads(printed.out) if status == 0 else (status, printed.err)

    return run


@pytest.fixture(scope="module")
def with_waves(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a dataset without labels and a run on it, to be copied."""
    folder = tmp_path_factory.mktemp("waves")
    shutil.copytree(empty, folder / "workspace")
    workspace = Workspace.open(folder / "workspace")
    lines = [f"{i},{np.sin(i / 3):.4f},{np.cos(i / 3):.4f}" for i in range(200)]
    (folder / "waves.csv").write_text("time,a,b\n" + "\n".join(lines) + "\n")
    ingest_series(workspace, "waves", folder / "waves.csv", split="ratio:0.6,0.2,0.2")
    training.train(workspace, "raw_ridge", "waves", settings={"seq_len": 16, "horizons": (4,)}, device="cpu")
    return workspace.root


@pytest.fixture
def waves(call: Call, with_waves: Path, tmp_path: Path) -> Call:
    """The same over that dataset and its run."""
    shutil.rmtree(tmp_path / "workspace")
    shutil.copytree(with_waves, tmp_path / "workspace")
    return call


TINY = [f"--set={pair}" for pair in ("patch_len=4", "stride=4", "d_model=8", "n_layers=1", "max_epochs=2", "lr=0.003")]


def test_from_a_table_to_forecasts_beside_controls(call: Call, tmp_path: Path) -> None:
    t = np.arange(240)
    lines = [f"2026-01-{1 + i // 24:02d} {i % 24:02d}:00,{np.sin(i / 4):.4f},{np.cos(i / 4):.4f}" for i in t]
    (tmp_path / "load.csv").write_text("date,a,b\n" + "\n".join(lines) + "\n")
    report = call("ingest", "series", "load", str(tmp_path / "load.csv"), "--split", "ratio:0.6,0.2,0.2")
    assert (report["rows"], report["channels"], report["gap_rows"]) == (240, 2, 0)
    settings = ["--set=seq_len=24", "--set=horizons=2,6"]
    runs = {}
    for model in ("timedrl", "random_encoder", "raw_ridge", "seasonal_naive", "pca"):
        extra = TINY if model in ("timedrl", "random_encoder") else []
        runs[model] = call("train", model, "load", *settings, *extra, "--test")["runs"][0]
        assert {"mse", "mse@2", "mae@6"} <= runs[model]["metrics"]["test"].keys()
    board = call("board", "load")
    assert board["metric"] == "mse"
    scores = [row["validation"]["mse"]["mean"] for row in board["rows"]]
    assert scores == sorted(scores)
    assert {row["model"]: row["control"] for row in board["rows"]}["timedrl"] is False
    run = runs["timedrl"]["run"]
    out = tmp_path / "f.parquet"
    assert call("forecast", run, "--horizon", "4", "--out", str(out))["rows"] == 8
    assert pq.read_table(out).column_names == ["entity", "channel", "step", "time", "value", "low", "high"]
    rows = call("sql", "SELECT run, min(time) AS first FROM forecasts GROUP BY run")["rows"]
    assert rows[0]["run"] == run
    assert call("embed", run, "--level", "timestamp", "--out", str(tmp_path / "e.parquet"))["rows"] == 10 * 2 * 7
    assert call("embed", run)["rows"] == 10 * 2
    assert call("sql", "SELECT level, count(*) AS n FROM embeddings GROUP BY ALL ORDER BY ALL")["rows"] == [
        {"level": "instance", "n": 20},
        {"level": "timestamp", "n": 140},
    ]
    found = call("anomalies", run, "--out", str(tmp_path / "a.csv"))
    assert (found["table"], found["rows"]) == ("anomalies", 240)
    assert call("anomalies", run, "--by", "forecast")["rows"] == 240 - 24
    assert call("sql", "SELECT count(*) AS n FROM anomalies WHERE p_value BETWEEN 0 AND 1")["rows"] == [{"n": 216}]
    status, message = call("anomalies", runs["seasonal_naive"]["run"], "--by", "reconstruction")
    assert status == 2
    assert "does not reconstruct" in message
    assert call("embed", run, "--length", "12", "--out", str(tmp_path / "short.parquet"))["rows"] == 20 * 2
    evaluated = call("evaluate", run, "--test")["metrics"]
    assert evaluated["test"] == pytest.approx(runs["timedrl"]["metrics"]["test"])
    status, message = call("classify", run)
    assert status == 2
    assert "no labels" in message


def test_from_a_sample_to_classes(call: Call, tmp_path: Path) -> None:
    call("sample", "planted-series", "--set", "n_windows=120", "--set", "n_steps=32")
    run = call("train", "timedrl", "planted-series", *TINY)["runs"][0]
    assert {"accuracy", "macro_f1", "kappa"} <= run["metrics"]["valid"].keys()
    assert call("classify", run["run"], "--out", str(tmp_path / "c.csv"))["rows"] == 120
    assert call("board", "planted-series")["metric"] == "accuracy"
    history = call("sql", "SELECT DISTINCT name FROM history ORDER BY name")["rows"]
    assert {row["name"] for row in history} >= {"predictive", "contrastive", "pretext", "spread"}


def test_a_newcomers_recordings_are_understood_and_their_channels_named(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    kinds = ["idle", "drilling"]
    lines = [
        f"m{m},{kinds[m % 2]},{t},{(1 + 4 * (m % 2)) * np.sin(t) + 0.1 * rng.normal():.3f},{rng.normal():.3f}"
        for m in range(40)
        for t in range(16)
    ]
    (tmp_path / "machines.csv").write_text("machine,state,second,vibration,current\n" + "\n".join(lines) + "\n")
    arguments = ["ingest", "series", "machines", str(tmp_path / "machines.csv"), "--label", "state", "--windows"]
    monkeypatch.setattr(sys, "argv", ["distaff", "--workspace", str(tmp_path / "workspace"), *arguments])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "channels: vibration, current\n" in capsys.readouterr().out
    run = call("train", "raw_ridge", "machines", "--test")["runs"][0]
    assert run["metrics"]["test"]["accuracy"] > 0.8
    assert call("classify", run["run"])["rows"] == 40
    status, message = call("forecast", run["run"])
    assert status == 2
    assert message.count("\n") == 1
    assert "nothing after it to forecast" in message


@pytest.mark.usefixtures("here")
def test_an_unlabelled_dataset_is_swept_by_its_forecasts_on_validation(waves: Call) -> None:
    settings = ["--set=seq_len=16", "--set=horizons=4", "--set=max_epochs=1", "--set=window_step=4"]
    swept = waves("tune", "timedrl", "waves", "--trials", "3", *settings)
    assert not isinstance(swept, tuple), swept
    trials = [trial for trial in swept["trials"] if trial["state"] == "complete"]
    assert len(trials) == 3
    lowest = min(trials, key=lambda trial: trial["metrics"]["mse"])
    assert swept["best"]["trial"] == lowest["trial"]
    board = waves("board", "waves")
    assert board["metric"] == "mse"
    assert {row["model"] for row in board["rows"]} >= {"timedrl", "raw_ridge"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["forecast", "RUN", "--horizon", "0"], "horizon"),
        (["forecast", "RUN", "--horizon", "5000"], "5000 complete ones"),
        (["forecast", "RUN", "--coverage", "1.5"], "coverage lies between 0 and 1"),
        (["forecast", "RUN", "--out", "f.xlsx"], ".csv, .parquet or .arrow"),
        (["forecast", "nobody"], "nobody"),
        (["embed", "RUN", "--level", "window"], "instance or timestamp"),
        (["embed", "RUN", "--step", "0"], "step"),
        (["embed", "RUN", "--out", "no/folder/e.csv"], "folder"),
        (["classify", "RUN"], "--label COLUMN"),
        (["train", "timedrl", "waves", "--set", "seq_len=4000"], "no training window of 4000 rows"),
        (["train", "timedrl", "waves", "--set", "horizons=0"], "horizons"),
        (["train", "timedrl", "nothing"], "nothing"),
        (["train", "seasonal_naive", "waves", "--set", "season=99"], "season of 99 rows"),
        (["train", "dccf", "waves"], "series"),
    ],
)
def test_what_cannot_be_done_is_refused_with_one_clear_line_and_nothing_is_published(
    waves: Call, arguments: list[str], said: str
) -> None:
    run = waves("runs")["runs"][0]["run"]
    before = waves("sql", "SELECT count(*) AS n FROM publications")["rows"]
    status, message = waves(*[run if part == "RUN" else part for part in arguments])
    assert status == 2
    lines = [line for line in message.splitlines() if line.strip()]
    assert said in message
    assert len(lines) == 1, message
    assert waves("sql", "SELECT count(*) AS n FROM publications")["rows"] == before


def test_a_file_that_cannot_be_written_publishes_nothing(call: Call, tmp_path: Path) -> None:
    call("sample", "planted-series", "--set", "n_windows=40", "--set", "n_steps=8")
    run = call("train", "pca", "planted-series")["runs"][0]["run"]
    status, message = call("classify", run, "--out", str(tmp_path / "c.xlsx"))
    assert status == 2
    assert ".csv, .parquet or .arrow" in message
    assert call("sql", "SELECT * FROM classifications")["rows"] == []


@pytest.mark.usefixtures("here")
def test_a_sweep_selects_by_validation_alone(call: Call, tmp_path: Path) -> None:
    call("sample", "planted-series", "--set", "n_windows=60", "--set", "n_steps=16")
    call("train", "pca", "planted-series")
    status = call("tune", "pca", "planted-series", "--trials", "2")
    assert not isinstance(status, tuple), status


@pytest.fixture
def subjects(call: Call, tmp_path: Path) -> Call:
    """Slow and fast waves of three subjects, each at a level of its own; one has no training windows."""
    rng, t, lines = np.random.default_rng(0), np.arange(16), []
    for w in range(90):
        fast, subject = w % 2, "abc"[w % 3]
        values = np.sin(2 * np.pi * t / (4 if fast else 8) + rng.uniform(0, 6)) + 0.1 * rng.normal(size=16)
        lines += [
            f"w{w},{subject},{'fast' if fast else 'slow'},{i},{v + 2 * (w % 3):.4f}" for i, v in enumerate(values)
        ]
    (tmp_path / "subjects.csv").write_text("window,subject,pace,second,value\n" + "\n".join(lines) + "\n")
    columns = ["--entity=window", "--group=subject", "--label=pace", "--time=second", "--windows"]
    for name, split in (("subjects", "random:0.6,0,0.4"), ("apart", "groups:test=c")):
        call("ingest", "series", name, str(tmp_path / "subjects.csv"), *columns, "--split", split)
    return call


SHORT = ("--set=epochs=6", "--set=dropout=0", "--set=class_dim=4", "--set=domain_dim=2", "--device=cpu")


def test_classes_of_a_group_without_labels_are_told_beside_the_controls(subjects: Call, tmp_path: Path) -> None:
    told = subjects(
        "adapt", "subjects", "--source=a", "--source=b", "--target=c", *SHORT, f"--out={tmp_path / 't.csv'}"
    )
    assert told["judged"] == "test"
    assert [row["method"] for row in told["rows"]] == ["dts", "dann_information", "dann", "none"]
    assert [row["control"] for row in told["rows"]] == [False, True, True, True]
    assert all(row["metrics"]["accuracy"] > 0.8 for row in told["rows"])
    table = pa_csv.read_csv(tmp_path / "t.csv")
    assert table.column_names == ["method", "entity", "split", "label", "predicted", "probability"]
    assert table.num_rows == 4 * 30
    own = table.filter((pc.field("method") == "dts") & (pc.field("split") == "test"))
    right = pc.mean(pc.equal(own["label"], own["predicted"]).cast("float64")).as_py()
    assert right == pytest.approx(told["rows"][0]["metrics"]["accuracy"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("subjects", "--source=a", "--target=z"), "'z'"),
        (("subjects", "--source=a", "--target=a"), "not learned from"),
        (("subjects", "--source=a", "--target=b", "--model=raw_ridge"), "no adaptation"),
        (("subjects", "--source=a", "--target=b", "--set=method=dann"), "every method"),
        (("subjects", "--source=a", "--target=b", "--set=epoch=1"), "epoch"),
        (("apart", "--source=a", "--target=c"), "within groups"),
    ],
)
def test_adaptations_that_cannot_be_are_refused(subjects: Call, arguments: tuple[str, ...], message: str) -> None:
    status, said = subjects("adapt", *arguments)
    assert status == 2
    assert message in said
