"""Runs copied to MLflow: what is there afterwards, once however often it is asked for, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.runs import logs, records, tracking
from distaff.runs.training import train
from distaff_data.errors import DistaffError, InputError
from distaff_data.ingest import ingest_interactions
from distaff_data.workspace import Workspace

installed = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="needs MLflow: pip install 'distaff[mlflow]'"
)


@pytest.fixture
def run(workspace: Workspace, tmp_path: Path) -> str:
    """A finished run of a model that learns by epochs."""
    rows = "".join(f"u{u},i{i}\n" for u in range(12) for i in range(8) if (u + i) % 3)
    (tmp_path / "orders.csv").write_text("user,item\n" + rows)
    ingest_interactions(workspace, "shop", tmp_path / "orders.csv", split="random:0.6,0.2,0.2")
    return train(workspace, "lightgcn", "shop", settings={"max_epochs": "3"}, device="cpu").run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder as MLflow's store, which its makers want to be asked for."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "mlflow").as_uri()


def client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


@installed
def test_what_a_run_scored_on_the_test_is_copied_only_when_asked(workspace: Workspace, run: str, store: str) -> None:
    copy = tracking.export_run(workspace, run, store)
    assert not [name for name in client(store).get_run(copy).data.metrics if name.startswith("test/")]
    assert tracking.export_run(workspace, run, store, test=True) == copy
    metrics = client(store).get_run(copy).data.metrics
    for name, value in records.metrics_of(workspace, [run])[run]["test"].items():
        assert metrics[f"test/{name.replace('@', '_at_')}"] == value


@installed
def test_a_run_is_there_with_settings_metrics_losses_and_its_model(workspace: Workspace, run: str, store: str) -> None:
    copy = client(store).get_run(tracking.export_run(workspace, run, store))
    assert copy.info.status == "FINISHED"
    assert copy.info.run_name == copy.data.tags["distaff.run"] == run
    settings = {"model": "lightgcn", "dataset": "shop", "seed": "0", "max_epochs": "3"}
    assert copy.data.params == settings
    for name, value in records.metrics_of(workspace, [run])[run]["valid"].items():
        assert copy.data.metrics[f"valid/{name.replace('@', '_at_')}"] == value
    log = list(logs.epochs(records.run_folder(workspace, run) / "log.jsonl"))
    assert log
    losses = client(store).get_metric_history(copy.info.run_id, "epoch/total")
    assert [(each.step, each.value) for each in losses] == [(each["epoch"], each["total"]) for each in log]
    folder = records.model_folder(workspace, run)
    there = Path(client(store).download_artifacts(copy.info.run_id, "model"))
    assert {f.name: f.read_bytes() for f in there.iterdir()} == {f.name: f.read_bytes() for f in folder.iterdir()}


@installed
def test_what_was_copied_stays_and_what_was_half_copied_is_copied_anew(
    workspace: Workspace, run: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.tracking.MlflowClient.log_artifacts", lambda *_: 1 / 0)
        with pytest.raises(DistaffError, match="MLflow does not take the run"):
            tracking.export_run(workspace, run, store)
    copy = tracking.export_run(workspace, run, store)
    assert tracking.export_run(workspace, run, store) == copy
    experiment = client(store).get_experiment_by_name("distaff/shop")
    assert [found.info.run_id for found in client(store).search_runs([experiment.experiment_id])] == [copy]


@installed
def test_commands_copy_on_request_and_import_nothing_otherwise(workspace: Workspace, run: str, store: str) -> None:
    def called(*arguments: str) -> str:
        ended = CliRunner().invoke(app, ["--workspace", str(workspace.root), *arguments])
        assert ended.exit_code == 0, ended.output
        return ended.output

    copy = json.loads(called("export", run, "--mlflow", store, "--json"))
    assert client(store).get_run(copy["mlflow_run"]).data.tags["distaff.run"] == run
    assert "in MLflow" in called("train", "popularity", "shop", "--mlflow", store)
    program = (
        "import sys; from distaff.cli.app import app\n"
        f"app(['--workspace', {str(workspace.root)!r}, 'runs'], standalone_mode=False)\n"
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("mlruns", "the address of MLflow"),
        ("ftp://127.0.0.1/x", "the address of MLflow"),
        ("https://ann:hunter2hunter2@mlflow.example.org", "credentials come from the environment"),
        ("postgresql://db.example.org/mlflow?password=hunter2hunter2", "credentials come from the environment"),
        ("http://[hunter2", "this is no address"),
        ("http://192.0.2.1:5000", "use https://"),
    ],
)
def test_addresses_that_are_none_or_not_safe_are_refused(
    workspace: Workspace, run: str, uri: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        tracking.export_run(workspace, run, uri)
    assert "hunter2" not in str(refused.value)


@installed
def test_a_server_that_is_not_there_is_one_line(
    workspace: Workspace, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(DistaffError, match="MLflow does not take the run") as refused:
        tracking.export_run(workspace, run, "http://127.0.0.1:1")
    assert "\n" not in str(refused.value)


def test_without_the_extra_it_says_how_to_install_it(
    workspace: Workspace, run: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "mlflow" else find(name, *rest)
    )
    with pytest.raises(InputError, match=r"distaff\[mlflow\]"):
        tracking.export_run(workspace, run, store)
