"""Every format on a tiny file with a known answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distaff_data.ingest import IngestReport, ingest_interactions
from distaff_data.tables.interactions import load_attributes, load_interactions, load_titles
from distaff_data.workspace import Workspace

Row = tuple[str, str, float | None, float | None, str]


def rows(workspace: Workspace, dataset: str = "d") -> list[Row]:
    sql = "SELECT user_id, item_id, rating, time, split FROM interactions WHERE dataset = ? ORDER BY user_id, item_id"
    return [tuple(row.values()) for row in workspace.warehouse.rows(sql, [dataset])]


def ingest(workspace: Workspace, files: Mapping[str, str | bytes], root: Path, **options: object) -> IngestReport:
    """Write files and ingest the first one, or their folder when ``folder`` is set."""
    folder = options.pop("folder", False)
    source = root / "source"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    options.setdefault("split", None)
    return ingest_interactions(workspace, "d", source if folder else source / next(iter(files)), **options)  # type: ignore[arg-type]


FOUR: list[Row] = [("a", "x", 4.0, 10.0, "train"), ("a", "y", 3.5, 11.0, "train"), ("b", "x", 1.0, 12.0, "train")]
TWO: list[Row] = [(user, item, None, None, split) for user, item, _, _, split in FOUR]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "::", " "])
@pytest.mark.parametrize("header", ["user_id item_id rating timestamp", "reviewerID asin overall unixReviewTime", None])
def test_delimited_files_are_read_whatever_divides_them(
    workspace: Workspace, tmp_path: Path, delimiter: str, header: str | None
) -> None:
    lines = ([header] if header else []) + ["a x 4 10", "a y 3.5 11", "b x 1 12"]
    text = "\n".join(line.replace(" ", delimiter) for line in lines)
    report = ingest(workspace, {"log.txt": text + "\n"}, tmp_path)
    assert rows(workspace) == FOUR
    assert report.format == "delimited"


def test_columns_are_found_among_others_and_in_any_order(workspace: Workspace, tmp_path: Path) -> None:
    text = ',note,row,MovieID,Customer Id\n0,hi,9,x,a\n1,,9,y,a\n2,"a,\nb",9,x,b\n'
    report = ingest(workspace, {"log.csv": text}, tmp_path)
    assert rows(workspace) == TWO
    assert report.columns == {"user": "Customer Id", "item": "MovieID"}


def test_a_column_of_long_texts_does_no_harm(workspace: Workspace, tmp_path: Path) -> None:
    text = "user,item,review\n" + "".join(
        f'{user},{item},"{"long " * 40_000}"\n' for user, item in [("a", "x"), ("a", "y"), ("b", "x")]
    )
    ingest(workspace, {"log.csv": text}, tmp_path)
    assert rows(workspace) == TWO


def test_columns_can_be_named_or_done_without(workspace: Workspace, tmp_path: Path) -> None:
    text = "who,what,rating,when\na,x,good,2020-01-01\nb,x,bad,2020-01-02T12:00:00+02:00\n"
    ingest(workspace, {"log.csv": text}, tmp_path, user="who", item="what", rating="", time="when")
    assert rows(workspace) == [("a", "x", None, 1577836800.0, "train"), ("b", "x", None, 1577959200.0, "train")]


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_ids(workspace: Workspace, tmp_path: Path) -> None:
    ingest(workspace, {"log.csv": b"\xef\xbb\xbfuser,item\r\na,x\r\na,y\r\nb,x\r\n"}, tmp_path)
    assert rows(workspace) == TWO


@pytest.mark.parametrize("unit", [1, 1e3, 1e6, 1e9])
def test_times_become_seconds(workspace: Workspace, tmp_path: Path, unit: float) -> None:
    ingest(workspace, {"log.csv": f"user,item,time\na,x,{1.6e9 * unit:.0f}\nb,x,\n"}, tmp_path)
    assert [row[3] for row in rows(workspace)] == [1.6e9, None]


def test_parquet_of_any_types(workspace: Workspace, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    moment = datetime(2020, 1, 1, tzinfo=UTC)
    table = pa.table({"customer": [7, 10], "sku": ["007", "a b"], "ts": [moment, moment]})
    pq.write_table(table, tmp_path / "log.parquet")
    ingest_interactions(workspace, "d", tmp_path / "log.parquet", split=None)
    assert rows(workspace) == [("10", "a b", None, 1577836800.0, "train"), ("7", "007", None, 1577836800.0, "train")]


def test_a_folder_of_parquet_pieces_is_one_table(workspace: Workspace, tmp_path: Path) -> None:
    for piece in range(3):
        pq.write_table(pa.table({"user": [piece], "item": ["x"]}), tmp_path / f"part-{piece}.parquet")
    assert ingest_interactions(workspace, "d", tmp_path, split=None).users == 3


def test_json_lines(workspace: Workspace, tmp_path: Path) -> None:
    lines = [
        {"user_id": "a", "item_id": 7, "stars": 5},
        {"item_id": 12345678901234567890, "user_id": "b", "other": [1]},
    ]
    ingest(workspace, {"log.jsonl": "\n\n".join(map(json.dumps, lines))}, tmp_path)
    assert rows(workspace) == [("a", "7", 5.0, None, "train"), ("b", "12345678901234567890", None, None, "train")]


RECBOLE = {
    "ml.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\na\tx\t4\t10\na\ty\t3.5\t11\nb\tx\t1\t12\n",
    "ml.item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\tv:float_seq\n"
    'x\t"Up" Town\tAction Crime\t1 2\ny\tIt\t\t\n',
    "ml.user": "user_id:token\tage:token\toccupation:token\na\t24\twriter, retired\n",
}


@pytest.mark.parametrize("path", ["ml.inter", "ml", "."])
def test_recbole_atomic_files_bring_their_attributes(workspace: Workspace, tmp_path: Path, path: str) -> None:
    for name, text in RECBOLE.items():
        (tmp_path / name).write_text(text)
    report = ingest_interactions(workspace, "d", tmp_path / path if path != "." else tmp_path, split=None)
    assert rows(workspace) == FOUR
    assert report.format == "recbole"
    found = load_attributes(workspace.warehouse, "d", "item").to_pylist()
    assert sorted((row["id"], row["name"], row["value"]) for row in found) == [
        ("x", "class", "Action"),
        ("x", "class", "Crime"),
        ("x", "title", '"Up" Town'),
        ("y", "title", "It"),
    ]
    users = load_attributes(workspace.warehouse, "d", "user").to_pylist()
    assert {(row["name"], row["value"]) for row in users} == {("age", "24"), ("occupation", "writer, retired")}


def test_a_recbole_folder_prefers_the_file_named_like_it(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "lfm"
    folder.mkdir()
    (folder / "lfm.inter").write_text("userID\titemID\trating\tx_label\n0\t0\t1\t0\n0\t1\t1\t1\n1\t0\t1\t2\n")
    (folder / "lfm_og_ids.inter").write_text("userID\titemID\n9\t9\n")
    report = ingest_interactions(workspace, "d", folder)
    assert [(row[0], row[1], row[4]) for row in rows(workspace)] == [
        ("0", "0", "train"),
        ("0", "1", "valid"),
        ("1", "0", "test"),
    ]
    assert (report.split, report.cold_users, report.cold_items) == ("given", 1, 1)


def test_lightgcn_text_with_uneven_lines(workspace: Workspace, tmp_path: Path) -> None:
    files = {
        "train.txt": "0 5 6 7 8 9\n1 5\n2 \n",
        "test.txt": "0 1\n1 6\n2 7\n",
        "user_list.txt": "org_id remap_id\n1 0\n",
    }
    report = ingest(workspace, files, tmp_path, folder=True)
    assert report.format == "lightgcn"
    assert (report.train, report.valid, report.test, report.cold_users, report.cold_items) == (6, 0, 3, 1, 1)
    assert ("2", "7", None, None, "test") in rows(workspace)


def test_a_lightgcn_test_file_of_three_numbers_a_line_is_read_as_its_neighbour(
    workspace: Workspace, tmp_path: Path
) -> None:
    report = ingest(workspace, {"train.txt": "0 5 6 7 8\n1 5 9\n", "test.txt": "0 1 2\n1 6 7\n"}, tmp_path, folder=True)
    assert report.test == 4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("u.data", "1\t2\t4\t10\n1\t3\t3.5\t11\n"),
        ("ratings.dat", "1::2::4::10\n1::3::3.5::11\n"),
        ("ratings.csv", "userId,movieId,rating,timestamp\n1,2,4.0,10\n1,3,3.5,11\n"),
    ],
)
def test_movielens_files(workspace: Workspace, tmp_path: Path, name: str, text: str) -> None:
    # u1.test is one of MovieLens' own cross-validation files, not a split of u.data.
    report = ingest(workspace, {name: text, "u1.test": "9\t9\t9\t9\n"}, tmp_path, folder=True)
    assert rows(workspace) == [("1", "2", 4.0, 10.0, "train"), ("1", "3", 3.5, 11.0, "train")]
    assert report.format == "movielens"


def test_movielens_titles_and_genres_come_along(workspace: Workspace, tmp_path: Path) -> None:
    movies = 'movieId,title,genres\n2,"American President, The (1995)",Comedy|Drama\n'
    ingest(workspace, {"ratings.csv": "userId,movieId,rating,timestamp\n1,2,4.0,10\n", "movies.csv": movies}, tmp_path)
    assert load_titles(workspace.warehouse, "d") == {"2": "American President, The (1995)"}
    genres = load_attributes(workspace.warehouse, "d", "item").to_pylist()
    assert {row["value"] for row in genres if row["name"] == "genres"} == {"Comedy", "Drama"}


def as_csv(pairs: list[tuple[str, str]]) -> tuple[str, bytes]:
    return "csv", ("user,item\n" + "".join(f"{u},{i}\n" for u, i in pairs)).encode()


def as_tsv(pairs: list[tuple[str, str]]) -> tuple[str, bytes]:
    return "tsv", "".join(f"{u}\t{i}\n" for u, i in pairs).encode()


def as_jsonl(pairs: list[tuple[str, str]]) -> tuple[str, bytes]:
    return "jsonl", "".join(json.dumps({"user": u, "item": i}) + "\n" for u, i in pairs).encode()


@pytest.mark.parametrize("write", [as_csv, as_tsv, as_jsonl])
@pytest.mark.parametrize("valid", ["valid", "val", "validation"])
def test_a_folder_of_train_valid_test_keeps_its_split(
    workspace: Workspace, tmp_path: Path, write: Callable[[list[tuple[str, str]]], tuple[str, bytes]], valid: str
) -> None:
    splits = {"train": [("1", "2"), ("1", "3"), ("2", "2")], valid: [("1", "4")], "test": [("2", "3"), ("3", "4")]}
    for name, pairs in splits.items():
        suffix, content = write(pairs)
        (tmp_path / f"{name}.{suffix}").write_bytes(content)
    report = ingest_interactions(workspace, "d", tmp_path)
    assert (report.train, report.valid, report.test) == (3, 1, 2)
    assert (report.cold_users, report.cold_items) == (1, 1)
    assert report.split == "given"
    data = load_interactions(workspace.warehouse, "d")
    assert data.user_ids.to_pylist() == ["1", "2", "3"]
    assert data.test.dense().tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_files_named_one_by_one_keep_their_split_too(workspace: Workspace, tmp_path: Path) -> None:
    for name, text in {"train.tsv": "1\t2\n1\t3\n", "test.tsv": "1\t4\n"}.items():
        (tmp_path / name).write_text(text)
    report = ingest_interactions(workspace, "d", [tmp_path / "train.tsv", tmp_path / "test.tsv"])
    assert (report.train, report.test) == (2, 1)


def test_one_file_called_train_is_divided_like_any_other(workspace: Workspace, tmp_path: Path) -> None:
    text = "user,item,time\n" + "".join(f"a,{n},{n}\n" for n in range(5))
    report = ingest(workspace, {"train.csv": text}, tmp_path, folder=True, split="leave-last-out")
    assert (report.train, report.valid, report.test) == (3, 1, 1)


@pytest.mark.parametrize("name", ["a[1].csv", "a*.csv", "it's.csv", 'q".csv', "é ü.csv"])
def test_file_names_are_names_and_not_patterns(workspace: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "a1.csv").write_text("user,item\nwrong,wrong\n")
    (tmp_path / name).write_text("user,item\na,x\na,y\nb,x\n")
    ingest_interactions(workspace, "d", tmp_path / name, split=None)
    assert rows(workspace) == TWO
