"""Runs of diagnosers: however they were made, the tables, the board and the verbs see the same."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from distaff.board.board import board
from distaff.cli.app import app
from distaff.incidents.diagnose import diagnose
from distaff_data.datasets.incidents import Incidents
from distaff_data.errors import InputError
from distaff_data.planted.incidents import planted_incidents
from distaff_data.tables.incidents import publish_incidents
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
