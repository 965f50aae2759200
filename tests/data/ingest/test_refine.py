"""Merging, thresholds, the k-core and positions, against known answers and a slow obvious reference."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff_data.datasets.interactions import Interactions
from distaff_data.ingest import IngestReport, ingest_interactions
from distaff_data.ingest.publish import number_entities
from distaff_data.ingest.refine import Refined, refine
from distaff_data.ingest.staging import EVENTS
from distaff_data.tables.interactions import load_interactions
from distaff_data.warehouse import Scratch
from distaff_data.workspace import Workspace


def ingest(workspace: Workspace, folder: Path, text: str, **options: object) -> IngestReport:
    (folder / "log.csv").write_text(text)
    options.setdefault("split", None)
    return ingest_interactions(workspace, "d", folder / "log.csv", **options)  # type: ignore[arg-type]


def kept(workspace: Workspace) -> list[tuple[str, str, float | None]]:
    rows = workspace.warehouse.rows("SELECT user_id, item_id, rating FROM interactions ORDER BY user_id, item_id")
    return [(row["user_id"], row["item_id"], row["rating"]) for row in rows]


def test_of_a_repeated_pair_the_latest_stays(workspace: Workspace, tmp_path: Path) -> None:
    text = "user,item,rating,time\na,x,1,10\na,x,2,30\na,x,3,20\na,x,4,\nb,x,5,1\n"
    assert ingest(workspace, tmp_path, text).duplicates_merged == 3
    assert kept(workspace) == [("a", "x", 2.0), ("b", "x", 5.0)]


def test_of_a_repeated_pair_the_first_stays_without_time(workspace: Workspace, tmp_path: Path) -> None:
    assert ingest(workspace, tmp_path, "user,item,rating\na,x,1\na,x,2\n").duplicates_merged == 1
    assert kept(workspace) == [("a", "x", 1.0)]


def test_the_last_opinion_decides_about_the_threshold(workspace: Workspace, tmp_path: Path) -> None:
    text = "user,item,rating,time\na,x,5,1\na,x,1,2\na,y,3,3\nb,x,2.9,1\n"
    report = ingest(workspace, tmp_path, text, min_rating=3)
    assert (report.duplicates_merged, report.dropped_by_rating) == (1, 2)
    assert kept(workspace) == [("a", "y", 3.0)]


def test_a_pair_in_train_and_test_stays_in_train(workspace: Workspace, tmp_path: Path) -> None:
    for name, text in {"train.csv": "user,item\na,x\na,y\n", "test.csv": "user,item\na,y\na,z\n"}.items():
        (tmp_path / name).write_text(text)
    report = ingest_interactions(workspace, "d", tmp_path)
    assert (report.train, report.test, report.duplicates_merged) == (2, 1, 1)


def test_removing_a_user_can_unmake_an_item_and_so_on(workspace: Workspace, tmp_path: Path) -> None:
    # c has one interaction; without it z has one, without which b has one, and y.
    text = "user,item\na,x\na,w\nd,x\nd,w\nb,y\nb,z\nc,z\na,y\n"
    report = ingest(workspace, tmp_path, text, min_interactions=2)
    assert report.dropped_by_core == 4
    assert [row[:2] for row in kept(workspace)] == [("a", "w"), ("a", "x"), ("d", "w"), ("d", "x")]


def test_ids_that_occur_only_in_test_are_kept_counted_and_reported(workspace: Workspace, tmp_path: Path) -> None:
    text = "user,item,time\n" + "".join(f"a,{n},{n}\n" for n in range(8)) + "new,8,8\nnew,9,9\n"
    report = ingest(workspace, tmp_path, text, split="temporal:0.8,0.1,0.1")
    assert (report.cold_users, report.cold_items) == (1, 2)
    facts = json.loads(workspace.warehouse.rows("SELECT facts FROM datasets")[0]["facts"])
    assert (facts["cold_users"], facts["cold_items"], facts["test"]) == (1, 2, 1)
    cold = workspace.warehouse.rows("SELECT user_id FROM users WHERE n_train = 0")
    assert cold == [{"user_id": "new"}]


def test_reingesting_replaces_the_dataset_and_keeps_its_attributes(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "ml.inter").write_text("user_id:token\titem_id:token\n1\t2\n1\t3\n")
    (tmp_path / "ml.item").write_text("item_id:token\ttitle:token_seq\n2\tTwo\n")
    ingest_interactions(workspace, "d", tmp_path / "ml.inter", split=None)
    report = ingest(workspace, tmp_path, "user,item\n1,2\n", replace=True)
    assert kept(workspace) == [("1", "2", None)]
    assert workspace.warehouse.rows("SELECT id, value FROM attributes") == [{"id": "2", "value": "Two"}]
    assert [row["generation"] for row in workspace.warehouse.rows("SELECT generation FROM datasets")] == [
        report.generation
    ]


def test_the_dataset_row_says_how_it_was_made(workspace: Workspace, tmp_path: Path) -> None:
    report = ingest(workspace, tmp_path, "user,item,rating\n1,2,4\n1,3,1\n", min_rating=2, seed=5)
    row = workspace.warehouse.rows("SELECT kind, source, settings FROM datasets")[0]
    assert (row["kind"], row["source"]) == ("interactions", str(tmp_path / "log.csv"))
    assert json.loads(row["settings"]) == {
        "format": "delimited",
        "columns": {"user": "user", "item": "item", "rating": "rating"},
        "min_rating": 2,
        "min_interactions": 0,
        "split": "none",
        "seed": 5,
        "far_times": "refuse",
        "times": "",
    }
    assert report.as_dict()["dropped_by_rating"] == 1
    assert json.dumps(report.as_dict())


IDS = st.text(st.characters(exclude_categories=["C"], exclude_characters="\x1f"), min_size=1, max_size=6).filter(
    str.strip
)
NUMBERS = st.integers(-20, 10**19).map(str)


@settings(max_examples=8, deadline=None)
@given(pairs=st.lists(st.tuples(IDS | NUMBERS, IDS | NUMBERS), min_size=1, max_size=12))
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_ids_survive_exactly_in_the_order_of_the_interactions_class(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, pairs: list[tuple[str, str]]
) -> None:
    import csv

    folder = tmp_path_factory.mktemp("ids")
    with (folder / f"log.{suffix}").open("w", newline="") as file:
        if suffix == "csv":
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("user", "item"), *pairs])
        else:
            file.writelines(json.dumps({"user": user, "item": item}) + "\n" for user, item in pairs)
    workspace = Workspace.create(folder / "workspace")
    ingest_interactions(workspace, "d", folder / f"log.{suffix}", split=None)
    loaded = load_interactions(workspace.warehouse, "d")
    reference = Interactions.from_arrays([user for user, _ in pairs], [item for _, item in pairs])
    assert loaded.user_ids.to_pylist() == reference.user_ids.to_pylist()
    assert loaded.item_ids.to_pylist() == reference.item_ids.to_pylist()
    assert loaded.train.dense().tolist() == reference.train.dense().tolist()


def core_by_hand(pairs: set[tuple[int, int]], least: int) -> set[tuple[int, int]]:
    while True:
        users, items = Counter(u for u, _ in pairs), Counter(i for _, i in pairs)
        left = {(u, i) for u, i in pairs if users[u] >= least and items[i] >= least}
        if left == pairs:
            return pairs
        pairs = left


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@settings(max_examples=25, deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60),
    least=st.integers(0, 4),
)
def test_the_core_is_that_of_the_obvious_reference(folder: Path, events: list[tuple[int, int]], least: int) -> None:
    expected = core_by_hand(set(events), least)
    if not expected:
        return
    with Scratch(folder, []) as scratch:
        scratch.execute(EVENTS)
        rows = ", ".join(f"('{u}', '{i}', NULL, NULL, NULL, {n})" for n, (u, i) in enumerate(events))
        scratch.execute(f"INSERT INTO events VALUES {rows}")
        refined = refine(scratch, given_split=False, split=None, seed=0, min_rating=None, min_interactions=least)
        counts = number_entities(scratch)
        found = scratch.rows(
            "SELECT user_id, item_id FROM kept JOIN user_codes c ON c.code = u JOIN item_codes d ON d.code = i"
        )
        positions = scratch.rows("SELECT user_id, position FROM users ORDER BY position")
    assert {(int(str(u)), int(str(i))) for u, i in found} == expected
    assert refined == Refined(len(events) - len(set(events)), 0, len(set(events)) - len(expected))
    assert counts["train"] == len(expected)
    assert positions == [(str(u), n) for n, u in enumerate(sorted({u for u, _ in expected}))]
