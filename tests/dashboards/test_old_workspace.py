"""Every page opens over a workspace that version 0.1 made."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from dashboard_pages import opened

from distaff_data.workspace import Workspace

ARCHIVE = Path(__file__).parents[1] / "support" / "workspace-0.1.tar.xz"
PATHS = ("home", "factors", "factor", "person", "item", "words", "blind-spots", "series", "incident", "board", "run",
         "compare", "audit", "sweeps", "jobs", "glossary")  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return Workspace.open(folder / "workspace").root


@pytest.mark.parametrize("path", PATHS)
def test_a_page_opens_over_a_workspace_of_the_version_before(
    path: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, root, path)
    assert not app.error
