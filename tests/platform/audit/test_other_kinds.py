"""The referee on series and incidents: what is clean passes, and what was changed or chosen on the test is caught."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from deltalake import DeltaTable

from distaff.audit import selection
from distaff.audit.controls import tuned_controls
from distaff.audit.figures import figures_were_measured
from distaff.audit.history import Records
from distaff.audit.splits import split_findings
from distaff.runs import aliases, records, training
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Incidents
from distaff_data.datasets.series import Series
from distaff_data.planted.incidents import planted_incidents
from distaff_data.splits.series import divide
from distaff_data.tables.incidents import publish_incidents
from distaff_data.tables.series import publish_series
from distaff_data.workspace import Workspace

SPLIT = "rows:200,40,60"
INCIDENTS = planted_incidents(n_cases=5, n_entities=4, n_normal=200, n_fault=100, invisible_share=0, seed=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with forecasts at two horizons of a series with gaps."""
    workspace = Workspace.create(tmp_path_factory.mktemp("kinds") / "workspace")
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(300)[:, None] / 5) + 0.1 * rng.normal(size=(300, 2))
    values[rng.random((300, 2)) < 0.1] = np.nan
    data = divide(Series.from_rows(values, [300], name="gappy"), SPLIT)
    publish_series(workspace.warehouse, data, source="x", format="x", split=SPLIT, settings={})
    training.train(workspace, "raw_ridge", "gappy", settings={"seq_len": 16, "horizons": (4, 12)}, device="cpu")
    return workspace.root


