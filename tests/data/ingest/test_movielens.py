"""MovieLens' older files about movies and people, which have no header."""

from __future__ import annotations

from pathlib import Path

import pytest

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.workspace import Workspace

# As GroupLens writes them: Latin-1, empty columns, a genre that means none.
HUNDRED_K = {
    "u.data": "1\t2\t4\t10\n1\t3\t3\t11\n2\t1\t4\t9\n",
    "u.item": "1|Toy Story (1995)|01-Jan-1995||http://x|0|0|1\n2|Café (1994)|01-Jan-1994||http://x|0|1|1\n3|N||||1|0|0\n",
    "u.genre": "unknown|0\nAction|1\nChildren's|2\n\n",
    "u.user": "1|24|M|technician|85711\n2|53|F|other|94043\n",
}
ONE_M = {
    "ratings.dat": "1::2::4::10\n1::3::3::11\n2::1::4::9\n",
    "movies.dat": "1::Toy Story (1995)::Children's\n2::Café (1994)::Action|Children's\n3::N::(no genres listed)\n",
    "users.dat": "1::M::24::technician::85711\n2::F::53::other::94043\n",
}
ITEMS = {
    ("1", "title", "Toy Story (1995)"),
    ("1", "year", "1995"),
    ("1", "genres", "Children's"),
    ("2", "title", "Café (1994)"),
    ("2", "year", "1994"),
    ("2", "genres", "Action"),
    ("2", "genres", "Children's"),
    ("3", "title", "N"),
}
USERS = {
    *(("1", "age", "24"), ("1", "gender", "M"), ("1", "occupation", "technician"), ("1", "zip_code", "85711")),
    *(("2", "age", "53"), ("2", "gender", "F"), ("2", "occupation", "other"), ("2", "zip_code", "94043")),
}


def write(folder: Path, files: dict[str, str], encoding: str = "latin-1") -> None:
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(encoding))


def known(workspace: Workspace, entity: str) -> set[tuple[str, str, str]]:
    rows = workspace.warehouse.rows("SELECT id, name, value FROM attributes WHERE entity = ?", [entity])
    return {(row["id"], row["name"], row["value"]) for row in rows}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@pytest.mark.parametrize("files", [HUNDRED_K, ONE_M])
def test_movies_and_people_come_with_a_folder_of_ratings(
    workspace: Workspace, tmp_path: Path, files: dict[str, str], encoding: str
) -> None:
    folder = tmp_path / "ml"
    folder.mkdir()
    write(folder, files, encoding)
    assert ingest_interactions(workspace, "ml", folder).format == "movielens"
    assert known(workspace, "item") == ITEMS
    assert known(workspace, "user") == USERS


@pytest.mark.parametrize("name", ["u.item", "movies.dat"])
def test_movies_are_read_beside_other_interactions(workspace: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "log.csv").write_text("user,item\n1,2\n")
    write(tmp_path, {file: text for file, text in (HUNDRED_K | ONE_M).items() if file != "u.data"})
    ingest_interactions(workspace, "ml", tmp_path / "log.csv", split=None)
    report = ingest_attributes(workspace, "item", "ml", tmp_path / name, columns=["title", "genres"])
    assert (report.described, report.unknown, report.attributes) == (1, 2, ("genres", "title"))
    assert known(workspace, "item") == {row for row in ITEMS if row[1] != "year"}


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("u.item", "1|A|d||x|0|0|1\n\n2|B|d||x|0|1\n", r"u\.item, line 3.*8 parts"),
        ("u.item", "1|A|d||x|0|0|1\n2|B|d||x|0|yes|1\n", r"u\.item, line 2.*0 or 1"),
        ("u.item", "1|A|d||x|0|0|1\n |B|d||x|0|1|1\n", r"u\.item, line 2.*id is missing"),
        ("u.item", "", r"u\.item.*empty"),
        ("u.genre", "unknown|0\nAction|2\n", r"u\.genre, line 2.*number, 1"),
        ("u.user", "1|24|M\n", r"u\.user, line 1.*5 parts"),
        ("movies.dat", "1::A::Noir\n2::B\n", r"movies\.dat, line 2.*3 parts"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused_with_its_line_and_nothing_changes(
    workspace: Workspace, tmp_path: Path, file: str, text: str, named: str
) -> None:
    write(tmp_path, (ONE_M if file == "movies.dat" else HUNDRED_K) | {file: text})
    with pytest.raises(InputError, match=named):
        ingest_interactions(workspace, "ml", tmp_path / ("ratings.dat" if file == "movies.dat" else "u.data"))
    assert workspace.warehouse.rows("SELECT * FROM datasets") == []


def test_flags_of_genres_without_their_names_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    write(tmp_path, {name: text for name, text in HUNDRED_K.items() if name != "u.genre"})
    with pytest.raises(InputError, match=r"u\.genre.*missing"):
        ingest_interactions(workspace, "ml", tmp_path / "u.data")


def test_the_folder_one_stands_in_is_a_folder(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    write(folder, ONE_M)
    monkeypatch.chdir(folder)
    assert ingest_interactions(workspace, "ml", ".").users == 2
