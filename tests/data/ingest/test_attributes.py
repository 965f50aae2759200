"""Attributes of items and users from files of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.workspace import Workspace


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Workspace:
    (tmp_path / "log.csv").write_text("user,item\n1,a\n1,b\n2,a\n")
    ingest_interactions(workspace, "d", tmp_path / "log.csv", split=None)
    return workspace


def values(workspace: Workspace, entity: str = "item") -> set[tuple[str, str, str]]:
    rows = workspace.warehouse.rows("SELECT id, name, value FROM attributes WHERE entity = ?", [entity])
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    return {(row["id"], row["name"], row["value"]) for row in rows}


EXPECTED = {("a", "genre", "Noir"), ("a", "genre", "Crime"), ("a", "title", "A | B"), ("b", "title", "Bee")}


def test_cells_hold_several_values_and_titles_do_not(dataset: Workspace, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title,genre\na,A | B,Noir| Crime|Noir\nb,Bee,\nzz,Zed,\n")
    report = ingest_attributes(dataset, "item", "d", tmp_path / "items.csv")
    assert values(dataset) - {("zz", "title", "Zed")} == EXPECTED
    assert (report.described, report.unknown, report.values) == (2, 1, 5)
    assert report.attributes == ("genre", "title")
    assert json.loads(json.dumps(report.as_dict()))["dataset"] == "d"


def test_lists_in_json_lines_and_parquet(dataset: Workspace, tmp_path: Path) -> None:
    table = pa.table({"item": ["a", "b"], "name": ["A | B", "Bee"], "genre": [["Noir", "Crime"], None]})
    pq.write_table(table, tmp_path / "items.parquet")
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    for name in ("items.parquet", "items.jsonl"):
        ingest_attributes(dataset, "item", "d", tmp_path / name)
        assert values(dataset) == EXPECTED


def test_columns_id_title_and_separator_can_be_chosen(dataset: Workspace, tmp_path: Path) -> None:
    (tmp_path / "items.tsv").write_text("key\tlabel\ttags\tother\na\tA | B\tNoir,Crime\t1\nb\tBee\t\t1\n")
    ingest_attributes(
        dataset, "item", "d", tmp_path / "items.tsv", id="key", title="label", columns=["label", "tags"], separator=","
    )
    assert values(dataset) == {(id, name.replace("genre", "tags"), value) for id, name, value in EXPECTED}


def test_columns_are_chosen_from_several_files_at_once(dataset: Workspace, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("item,name,url\na,A | B,http://a\nb,Bee,http://b\n")
    (tmp_path / "tags.csv").write_text("item,genre,by\na,Noir|Crime,me\n")
    (tmp_path / "other.csv").write_text("item,shelf\na,7\n")
    files = [tmp_path / name for name in ("names.csv", "tags.csv", "other.csv")]
    ingest_attributes(dataset, "item", "d", files, columns=["name", "genre"])
    assert values(dataset) == EXPECTED
    with pytest.raises(InputError, match="did you mean genre"):
        ingest_attributes(dataset, "item", "d", files, columns=["name", "genres"])


def test_a_title_can_be_done_without(dataset: Workspace, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item,name\na,x|y\n")
    ingest_attributes(dataset, "item", "d", tmp_path / "items.csv", title="")
    assert values(dataset) == {("a", "name", "x"), ("a", "name", "y")}


def test_users_and_items_are_replaced_apart(dataset: Workspace, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id,age\n1,30\n")
    (tmp_path / "items.csv").write_text("item_id,genre\na,Noir\n")
    ingest_attributes(dataset, "user", "d", tmp_path / "users.csv")
    ingest_attributes(dataset, "item", "d", tmp_path / "items.csv")
    (tmp_path / "items.csv").write_text("item_id,genre\nb,Drama\n")
    ingest_attributes(dataset, "item", "d", [tmp_path / "items.csv"])
    assert values(dataset) == {("b", "genre", "Drama")}
    assert values(dataset, "user") == {("1", "age", "30")}


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e39, None])
def test_a_vector_of_a_table_with_something_that_is_no_finite_number_is_refused(
    dataset: Workspace, tmp_path: Path, value: float | None
) -> None:
    pq.write_table(pa.table({"item": ["a", "b"], "looks": [[0.5, 1.0], [0.5, value]]}), tmp_path / "items.parquet")
    with pytest.raises(InputError, match="missing, not finite, or too large"):
        ingest_attributes(dataset, "item", "d", tmp_path / "items.parquet")
    assert dataset.warehouse.live("item-vectors/d") is None
