"""The commands and the Python of the README and the documentation run as they stand, each page from top to bottom.

A page's blocks share a folder with small files (``tests/support/example_files.py``), a workspace and one Python session.
``RUN`` stands for the newest run, ``USER`` for a user, ``WORD`` for a word of the example's descriptions.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from example_files import frame_of_interactions, write_example_files
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.runs import records
from distaff_data.workspace import Workspace

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STANDS_FOR = {"USER": "c1", "WORD": "silk"}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the kind and the text of a page's blocks that can be executed."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISTAFF_WORKSPACE", raising=False)
    write_example_files(tmp_path)
    yield tmp_path
    os.chdir(ROOT)


def carry_out(command: str) -> None:
    """Run one line of a console, ``distaff`` in this process."""
    words = [word.replace("RUN", _newest_run()) if "RUN" in word else word for word in shlex.split(command)]
    for name, value in STANDS_FOR.items():
        words = [word.replace(name, value) for word in words]
    assert words[0] == "distaff", f"pages show distaff's own commands: {command}"
    result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert result.exit_code == 0, f"{command}\n{result.output}"


def _newest_run() -> str:
    return next(run.run for run in records.listing(Workspace.open(Path("workspace"))) if run.status == "done")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_blocks_of_a_page_run_from_top_to_bottom(page: Path, folder: Path) -> None:
    names: dict[str, object] = {"__name__": "page", "frame": frame_of_interactions()}
    for kind, text in blocks(page):
        if kind == "python":
            exec(compile(text, str(page), "exec"), names)
            continue
        for line in text.splitlines():
            if line.startswith("$ "):
                carry_out(line.removeprefix("$ "))


def test_no_command_of_a_page_is_left_out_of_its_test() -> None:
    for page in PAGES:
        others = re.sub(BLOCK, "", page.read_text(encoding="utf-8"))
        loose = re.findall(r"^(?:\$ )?distaff .*", others, re.MULTILINE)
        assert not loose, f"{page.name}: make these a console block, with $ before each command: {loose}"
