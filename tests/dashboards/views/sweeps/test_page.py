"""The page *Sweeps*, over tables written as a sweep writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from dashboard_pages import APP, plain, turn_to
from streamlit.testing.v1 import AppTest

from distaff_dashboards.reads.source import Source
from distaff_dashboards.views.sweeps import charts, reads
from distaff_data.workspace import Workspace

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SPACE = {
    "lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "n_layers": [1, 2],
    "dropout": {"low": 0, "high": 1, "log": False},
}


def row(trial: int, state: str, value: float | None = None, other: float | None = None, **more: Any) -> dict[str, Any]:
    metrics = {} if value is None else {"recall@20": value, "independence": other}
    settings = {"lr": 10 ** -(2 + trial % 3), "n_layers": 1 + trial % 2, "dropout": 0.1 * trial}
    return {
        "trial": trial, "state": state, "settings": json.dumps(settings), "metrics": json.dumps(metrics),
        "started_at": NOW, "seconds": 1.5, **more,
    }  # fmt: skip


TRIALS = [
    row(0, "complete", 0.2, 0.9),
    row(1, "lost"),
    row(2, "complete", 0.3, 0.5, retry_of=1),
    row(3, "pruned"),
    row(4, "failed", message="=not finite <b>"),
    row(5, "complete", 0.25, 0.4),
]


def write(workspace: Workspace, study: str, metrics: list[str], status: str, trials: list[dict[str, Any]]) -> None:
    entry = {
        "study": study, "model": "lightgcn", "dataset": "shop", "metrics": metrics,
        "lower_is_better": [False] * len(metrics),
        "space": json.dumps(SPACE), "settings": "{}", "sampler": "TPE", "pruner": "none", "seed": 0, "trials": 8,
        "status": status, "runs": ["a", "b"],
    }  # fmt: skip
    workspace.warehouse.append("studies", [entry], written_at=NOW)
    if trials:
        workspace.warehouse.append("trials", trials, study=study, written_at=NOW)


@pytest.fixture
def page(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(workspace.root))
    return turn_to(AppTest.from_file(str(APP), default_timeout=600).run(), "sweeps")


def test_without_a_sweep_the_page_says_how_to_start_one(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "distaff tune" in plain(page)


@pytest.mark.parametrize("status", ["running", "done"])
def test_sweep_shows_its_trials_and_its_best(page: AppTest, workspace: Workspace, status: str) -> None:
    write(workspace, "one", ["recall@20", "independence"], status, TRIALS)
    page.run()
    assert not page.exception
    text = plain(page)
    assert "5 of 8 trials ended" in text
    assert "1 pruned" in text
    assert "Trial 2** leads with recall@20 0.3000" in text
    assert "best of 3 configurations tried" in text
    assert "Pareto front" in text
    table = page.dataframe[0].value
    assert table["front"].tolist() == [True, False, True, False, False, False]
    assert table["n_layers"].tolist() == [1, 2, 1, 2, 1, 2]


def test_sweep_without_a_completed_trial_says_so(page: AppTest, workspace: Workspace) -> None:
    write(workspace, "none", ["recall@20"], "running", [])
    page.run()
    assert not page.exception
    assert "No trial has been completed yet" in plain(page)


def test_rows_that_nothing_beats() -> None:
    values = np.array([[1.0, 3.0], [2.0, 2.0], [1.0, 2.0], [np.nan, 9.0], [2.0, 2.0]])
    assert reads.unbeaten(values, (False, False)).tolist() == [True, True, False, False, True]
    assert reads.unbeaten(values, (True, True)).tolist() == [False, False, True, False, False]


def test_best_so_far_goes_the_right_way() -> None:
    values = pl.Series([2.0, 3.0, 1.0])
    assert reads.best_so_far(values, False).to_list() == [2, 3, 3]
    assert reads.best_so_far(values, True).to_list() == [2, 2, 1]


def test_axes_of_configurations_keep_choices_in_order_and_spans_on_their_scale(workspace: Workspace) -> None:
    write(workspace, "one", ["recall@20", "independence"], "done", TRIALS)
    study = reads.study(Source(str(workspace.root), "x"), "one")
    rate, layers, dropout, reached = charts.configurations(study, "recall@20").data[0].dimensions
    assert list(reached["values"]) == [0.2, 0.25, 0.3]  # the best is drawn last
    assert list(rate["values"]) == pytest.approx([-2, -4, -4])
    assert rate["range"] == pytest.approx((-4, -2))
    assert list(layers["ticktext"]) == ["1", "2"]
    assert list(layers["values"]) == [0, 1, 0]
    assert list(dropout["range"]) == [0, 1]
