"""The page *Incident*, run without a browser, and where its graph puts the metrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dashboard_pages import opened, plain, said

from distaff.incidents.diagnose import diagnose
from distaff.runs import training
from distaff_dashboards.views.incident.graph import Layout, layout
from distaff_data.datasets.incidents import Edge
from distaff_data.planted.incidents import planted_incidents
from distaff_data.tables.incidents import publish_incidents
from distaff_data.workspace import Workspace

PAGE, BOARD = "incident", "board"
DATASET = "outages"
HOSTILE = "<b>$x$</b> `y`"


def undiagnosed(root: Path) -> Workspace:
    """Three incidents of a known graph, the last one with a name that looks like markup, without known onset and cause."""
    workspace = Workspace.create(root)
    data = planted_incidents(
        n_cases=3, n_entities=4, n_normal=120, n_fault=60, invisible_share=0, seed=1, dataset=DATASET
    )
    last = replace(data.cases[-1], name=HOSTILE, roots=(), root_columns=())
    held = [edge for edge in data.truth if edge.case == data.cases[0].name and edge.state != "new"]
    known = replace(data, cases=(*data.cases[:-1], last), edges=tuple(Edge(edge.source, edge.target) for edge in held))
    publish_incidents(workspace.warehouse, known, source="", settings={})
    return workspace


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = undiagnosed(tmp_path_factory.mktemp("incidents") / "workspace")
    for model in ("coral", "floor_z"):
        diagnose(workspace, DATASET, model=model)
    return workspace


def test_without_incidents_or_diagnoses_the_page_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "distaff init" in said(opened(monkeypatch, tmp_path, PAGE))
    Workspace.create(tmp_path / "empty")
    assert "distaff ingest incidents" in said(opened(monkeypatch, tmp_path / "empty", PAGE))
    workspace = undiagnosed(tmp_path / "workspace")
    for page in (PAGE, BOARD):
        assert f"distaff diagnose {DATASET} --model floor_z" in said(opened(monkeypatch, workspace.root, page))


def test_the_published_ranking_is_shown_with_its_evidence_and_the_board(
    monkeypatch: pytest.MonkeyPatch, diagnosed: Workspace
) -> None:
    app = opened(monkeypatch, diagnosed.root, PAGE)
    assert [option.split()[0] for option in app.selectbox(key="run").options] == ["coral", "floor_z"]
    run, case = app.selectbox(key="run").value, app.selectbox(key="case").value
    stored = diagnosed.warehouse.rows(
        'SELECT metric, score FROM causes WHERE run = ? AND "case" = ? ORDER BY rank', [run, case]
    )
    causes, board = (frame.value for frame in app.dataframe)
    assert causes["metric"].tolist() == [row["metric"] for row in stored]
    assert causes["score"].tolist() == [row["score"] for row in stored]
    assert {"own", "propagated", "path", "known"} <= set(causes.columns)
    assert set(board["model"]) == {"coral", "floor_z"}
    assert {"Timeline", "Causes", "Causal graph", "As measured"} <= {h.value for h in app.subheader}


def test_the_causes_of_a_run_that_was_trained_are_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    workspace = undiagnosed(tmp_path / "workspace")
    run = training.train(workspace, "nsigma", DATASET, device="cpu").run
    app = opened(monkeypatch, workspace.root, PAGE)
    assert app.selectbox(key="run").value == run
    assert app.dataframe[0].value["rank"].tolist() == list(range(1, len(app.dataframe[0].value) + 1))


def test_every_cause_can_be_looked_at(monkeypatch: pytest.MonkeyPatch, diagnosed: Workspace) -> None:
    app = opened(monkeypatch, diagnosed.root, PAGE)
    metric = app.dataframe[0].value["metric"].tolist()[-1]
    app.selectbox(key="cause").set_value(metric).run()
    assert not app.exception
    assert f"Rank {len(app.dataframe[0].value)}," in plain(app)
    app.toggle(key="whole").set_value(True).run()
    assert not app.exception


def test_a_moved_onset_ranks_anew_with_the_runs_own_model_and_stores_nothing(
    monkeypatch: pytest.MonkeyPatch, diagnosed: Workspace
) -> None:
    app = opened(monkeypatch, diagnosed.root, PAGE)
    before = app.dataframe[0].value["score"].tolist()
    publications = diagnosed.warehouse.rows("SELECT count(*) AS n FROM publications")
    slider = app.slider[0]
    for value in (slider.min, slider.max, -20):
        app.slider[0].set_value(value).run()
        assert not app.exception
        assert app.dataframe[0].value["score"].tolist() != before
        assert "Ranked anew" in said(app)
    app.slider[0].set_value(0).run()
    assert app.dataframe[0].value["score"].tolist() == before
    assert diagnosed.warehouse.rows("SELECT count(*) AS n FROM publications") == publications


def test_a_control_says_that_it_has_no_graph(monkeypatch: pytest.MonkeyPatch, diagnosed: Workspace) -> None:
    app = opened(monkeypatch, diagnosed.root, PAGE)
    app.selectbox(key="run").select_index(1).run()
    assert not app.exception
    assert "no causal graph" in said(app)
    assert "path" not in app.dataframe[0].value


def test_a_graph_without_an_edge_is_no_picture(monkeypatch: pytest.MonkeyPatch, diagnosed: Workspace) -> None:
    assert "Causal graph" in {h.value for h in opened(monkeypatch, diagnosed.root, PAGE).subheader}
    monkeypatch.setattr("distaff_dashboards.views.incident.page.layout", lambda *_: Layout({}, []))
    app = opened(monkeypatch, diagnosed.root, PAGE)
    assert "nothing to draw" in plain(app)
    assert "Causal graph" not in {h.value for h in app.subheader}


def test_an_incident_with_a_hostile_name_and_no_known_cause_is_shown(
    monkeypatch: pytest.MonkeyPatch, diagnosed: Workspace
) -> None:
    app = opened(monkeypatch, diagnosed.root, PAGE, case=HOSTILE)
    assert app.selectbox(key="case").value == HOSTILE
    assert "true cause unknown" in said(app)
    assert "known" not in app.dataframe[0].value


def test_a_run_that_found_no_onset_can_be_ranked_from_a_time_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace = Workspace.create(tmp_path / "workspace")
    data = planted_incidents(n_cases=1, n_entities=3, n_normal=120, n_fault=60, seed=2, dataset=DATASET)
    flat = replace(data.cases[0], values=data.cases[0].values * 0 + 1.0)
    publish_incidents(workspace.warehouse, replace(data, cases=(flat,)), source="", settings={})
    diagnose(workspace, DATASET, model="floor_z", onset="detected")
    app = opened(monkeypatch, workspace.root, PAGE)
    assert "found no onset" in said(app)
    app.slider[0].set_value(5).run()
    assert not app.exception
    assert "Ranked anew" in said(app)


def test_the_board_compares_diagnosers(monkeypatch: pytest.MonkeyPatch, diagnosed: Workspace) -> None:
    app = opened(monkeypatch, diagnosed.root, BOARD)
    assert set(app.dataframe[0].value["model"]) == {"coral", "floor_z"}
    assert "incident by incident" in str([h.value for h in app.subheader])


def test_causes_stand_as_many_columns_left_of_the_kpi_as_they_are_hops_away() -> None:
    edges = [
        {"source": "c", "target": "b", "part": "invariant", "weight": 0.5},
        {"source": "b", "target": "kpi", "part": "invariant", "weight": 0.5},
        {"source": "e", "target": "kpi", "part": "dependent", "weight": 0.5},
        {"source": "x", "target": "kpi", "part": "invariant", "weight": 0.5},
    ]
    causes = [
        {"metric": "c", "path": ["c", "b", "kpi"]},
        {"metric": "e", "path": ["e", "kpi"]},
        {"metric": "d", "path": []},
        {"metric": "f", "path": ["f", "kpi"]},
    ]
    found = layout("kpi", causes, edges)
    assert {m: x for m, (x, _) in found.places.items()} == {"kpi": 0, "b": -1, "e": -1, "f": -1, "c": -2, "d": -3}
    assert len(set(found.places.values())) == len(found.places)
    # An edge of a metric that is not drawn is left out; a step of a path that is no edge is marked as such.
    parts = {(e["source"], e["target"]): e["part"] for e in found.edges}
    assert ("x", "kpi") not in parts
    assert parts["e", "kpi"] == "dependent"
    assert parts["f", "kpi"] == "path"
