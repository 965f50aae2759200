"""Bad input: one clear line that says where, and a warehouse that did not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.workspace import Workspace


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a dataset ``there``, which no refusal may touch."""
    root = tmp_path_factory.mktemp("settled")
    workspace = Workspace.create(root / "workspace")
    (root / "log.csv").write_text("user,item\n1,2\n1,3\n2,3\n")
    ingest_interactions(workspace, "there", root / "log.csv", split=None)
    return workspace


def state(workspace: Workspace) -> list[list[dict[str, Any]]]:
    tables = ("datasets", "interactions", "attributes")
    return [workspace.warehouse.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]


def refusal(workspace: Workspace, path: Path | list[Path], name: str = "new", **options: Any) -> InputError:
    before = state(workspace)
    with pytest.raises(InputError) as caught:
        ingest_interactions(workspace, name, path, **options)
    assert state(workspace) == before
    assert list(workspace.scratch.iterdir()) == [] if workspace.scratch.exists() else True
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return caught.value


def where(error: InputError) -> tuple[int | None, str | None, object]:
    return error.line, error.column, error.value


LATIN = "user,item\na,x\nb,caf\xe9\n".encode("latin-1")
LONG = b"user,item\n" + b"a,x\n" * 500_000

CASES: dict[str, tuple[str, bytes, dict[str, Any], tuple[int | None, str | None, object], str]] = {
    "empty file": ("a.csv", b"", {}, (None, None, None), "empty"),
    "blank file": ("a.csv", b"\n\n", {}, (None, None, None), "empty"),
    "header only": ("a.csv", b"user,item\n", {}, (1, None, None), "header and nothing else"),
    "no user column": ("a.csv", b"who,item,n\na,x,1\n", {}, (1, "user", None), "who, item, n"),
    "no item column": ("a.csv", b"user,what,n\na,x,1\n", {}, (1, "item", None), "user, what, n"),
    "column named wrongly": ("a.csv", b"user,item\na,x\n", {"user": "usr"}, (1, "usr", None), "did you mean user"),
    "one column twice": ("a.csv", b"user,item\na,x\n", {"item": "user"}, (None, "user", None), "same column"),
    "bad rating": ("a.csv", b"user,item,rating\na,x,5\n\nb,y,good\n", {}, (4, "rating", "good"), "not a number"),
    "infinite rating": ("a.csv", b"user,item,rating\na,x,5\nb,y,inf\n", {}, (3, "rating", "inf"), "not a number"),
    "bad rating after a value over two lines": (
        "a.csv",
        b'user,item,rating\n"a\nb",x,5\nb,y,good\n',
        {},
        (4, "rating", "good"),
        "not a number",
    ),
    "bad rating in a headerless file": ("a.tsv", b"1\t2\t3\n1\t3\tx\n", {}, (2, "rating", "x"), "not a number"),
    "missing rating where one is needed": (
        "a.csv",
        b"user,item,rating\na,x,5\nb,y,\n",
        {"min_rating": 3},
        (3, "rating", None),
        "rating is missing",
    ),
    "no rating column where one is needed": (
        "a.csv",
        b"user,item\na,x\n",
        {"min_rating": 3},
        (1, "rating", None),
        "--rating",
    ),
    "bad time": ("a.csv", b"user,item,date\na,x,2020-01-01\nb,y,May\n", {}, (3, "date", "May"), "neither a number"),
    "no time column where one is needed": (
        "a.csv",
        b"user,item\na,x\n",
        {"split": "temporal:0.8,0.1,0.1"},
        (1, "time", None),
        "--time",
    ),
    "missing user id": ("a.csv", b"user,item\na,x\n,y\n", {}, (3, "user", None), "user is missing"),
    "blank item id": ("a.csv", b"user,item\na,x\nb,  \n", {}, (3, "item", "  "), "item is missing"),
    "too few columns": ("a.csv", b"user,item,n\na,x,1\nb,y\n", {}, (3, "n", "b,y"), "missing columns"),
    "too many columns": ("a.csv", b"user,item\na,x\nb,y,1\n", {}, (3, None, "b,y,1"), "too many columns"),
    "too many columns far down": ("a.csv", LONG + b"b,y,1\n", {}, (500_002, None, "b,y,1"), "too many columns"),
    "bad rating far down": (
        "a.csv",
        LONG.replace(b"a,x", b"a,1").replace(b"user,item", b"user,item,rating").replace(b",1\n", b",1,1\n")
        + b"b,1,!\n",
        {},
        (500_002, "rating", "!"),
        "not a number",
    ),
    "quote never closed": ("a.csv", b'user,item\na,x\nb,"y\n', {}, (3, "item", 'b,"y\n'), "unterminated quote"),
    "one column": ("a.csv", b"user\na\n", {}, (1, None, "user"), "one column"),
    "no header and too many columns": ("a.csv", b"1,2,3,4,5\n", {}, (1, None, "1,2,3,4,5"), "add a header"),
    "other encoding": ("a.csv", LATIN, {}, (3, None, b"b,caf\xe9"), "not UTF-8"),
    "other encoding far down": ("a.csv", LONG + b"b,caf\xe9\n", {}, (500_002, "item", "b,caf?"), "not UTF-8"),
    "utf-16": (
        "a.csv",
        "user,item\na,x\n".encode("utf-16"),
        {},
        (1, None, "user,item\n".encode("utf-16")[:-2]),
        "not UTF-8",
    ),
    "carriage returns alone": ("a.csv", b"user,item\ra,x\rb,y\r", {}, (None, None, None), "do lines end in LF"),
    "compressed": ("a.csv", b"\x1f\x8b\x08\x00", {}, (None, None, None), "gunzip"),
    "mixed line ends": ("a.csv", b"user,item\na,x\r\nb,y\n", {}, (None, None, None), "dos2unix"),
    "no json": (
        "a.jsonl",
        b'{"user":1,"item":2}\n\n{"user":1,\n{"user":1,"item":3}\n',
        {},
        (3, None, '{"user":1,'),
        "not JSON",
    ),
    "no json far down": (
        "a.jsonl",
        b'{"user":1,"item":2}\n' * 30_000 + b'{"user":1\n{"user":1,"item":3}\n',
        {},
        (30_001, None, '{"user":1'),
        "not JSON",
    ),
    "json array": ("a.json", b'[{"user":1,"item":2}]\n', {}, (1, None, '[{"user":1,"item":2}]'), "one object a line"),
    "json without a user": ("a.jsonl", b'{"user":1,"item":2}\n{"item":2}\n', {}, (2, "user", None), "user is missing"),
    "no parquet": ("a.parquet", b"user,item\na,x\n", {}, (None, None, None), "cannot read"),
    "bad split column": ("a.csv", b"user,item,x_label\na,x,0\na,y,3\n", {}, (3, "x_label", "3"), "no split"),
    "unknown format": (
        "a.csv",
        b"user,item\na,x\n",
        {"format": "excel"},
        (None, None, None),
        "no format named 'excel'",
    ),
    "split that does not parse": ("a.csv", b"user,item\na,x\n", {"split": "often"}, (None, None, "often"), "no split"),
    "nothing rated enough": ("a.csv", b"user,item,rating\na,x,1\n", {"min_rating": 4}, (None, None, None), "rated 4"),
    "nothing in the core": (
        "a.csv",
        b"user,item\na,x\nb,y\n",
        {"min_interactions": 2},
        (None, None, None),
        "nothing is left",
    ),
    "negative core": ("a.csv", b"user,item\na,x\n", {"min_interactions": -1}, (None, None, -1), "0 or more"),
    "lightgcn without the time that is needed": (
        "a.txt",
        b"0 1 2 3\n1 2\n",
        {"split": "temporal:0.8,0.1,0.1"},
        (None, "time", None),
        "LightGCN",
    ),
    "lightgcn without items": ("a.txt", b"0\n1\n", {"format": "lightgcn"}, (None, None, None), "no interactions"),
    "movielens of two columns": ("u.data", b"1\t2\n1\t3\n", {}, (1, None, None), "MovieLens"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_refused_with_its_place(settled: Workspace, tmp_path: Path, case: str) -> None:
    name, content, options, place, message = CASES[case]
    path = tmp_path / name
    path.write_bytes(content)
    error = refusal(settled, path, **options)
    assert where(error) == place
    assert message in str(error)
    if "path" not in case and place != (None, None, None) and error.line is not None:
        assert error.path == path


def test_a_missing_file_is_refused(settled: Workspace, tmp_path: Path) -> None:
    error = refusal(settled, tmp_path / "none.csv")
    assert error.path == tmp_path / "none.csv"
    assert "no such file" in str(error)


def test_no_file_at_all_is_refused(settled: Workspace) -> None:
    assert "at least one" in str(refusal(settled, []))


def test_truncated_parquet_is_refused(settled: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"user": list(range(1000)), "item": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-200])
    error = refusal(settled, path)
    assert error.path == path
    assert "cannot read the file" in str(error)


def test_a_missing_id_in_parquet_is_refused_with_its_row(settled: Workspace, tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": [1, None], "item": [1, 2]}), tmp_path / "a.parquet")
    assert where(refusal(settled, tmp_path / "a.parquet")) == (2, "user", None)


def test_parquet_without_rows_is_refused(settled: Workspace, tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"user": pa.array([], pa.string()), "item": pa.array([], pa.string())}), tmp_path / "a.parquet"
    )
    assert "no interactions" in str(refusal(settled, tmp_path / "a.parquet"))