@pytest.fixture
def gappy(made: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(made, tmp_path / "workspace")
    return Workspace.open(tmp_path / "workspace")


def test_figures_of_forecasts_are_what_was_measured_whatever_is_missing(gappy: Workspace) -> None:
    (run,) = records.listing(gappy)
    found = figures_were_measured(Records.of(gappy, "gappy", run))
    assert found.verdict == "pass", found.figure
    assert found.figure.endswith("and its model gives them on validation again")


def test_changed_figures_of_forecasts_are_found(gappy: Workspace) -> None:
    (run,) = records.listing(gappy)
    where = f"run = '{run.run}' AND split = 'valid' AND metric = 'mse'"
    DeltaTable(gappy.root / "warehouse" / "metrics").update(predicate=where, updates={"value": "0.001"})
    changed = figures_were_measured(Records.of(gappy, "gappy", None))
    assert (changed.verdict, "mse of" in changed.figure) == ("fail", True)
    DeltaTable(gappy.root / "warehouse" / "unit_metrics").update(predicate=where, updates={"value": "0.001"})
    again = figures_were_measured(Records.of(gappy, "gappy", run))
    assert again.verdict == "fail"
    assert "mse on validation is recorded as 0.0010, its model gives 0." in again.figure
    gappy.warehouse.erase("unit_metrics", "run = ?", [run.run])
    assert "no values of units" in figures_were_measured(Records.of(gappy, "gappy", None)).figure


def test_a_control_under_other_conditions_than_the_model_is_found(gappy: Workspace) -> None:
    """The referee catches a control that was given less than the model, and passes one given the same."""
    for seq_len, verdict in ((16, "pass"), (2, "fail")):
        settings = {"seq_len": seq_len, "horizons": (4, 12)}
        for run in records.listing(gappy):
            records.record(gappy, replace(run, status="failed"))
        training.train(gappy, "forecast_blend", "gappy", settings={"seq_len": 16, "horizons": (4, 12)}, device="cpu")
        training.train(gappy, "raw_ridge", "gappy", settings=settings, device="cpu")
        found = tuned_controls(Records.of(gappy, "gappy", None))
        assert found.verdict == verdict, found.figure
    assert found.figure == "raw_ridge has seq_len=2, forecast_blend 16"


# ----------------------------------------------------------------------------------------------------------- windows


def cut(series: Floats, length: int, step: int) -> Floats:
    """Return windows ``(n, length, 1)`` of a series, one every ``step`` rows."""
    return np.stack([series[start : start + length] for start in range(0, len(series) - length + 1, step)])


def of_windows(workspace: Workspace, values: Floats, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Return the verdict and figure about windows that are divided at random."""
    data = Series.from_windows(values, y=["a", "b"] * (len(values) // 2), name="w")
    codes = torch.from_numpy(np.random.default_rng(0).choice(3, len(values), p=[0.6, 0.1, 0.3])).to(torch.int8)
    divided = data.with_splits(codes.repeat_interleave(values.shape[1]))
    monkeypatch.setattr("distaff.audit.splits.load_series", lambda *_: divided)
    found = split_findings(workspace, "w", "series")[0]
    return found.verdict, found.figure


def test_windows_that_were_cut_with_overlap_and_divided_at_random_are_found(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = np.cumsum(np.random.default_rng(1).normal(size=(64 * 33, 1)), axis=0)
    verdict, figure = of_windows(workspace, cut(series, 64, 32)[:64], monkeypatch)
    assert verdict == "fail"
    assert "test windows have a stretch of a window in training" in figure
    assert of_windows(workspace, cut(series, 64, 64)[:32], monkeypatch)[0] == "pass"


def test_windows_that_are_still_or_of_few_levels_do_not_overlap(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    still = np.repeat(rng.normal(size=(40, 1, 1)), 64, axis=1) + (np.arange(64) == 63)[:, None] * rng.normal(
        size=(40, 1, 1)
    )
    assert of_windows(workspace, np.where(np.arange(64)[:, None] < 40, 0.0, still), monkeypatch)[0] == "pass"
    assert of_windows(workspace, rng.integers(0, 3, size=(40, 64, 1)).astype(float), monkeypatch)[0] == "pass"


# ---------------------------------------------------------------------------------------------------------- incidents


def published(folder: Path, data: Incidents) -> Workspace:
    workspace = Workspace.create(folder / "workspace")
    publish_incidents(workspace.warehouse, data, source="x", settings={})
    return workspace


def test_incidents_that_are_there_twice_are_found(tmp_path: Path) -> None:
    first = INCIDENTS.cases[0]
    again = replace(first, name="again", times=first.times + 1e6, onset=None)
    for name, cases, verdict in (("once", INCIDENTS.cases, "pass"), ("twice", (*INCIDENTS.cases, again), "fail")):
        folder = tmp_path / name
        folder.mkdir()
        data = replace(INCIDENTS, cases=cases)
        (found,) = split_findings(published(folder, data), data.name, "incidents")
        assert found.verdict == verdict, found.figure
    assert found.figure == "1 of 6 incidents have the rows of another"


def test_a_configuration_that_the_cases_chose_and_figures_that_they_did_not_give_are_found(tmp_path: Path) -> None:
    workspace = published(tmp_path, INCIDENTS)
    first, second = (
        training.train(workspace, "nsigma", INCIDENTS.name, settings=settings, device="cpu")
        for settings in ({}, {"onset": "detected"})
    )

    def history(run: records.Run | None = None) -> Records:
        return Records.of(workspace, INCIDENTS.name, run)

    assert selection.chosen_on_validation(history(first)).verdict == "unknown"
    aliases.promote(workspace, second.run, "champion")
    for run in (second, None):
        found = selection.chosen_on_validation(history(run))
        assert found.verdict == "fail"
        assert "nsigma was tried first: with nothing measured on validation, the test has chosen it" in found.figure
    clean = figures_were_measured(history(first))
    assert clean.verdict == "pass", clean.figure
    assert clean.figure.endswith("and its causes give them again")
    where = f"run = '{first.run}' AND metric = 'ac@1'"
    for table in ("metrics", "unit_metrics"):
        DeltaTable(workspace.root / "warehouse" / table).update(predicate=where, updates={"value": "0.123"})
    changed = figures_were_measured(history(first))
    assert changed.verdict == "fail"
    assert "ac@1 on the test is recorded as 0.1230, its causes give" in changed.figure
