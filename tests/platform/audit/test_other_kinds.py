"""The referee on series and incidents: what is clean passes, and what was changed or chosen on the test is caught."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from distaff.audit.figures import figures_were_measured
from distaff.audit.history import Records
from distaff.runs import records, training
from distaff_data.datasets.series import Series
from distaff_data.splits.series import divide
from distaff_data.tables.series import publish_series
from distaff_data.workspace import Workspace

SPLIT = "rows:200,40,60"


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
