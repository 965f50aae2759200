"""Making and opening workspaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from distaff_data.errors import InputError
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


def test_the_environment_names_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTAFF_WORKSPACE", "/somewhere")
    assert default_root() == Path("/somewhere")
    monkeypatch.delenv("DISTAFF_WORKSPACE")
    assert default_root() == Path("workspace")
