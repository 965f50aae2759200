"""The verb export: a run's graph as files that anybody can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.incidents.diagnose import diagnose
from distaff.model.fitting import fit
from distaff.recommenders.base import Recommender
from distaff.recommenders.graph import graph_of
from distaff.runs import records, training
from distaff.testing.data import checkerboard, waves
from distaff_data.datasets.graph_files import read_graph
from distaff_data.datasets.incidents import Topology
from distaff_data.datasets.interactions import Interactions
from distaff_data.planted.incidents import planted_incidents
from distaff_data.planted.samples import sample
from distaff_data.tables.incidents import publish_incidents
from distaff_data.tables.interactions import load_interactions
from distaff_data.tables.series import publish_series
from distaff_data.workspace import Workspace


def export(workspace: Workspace, *arguments: str) -> tuple[int, str, BaseException | None]:
    done = CliRunner().invoke(app, ["--workspace", str(workspace.root), "export", *arguments])
    return done.exit_code, done.output, done.exception


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.create(tmp_path_factory.mktemp("shop") / "workspace")
    sample(workspace, "planted-interactions", n_users=60, n_items=40, n_events=1_500, n_intents=3)
    training.train(workspace, "puresvd", "planted-interactions", settings={"n_intents": 4}, seed=0)
    return workspace


def test_a_recommenders_graph_has_its_interactions_content_vectors_and_factors(shop: Workspace, tmp_path: Path) -> None:
    run = records.listing(shop)[0].run
    status, output, _ = export(shop, run, str(tmp_path / "graph"), "--format", "pyg", "--json")
    assert status == 0
    graph = read_graph(tmp_path / "graph")
    told = json.loads(output)
    assert (told["user"], told["item"], told["edges"]) == (60, 40, graph.num_edges)
    stored = load_interactions(shop.warehouse, "planted-interactions")
    back = Interactions.from_pyg(graph)
    for split in ("train", "valid", "test"):
        assert torch.equal(back.split(split).indices, stored.split(split).indices)
        assert graph["user", {"train": "takes"}.get(split, f"takes_{split}"), "item"].time.isfinite().all()
    model = Recommender.load(records.model_folder(shop, run))
    torch.testing.assert_close(graph["user"].x @ graph["item"].x.T, model.predict(torch.arange(60)))
    torch.testing.assert_close(graph["item"].intents, model.intents().items)
    assert "category" in set(graph["attribute"].names)  # the planted items' label


def test_times_are_those_of_the_pairs(shop: Workspace) -> None:
    data = load_interactions(shop.warehouse, "planted-interactions")
    store = data.to_pyg()["user", "takes", "item"]
    rows = shop.warehouse.rows("SELECT user_id, item_id, time FROM interactions WHERE split = 'train'")
    times = {(row["user_id"], row["item_id"]): row["time"] for row in rows}
    for (user, item), time in zip(store.edge_index.T.tolist(), store.time.tolist(), strict=True):
        assert times[data.user_ids[user].as_py(), data.item_ids[item].as_py()] == time


def test_a_run_on_everything_has_no_times_of_splits(shop: Workspace) -> None:
    data = load_interactions(shop.warehouse, "planted-interactions").all_in_training()
    model = Recommender.named("popularity")()
    fit(model, data, seed=0, device="cpu")
    graph = graph_of(model, shop.warehouse)
    assert "time" not in graph["user", "takes", "item"]
    assert graph["user", "takes", "item"].num_edges == data.train.nnz


def test_a_model_without_vectors_or_factors_gives_its_interactions() -> None:
    model = Recommender.named("popularity")().fit(checkerboard())
    graph = graph_of(model)
    assert "x" not in graph["user"]
    assert "intents" not in graph["user"]


def test_a_diagnosers_graph_is_the_given_one(workspace: Workspace, tmp_path: Path) -> None:
    data = planted_incidents(n_cases=2, n_entities=3, n_normal=80, n_fault=40, invisible_share=0, seed=1)
    publish_incidents(workspace.warehouse, data, source="", settings={})
    run = diagnose(workspace, data.name, model="nsigma").run.run
    assert export(workspace, run, str(tmp_path / "graph"))[0] == 0
    topology = Topology.from_pyg(read_graph(tmp_path / "graph"))
    assert set(topology.columns) == {column for case in data.cases for column in case.columns}
    assert set(topology.edges) == set(data.edges)


def test_what_is_no_graph_or_would_be_written_over_is_refused(
    shop: Workspace, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "graph").mkdir()
    status, _, error = export(shop, records.listing(shop)[0].run, str(tmp_path / "graph"))
    assert status != 0
    assert "already" in str(error)
    publish_series(workspace.warehouse, waves(600), source="", format="", split="", settings={})
    training.train(workspace, "naive", waves(600).name, settings={"seq_len": "24"}, seed=0)
    status, _, error = export(workspace, records.listing(workspace)[0].run, str(tmp_path / "other"))
    assert status != 0
    assert "no graph" in str(error)
    assert not (tmp_path / "other").exists()
