"""*Compare*: two runs beside each other, by what the warehouse has of both."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from dashboard_pages import address_of, opened, said

from distaff.recommenders.score import score_run
from distaff.runs import records
from distaff_data.workspace import Workspace

PAGE, DATASET = "compare", "shop"


@pytest.fixture(scope="module")
def scored(filled: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The filled workspace with lists of the control too."""
    root = tmp_path_factory.mktemp("compare") / "workspace"
    shutil.copytree(filled.root, root)
    workspace = Workspace.open(root)
    score_run(workspace, _run(workspace, "nmf"), top_k=10)
    return workspace


def _run(workspace: Workspace, model: str) -> str:
    return next(run.run for run in records.listing(workspace) if run.model == model)


def test_the_page_shows_where_two_runs_differ(monkeypatch: pytest.MonkeyPatch, scored: Workspace) -> None:
    run, other = _run(scored, "dccf"), _run(scored, "nmf")
    app = opened(monkeypatch, scored.root, PAGE, run=run, beside=other)
    assert address_of(app).items() >= {"dataset": DATASET, "run": run, "beside": other}.items()
    figures, settings, factors, lists = (app.dataframe[place].value for place in range(4))
    measured = records.metrics_of(scored, [run, other])
    assert figures["metric"].tolist()[:3] == ["recall@20", "ndcg@20", "coverage@20"]
    for row in figures.itertuples():
        both = [measured[name]["valid"][row.metric] for name in (run, other)]
        assert [row.this, row.other] == pytest.approx(both)
        assert row.difference == pytest.approx(both[0] - both[1])
    models = settings[settings["setting"] == "model"].iloc[0]
    assert (models["this"], models["other"]) == ("dccf", "nmf")
    assert (settings["this"] != settings["other"]).all()
    _check_matches(scored, run, other, factors["factor"].tolist(), factors["match"].tolist())
    user = app.selectbox(key="user").value
    sql = "SELECT item_id FROM recommendations WHERE run = ? AND user_id = ? ORDER BY rank LIMIT 10"
    ids = [[row["item_id"] for row in scored.warehouse.rows(sql, [name, user])] for name in (run, other)]
    assert [title.rpartition(" ")[2] for title in lists["this"] if title.startswith("Item")] == [
        item[1:] for item in ids[0] if item != "i0"
    ]
    assert f"people share {_shared(scored, run, other):.0%}" in said(app).replace("\\", "")


def _check_matches(workspace: Workspace, run: str, other: str, factors: list[int], shown: list[float]) -> None:
    sql = "SELECT shares FROM loadings WHERE run = ? AND entity = 'item' ORDER BY id"
    ours, theirs = (np.array([row["shares"] for row in workspace.warehouse.rows(sql, [name])]) for name in (run, other))
    correlation = np.corrcoef(ours.T, theirs.T)[: ours.shape[1], ours.shape[1] :]
    for factor, match in zip(factors, shown, strict=True):
        assert np.isclose(correlation[factor], match, atol=1e-5).any()


def _shared(workspace: Workspace, run: str, other: str) -> float:
    sql = "SELECT user_id, item_id FROM recommendations WHERE run = ? AND rank <= 10"
    ours, theirs = ({tuple(row.values()) for row in workspace.warehouse.rows(sql, [name])} for name in (run, other))
    return len(ours & theirs) / len(ours)


def test_one_run_has_nothing_beside_it(monkeypatch: pytest.MonkeyPatch, bare: Workspace) -> None:
    app = opened(monkeypatch, bare.root, PAGE)
    assert "two finished runs" in said(app)
    assert not app.dataframe


def test_a_workspace_that_is_empty_says_what_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Workspace.create(tmp_path / "workspace")
    assert "distaff ingest" in said(opened(monkeypatch, tmp_path / "workspace", PAGE))
