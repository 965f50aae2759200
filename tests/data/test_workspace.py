"""Making and opening workspaces."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from distaff_data.errors import InputError
from distaff_data.warehouse.places import Place
from distaff_data.workspace import Workspace, default_root


def test_making_one_twice_opens_it(tmp_path: Path) -> None:
    Workspace.create(tmp_path / "w")
    (tmp_path / "w" / "distaff.toml").write_text("# mine\n")
    again = Workspace.create(tmp_path / "w")
    assert (tmp_path / "w" / "distaff.toml").read_text() == "# mine\n"
    assert again.runs.is_dir()
    assert Workspace.open(tmp_path / "w").warehouse.rows("SELECT * FROM runs") == []


def test_other_peoples_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    for path in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(InputError, match="not a workspace"):
            Workspace.create(path)
    with pytest.raises(InputError, match="distaff init"):
        Workspace.open(tmp_path)


_FIRST = """
import sys
from distaff_data.workspace import Workspace
with Workspace.create(sys.argv[1]).warehouse.publish("dataset/" + sys.argv[2]) as publication:
    publication.append("interactions", [{"user_id": "u"}], dataset=sys.argv[2])
"""


def first_command(root: Path, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _FIRST, str(root), name])


@pytest.mark.parametrize("seen", ["distaff.toml", "warehouse", "warehouse/publications"])
def test_first_command_that_is_killed_is_made_good_by_the_next(tmp_path: Path, seen: str) -> None:
    root = tmp_path / "w"
    child = first_command(root, "a")
    while not (root / seen).exists():
        assert child.poll() is None, "the command ended by itself"
        time.sleep(0.001)
    child.kill()
    child.wait()
    assert Workspace.create(root).warehouse.rows("SELECT * FROM runs") == []


def test_first_command_on_a_full_disk_is_made_good_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def full(place: Place, table: object) -> None:
        made.append(table)
        if len(made) > 3:
            raise OSError(28, "No space left on device")
        create(place, table)  # type: ignore[arg-type]

    create = Place.create
    monkeypatch.setattr(Place, "create", full)
    with pytest.raises(OSError, match="No space"):
        Workspace.create(tmp_path / "w")
    monkeypatch.undo()
    assert Workspace.create(tmp_path / "w").warehouse.rows("SELECT * FROM runs") == []


def test_folder_that_an_older_version_left_half_made_is_taken_up(tmp_path: Path) -> None:
    """Up to 0.2 the configuration came last."""
    Workspace.create(tmp_path / "w")
    (tmp_path / "w" / "distaff.toml").unlink()
    (tmp_path / "w" / "warehouse" / "schema.json").unlink()
    (tmp_path / "w" / ".distaff.toml.0123abcd.part").write_text("")
    assert Workspace.create(tmp_path / "w").warehouse.rows("SELECT * FROM runs") == []
    (tmp_path / "mine" / "warehouse").mkdir(parents=True)
    with pytest.raises(InputError, match="not a workspace"):
        Workspace.create(tmp_path / "mine")


def test_two_first_commands_at_once_both_succeed(tmp_path: Path) -> None:
    children = [first_command(tmp_path / "w", name) for name in ("a", "b")]
    assert [child.wait(timeout=900) for child in children] == [0, 0]
    rows = Workspace.open(tmp_path / "w").warehouse.rows("SELECT dataset FROM interactions ORDER BY dataset")
    assert [row["dataset"] for row in rows] == ["a", "b"]


def test_the_environment_names_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTAFF_WORKSPACE", "/somewhere")
    assert default_root() == Path("/somewhere")
    monkeypatch.delenv("DISTAFF_WORKSPACE")
    assert default_root() == Path("workspace")
