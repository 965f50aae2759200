"""Runs of diagnosers: however they were made, the tables, the board and the verbs see the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from distaff.board.board import board
from distaff.cli.app import app
from distaff.incidents.base import Diagnoser
from distaff.incidents.diagnose import diagnose
from distaff.incidents.tables import target_of
from distaff.runs import records, training
from distaff_data.datasets.incidents import Incidents
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.incidents import planted_incidents
from distaff_data.tables.incidents import load_incidents, publish_incidents
from distaff_data.warehouse import Warehouse
from distaff_data.workspace import Workspace


@pytest.fixture(scope="module")
def data() -> Incidents:
    return planted_incidents(n_cases=6, n_entities=4, n_normal=200, n_fault=100, invisible_share=0, seed=1)


@pytest.fixture(scope="module")
def settled(data: Incidents, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.create(tmp_path_factory.mktemp("settled") / "workspace")
    publish_incidents(workspace.warehouse, data, source="", settings={})
    return workspace


def test_a_diagnosis_is_a_run_on_the_board_and_its_causes_are_a_table(settled: Workspace, data: Incidents) -> None:
    report = diagnose(settled, data.name, model="coral", onset="detected")
    diagnose(settled, data.name, model="floor_z")
    rows = settled.warehouse.rows('SELECT * FROM causes WHERE run = ? ORDER BY "case", rank', [report.run.run])
    expected = [cause.column for d in sorted(report.diagnoses, key=lambda d: d.case) for cause in d.causes]
    assert [row["metric"] for row in rows] == expected
    found = board(settled, data.name)
    assert {row.model for row in found.rows} == {"coral", "floor_z"}
    assert found.metric == "avg@5"
    assert found.best_control == "floor_z"
    assert 0 < found.noise_floor["ac@1"] < 0.5
    assert set(report.as_dict()) >= {"dataset", "model", "onset", "metrics", "trigger", "cases"}


def test_the_verb_prints_the_shape_and_refuses_what_is_wrong(settled: Workspace, data: Incidents) -> None:
    run = CliRunner().invoke(
        app, ["--workspace", str(settled.root), "diagnose", data.name, "--model", "nsigma", "--json"]
    )
    printed = json.loads(run.stdout)
    assert {"ac@1", "ac@3", "ac@5", "avg@5", "map@3", "mrr"} <= set(printed["metrics"]["entity"])
    assert printed["cases"][0]["causes"][0]["rank"] == 1
    before = settled.warehouse.rows("SELECT * FROM runs ORDER BY run")
    for options in (["--model", "ease"], ["--onset", "guessed"], ["--model", "cora"], ["--set", "bach=3"]):
        wrong = CliRunner().invoke(app, ["--workspace", str(settled.root), "diagnose", data.name, *options])
        assert isinstance(wrong.exception, InputError)
    assert settled.warehouse.rows("SELECT * FROM runs ORDER BY run") == before


RESULTS = ("diagnoses", "causes", "cause_edges", "metrics", "unit_metrics")


def results(workspace: Workspace, run: str) -> list[list[dict[str, Any]]]:
    """Everything that a run published, but for its name."""
    columns = "* EXCLUDE (generation, run)"
    return [workspace.warehouse.rows(f"SELECT {columns} FROM {t} WHERE run = ? ORDER BY ALL", [run]) for t in RESULTS]


@pytest.mark.parametrize("model", ["coral", "nsigma"])
def test_a_trained_run_publishes_what_a_diagnosed_one_does(model: str, settled: Workspace, data: Incidents) -> None:
    trained = training.train(settled, model, data.name, seed=2)
    diagnosed = diagnose(settled, data.name, model=model, seed=2).run
    assert results(settled, trained.run) == results(settled, diagnosed.run)
    assert len(results(settled, trained.run)[0]) == len(data.cases)
    assert (trained.config, trained.settings) == (diagnosed.config, diagnosed.settings)


@pytest.mark.parametrize("options", [["--onset", "detected"], ["--set", "onset=detected"]])
def test_the_onset_is_a_setting_like_any_other(options: list[str], settled: Workspace, data: Incidents) -> None:
    command = ["--workspace", str(settled.root), "diagnose", data.name, "--model", "floor_z", *options, "--json"]
    assert json.loads(CliRunner().invoke(app, command).stdout)["onset"] == "detected"


def test_incidents_are_read_once_and_no_diagnosis_is_loaded(
    settled: Workspace, data: Incidents, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def load(warehouse: Warehouse, dataset: str) -> Incidents:
        read.append(dataset)
        return load_incidents(warehouse, dataset)

    monkeypatch.setattr("distaff.incidents.base.load_incidents", load)
    monkeypatch.setattr("distaff.model.saving.load", lambda folder: pytest.fail("nothing is loaded"))
    diagnose(settled, data.name, model="floor_z")
    assert read == [data.name]


def evaluate(workspace: Workspace, run: str) -> dict[str, float]:
    """The metrics that the verb prints."""
    printed = CliRunner().invoke(app, ["--workspace", str(workspace.root), "evaluate", run, "--test", "--json"])
    assert printed.exception is None
    metrics: dict[str, float] = json.loads(printed.stdout)["metrics"]["test"]
    return metrics


def as_of_0_1(folder: Path) -> None:
    """Turn a saved diagnoser into one of 0.1: parts of a graph, moments in a file, scores as tensors."""
    model = Diagnoser.load(folder)
    diagnoses = json.loads((folder / "diagnoses.json").read_text())
    for diagnosis in diagnoses:
        diagnosis["edges"] = [{("part" if k == "subgraph" else k): v for k, v in e.items()} for e in diagnosis["edges"]]
    (folder / "diagnoses.json").write_text(json.dumps(diagnoses))
    (folder / "normal.json").write_text(json.dumps({name: m.as_dict() for name, m in model.normal.items()}))
    scores = {d.case: torch.tensor([c.score for c in d.causes], dtype=torch.float64) for d in model.diagnoses}
    save_file(scores, folder / "model.safetensors")
    seal(folder, ("model.safetensors", "diagnoses.json", "normal.json"))


def seal(folder: Path, files: tuple[str, ...]) -> None:
    """Write the manifest as 0.1 did, which knew no digest of its own and no shapes, and leave these files and no other."""
    for file in folder.iterdir():
        if file.name not in (*files, "model.json"):
            file.unlink()
    manifest = json.loads((folder / "model.json").read_text())
    manifest = {key: value for key, value in manifest.items() if key not in ("format", "digest", "tensors")}
    manifest["sha256"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    (folder / "model.json").write_text(json.dumps(manifest))


def test_a_run_is_measured_from_its_tables(settled: Workspace, data: Incidents) -> None:
    run = training.train(settled, "coral", data.name).run
    before = results(settled, run)
    assert evaluate(settled, run) == records.metrics_of(settled, [run])[run]["test"]
    folder = records.model_folder(settled, run)
    (folder / "diagnoses.json").unlink()
    seal(folder, ("model.safetensors",))
    assert evaluate(settled, run)["ac@1"] == before_metric(before, "ac@1")
    assert results(settled, run) == before


def before_metric(published: list[list[dict[str, Any]]], name: str) -> float:
    return float(next(row["value"] for row in published[3] if row["metric"] == name))


def test_a_run_of_0_1_that_published_no_cause_is_measured_from_its_folder_and_published(
    settled: Workspace, data: Incidents
) -> None:
    run = training.train(settled, "coral", data.name).run
    before = results(settled, run)
    moments = Diagnoser.load(records.model_folder(settled, run)).normal
    as_of_0_1(records.model_folder(settled, run))
    settled.warehouse.drop(target_of(run))
    assert evaluate(settled, run)["ac@1"] == before_metric(before, "ac@1")
    assert results(settled, run) == before
    assert Diagnoser.load(records.model_folder(settled, run)).normal == moments != {}


def test_a_run_whose_incidents_were_replaced_says_so(data: Incidents, tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "workspace")
    publish_incidents(workspace.warehouse, data, source="", settings={})
    run = training.train(workspace, "nsigma", data.name).run
    publish_incidents(workspace.warehouse, replace(data, cases=data.cases[:3]), source="", settings={})
    failed = CliRunner().invoke(app, ["--workspace", str(workspace.root), "evaluate", run])
    assert isinstance(failed.exception, InputError)
    assert "has been replaced" in str(failed.exception)
    assert f"distaff diagnose {data.name} --model nsigma" in str(failed.exception)


def test_a_saved_diagnoser_says_where_its_incidents_are(settled: Workspace, data: Incidents) -> None:
    run = training.train(settled, "nsigma", data.name).run
    with pytest.raises(UnsupportedError, match="distaff evaluate"):
        Diagnoser.load(records.model_folder(settled, run)).measure()