def test_a_folder_with_only_a_test_file_is_refused(settled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("user,item\na,x\n")
    error = refusal(settled, tmp_path)
    assert error.path == tmp_path
    assert "no train file" in str(error)


def test_a_folder_in_which_the_interactions_cannot_be_told_is_refused(settled: Workspace, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("user,item\na,x\n")
    assert "a.csv, b.csv" in str(refusal(settled, tmp_path))


def test_a_folder_among_files_is_refused(settled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item\na,x\n")
    assert "one folder" in str(refusal(settled, [tmp_path, tmp_path / "a.csv"]))


def test_a_bad_second_file_is_refused_with_its_own_place(settled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("user,item,rating\na,x,1\n")
    (tmp_path / "test.csv").write_text("user,item,rating\na,y,1\na,z,?\n")
    error = refusal(settled, tmp_path)
    assert error.path == tmp_path / "test.csv"
    assert where(error) == (3, "rating", "?")


def test_a_name_that_is_taken_is_refused(settled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item\na,x\n")
    error = refusal(settled, tmp_path / "a.csv", name="there")
    assert error.value == "there"
    assert "already" in str(error)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "x" * 65, "../up", "a\n"])
def test_a_name_that_is_no_name_is_refused(settled: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("user,item\na,x\n")
    assert refusal(settled, tmp_path / "a.csv", name=name).value == name


def test_a_replacement_that_fails_leaves_the_old_dataset(settled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item,rating\na,x,bad\n")
    refusal(settled, tmp_path / "a.csv", name="there", replace=True)


ATTRIBUTES: dict[str, tuple[str, dict[str, Any], tuple[int | None, str | None, object], str]] = {
    "no id column": ("thing,genre\n2,a\n", {}, (1, "id", None), "thing, genre"),
    "id column named wrongly": ("item,genre\n2,a\n", {"id": "itm"}, (1, "itm", None), "did you mean item"),
    "missing id": ("item,genre\n2,a\n,b\n", {}, (3, "item", None), "id is missing"),
    "no attributes": ("item,item_id\n2,2\n", {"columns": ["item"]}, (1, "item", None), "besides"),
    "no header": ("2,3\n3,4\n", {}, (1, "id", None), "2, 3"),
    "numbers without columns": ("2 3 4\n3 4\n", {}, (1, None, None), "needs a header"),
    "ids of something else": ("item,genre\nzz,a\n", {}, (None, None, "zz"), "none of the ids"),
    "no values": ("item,genre\n2,\n", {}, (None, None, None), "none of the ids"),
}


@pytest.mark.parametrize("case", ATTRIBUTES)
def test_bad_attributes_are_refused_with_their_place(settled: Workspace, tmp_path: Path, case: str) -> None:
    text, options, place, message = ATTRIBUTES[case]
    (tmp_path / "items.csv").write_text(text)
    before = state(settled)
    with pytest.raises(InputError, match=message) as caught:
        ingest_attributes(settled, "item", "there", tmp_path / "items.csv", **options)
    assert state(settled) == before
    assert where(caught.value) == place


def test_attributes_need_a_dataset_an_entity_and_files(settled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item,genre\n2,a\n")
    with pytest.raises(InputError, match="did you mean there"):
        ingest_attributes(settled, "item", "their", tmp_path / "items.csv")
    with pytest.raises(InputError, match="item or user"):
        ingest_attributes(settled, "thing", "there", tmp_path / "items.csv")
    with pytest.raises(InputError, match="folder"):
        ingest_attributes(settled, "item", "there", tmp_path)
    with pytest.raises(InputError, match="no such file"):
        ingest_attributes(settled, "item", "there", tmp_path / "none.csv")
    with pytest.raises(InputError, match="at least one"):
        ingest_attributes(settled, "item", "there", [])


AMBIGUOUS = "woman,event\nEvelyn,bridge\nLaura,bridge\nEvelyn,dinner\n"


def test_a_first_line_that_may_be_names_or_a_row_is_refused_with_both_ways_out(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "davis.csv"
    file.write_text(AMBIGUOUS)
    with pytest.raises(InputError, match=r"woman, event.*--user and --item.*--headerless") as refused:
        ingest_interactions(workspace, "d", file)
    assert refused.value.line == 1
    assert workspace.warehouse.rows("SELECT * FROM datasets") == []
    assert ingest_interactions(workspace, "named", file, user="woman", item="event", split=None).users == 2
    assert ingest_interactions(workspace, "rows", file, headerless=True, split=None).users == 3


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("woman,event\nW1,E1\nW2,E1\nW1,E2\n", None),  # names above codes: none is the user
        ("W1,E1\nW2,E1\nW1,E2\n", {"user": "user", "item": "item"}),  # a code above codes
        ("Evelyn,bridge\nLaura,bridge\n", {"user": "user", "item": "item"}),  # a value that comes again
    ],
)
def test_a_first_line_is_told_by_codes_and_repeated_values(
    workspace: Workspace, tmp_path: Path, text: str, columns: dict[str, str] | None
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text)
    if columns is None:
        with pytest.raises(InputError, match="there are: woman, event; name it with --user"):
            ingest_interactions(workspace, "d", file)
    else:
        assert ingest_interactions(workspace, "d", file, split=None).columns == columns
