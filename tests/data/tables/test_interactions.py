"""From the warehouse to tensors."""

from __future__ import annotations

from pathlib import Path

import pytest

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.ingest import ingest_interactions
from distaff_data.tables.interactions import load_attributes, load_interactions, load_titles
from distaff_data.workspace import Workspace


def test_a_dataset_comes_back_as_it_went_in(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,split\nu 1,007,train\nu 1,7,valid\nb,7,test\n")
    report = ingest_interactions(workspace, "d", tmp_path / "log.csv")
    data = load_interactions(workspace.warehouse, "d")
    assert (data.name, data.generation) == ("d", report.generation)
    assert data.user_ids.to_pylist() == ["b", "u 1"]
    assert data.item_ids.to_pylist() == ["007", "7"]
    assert data.train.dense().tolist() == [[0, 0], [1, 0]]
    assert data.valid.dense().tolist() == [[0, 0], [0, 1]]
    assert data.test.dense().tolist() == [[0, 1], [0, 0]]


def test_datasets_do_not_mix(workspace: Workspace, tmp_path: Path) -> None:
    for name, text in {"one": "user,item\na,x\n", "two": "user,item\na,y\nb,y\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
        ingest_interactions(workspace, name, tmp_path / f"{name}.csv", split=None)
    assert load_interactions(workspace.warehouse, "one").item_ids.to_pylist() == ["x"]
    assert load_interactions(workspace.warehouse, "two").n_users == 2


def test_an_unknown_dataset_or_one_of_another_kind_is_refused(workspace: Workspace) -> None:
    with workspace.warehouse.publish("dataset/s") as publication:
        publication.append("datasets", [{"dataset": "s", "kind": "series"}])
    with pytest.raises(InputError, match="holds series"):
        load_interactions(workspace.warehouse, "s")
    with pytest.raises(UnknownNameError, match="there are: s"):
        load_interactions(workspace.warehouse, "movies")


def test_a_dataset_without_attributes_has_no_titles(workspace: Workspace) -> None:
    assert load_titles(workspace.warehouse, "d") == {}
    assert load_attributes(workspace.warehouse, "d", "item").num_rows == 0
