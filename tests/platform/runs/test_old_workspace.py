"""A workspace made by version 0.1 opens: its models load, its board reads the same, its fits go on.

``workspace-0.1.tar.xz`` was made by the last commit of 0.1 from planted data, with what its verbs printed beside it.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor
from typer.testing import CliRunner

from distaff.board.board import board
from distaff.cli.app import app
from distaff.model import saving
from distaff.ranking.metrics import evaluate
from distaff.recommenders.base import Recommender
from distaff.runs import records, training
from distaff_data.workspace import Workspace

ARCHIVE = Path(__file__).parents[2] / "support" / "workspace-0.1.tar.xz"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def workspace(old: Path) -> Workspace:
    return Workspace.open(old / "workspace")


def expected(old: Path, name: str) -> Any:
    return json.loads((old / "expected" / f"{name}.json").read_text())


def call(workspace: Workspace, *arguments: str) -> Any:
    result = CliRunner().invoke(app, ["--workspace", str(workspace.root), *arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def same(new: Any, old: Any) -> None:
    """Everything that 0.1 said is said still; keys may have been added."""
    if isinstance(old, dict):
        assert old.keys() <= new.keys()
        for key in old:
            same(new[key], old[key])
    elif isinstance(old, list):
        assert len(new) == len(old)
        for one, other in zip(new, old, strict=True):
            same(one, other)
    elif isinstance(old, float):
        assert new == pytest.approx(old, rel=1e-4, abs=1e-6)
    else:
        assert new == old


@pytest.mark.parametrize("dataset", ["shop", "windows", "power", "outages"])
def test_the_board_shows_what_was_measured_before(workspace: Workspace, old: Path, dataset: str) -> None:
    """0.1 chose on the test and took users for the only error: order, control and p-values are others, figures are not."""
    new, before = call(workspace, "board", dataset, "--json"), expected(old, f"board-{dataset}")
    # Of incidents, tied causes share ranks since 0.2, and chance is exact.
    for key in ("dataset", "split", "metric", *(["noise_floor"] if dataset != "outages" else [])):
        same(new[key], before[key])
    assert before.keys() <= new.keys()
    rows = {tuple(sorted(row["runs"])): row for row in new["rows"]}
    assert len(rows) == len(before["rows"])
    for row in before["rows"]:
        now = rows[tuple(sorted(row["runs"]))]
        same({key: now[key] for key in row if key not in ("metrics", "comparison")},
             {key: row[key] for key in row if key not in ("metrics", "comparison")})  # fmt: skip
        assert now.keys() >= row.keys()
        same(now["metrics"], row["metrics"] if now["chosen"] else {})
    assert {row["model"] for row in new["rows"] if row["chosen"]} == {row["model"] for row in before["rows"]}


def test_every_finished_model_loads_and_measures_what_its_run_says(workspace: Workspace) -> None:
    finished = [run for run in records.listing(workspace) if run.status == "done"]
    assert len(finished) > 20
    assert {(run.fitted_on, run.refit_of, run.epochs) for run in finished} == {(records.TRAIN, None, None)}
    for run in finished:
        if run.study is None and run.dataset != "outages":
            model = saving.load(records.model_folder(workspace, run.run))
            stored = records.metrics_of(workspace, [run.run])[run.run]
            for measurement in model.measure():
                before = stored[measurement.split]
                assert before.keys() <= measurement.metrics.keys()  # some were added
                worst = best = measurement.metrics
                if run.model == "popularity":  # of equal items the first comes first since 0.2; counts are often equal
                    worst, best = bounds_over_ties(model, measurement.split)
                for name in worst.keys() & before.keys():
                    room = 1e-4 + 1e-3 * abs(before[name])
                    assert worst[name] - room <= before[name] <= best[name] + room, (run.run, name)


def bounds_over_ties(model: Recommender, split: str) -> tuple[dict[str, float], dict[str, float]]:
    """Return the least and the largest that each mean over users can be, whichever of equal items comes first."""
    held_out = model.data.split(split)

    def ranked(nudge: float) -> Callable[[Tensor], Tensor]:
        return lambda users: model.predict(users) + nudge * held_out.take(users).dense()

    worst, best = (evaluate(ranked(nudge), model.data, split) for nudge in (-0.5, 0.5))  # counts differ by 1 or more
    names = worst.per_user.keys()
    return {name: worst.metrics[name] for name in names}, {name: best.metrics[name] for name in names}


def test_runs_of_every_kind_can_be_evaluated(workspace: Workspace) -> None:
    for run in records.listing(workspace):
        if run.status == "done":
            evaluated = call(workspace, "evaluate", run.run, "--test", "--json")
            stored = records.metrics_of(workspace, [run.run])[run.run]
            metrics = evaluated["runs"][0]["metrics"] if "runs" in evaluated else evaluated["metrics"]
            for split, values in stored.items():
                assert values.keys() <= metrics[split].keys()
                for name, value in values.items():
                    if run.dataset != "outages":  # tied causes share ranks since 0.2
                        assert metrics[split][name] == pytest.approx(value, rel=1e-3, abs=1e-4), (run.run, name)


def test_factors_and_lists_are_those_of_before(workspace: Workspace, old: Path) -> None:
    before = expected(old, "factors")
    after = call(workspace, "factors", before["run"], "--json")
    assert [f["name"] for f in after["factors"]] == [f["name"] for f in before["factors"]]
    assert [f["activity"] for f in after["factors"]] == pytest.approx(
        [f["activity"] for f in before["factors"]], rel=1e-4
    )
    call(workspace, "score", "champion", "--top-k", "5", "--json")
    rows = workspace.warehouse.rows("SELECT user_id, rank, item_id FROM recommendations ORDER BY ALL")
    lists = expected(old, "recommendations")
    lists = lists["rows"] if isinstance(lists, dict) else lists
    assert [tuple(row.values()) for row in rows] == [tuple(row.values()) for row in lists]


def test_an_interrupted_fit_goes_on(workspace: Workspace) -> None:
    run = next(run for run in records.listing(workspace) if run.status == "interrupted")
    assert training.resume(workspace, run.run).status == "done"
    twins = {row.model for row in board(workspace, "shop").rows}
    assert "lightgcn" in twins
