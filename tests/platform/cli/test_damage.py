"""Whatever file of a workspace is damaged, every verb answers in a line, and ``doctor`` says which file it is."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from every_verb import NOT_CALLED, Call, commands, done, fill
from typer.main import get_command

from distaff.cli import main
from distaff.cli.app import app

_CALM = {".lock", ".tmp"}  # what holds nothing


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A workspace, and its runs; the files that it was made from are in the folder ``files`` beside it."""
    root = tmp_path_factory.mktemp("damage")
    (root / "files").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        output = tmp_path_factory.mktemp("output")
        return root / "ws", fill(_caller(root / "ws", patch, output), root / "files")


def _caller(workspace: Path, patch: pytest.MonkeyPatch, output: Path) -> Call:
    def call(*arguments: str) -> tuple[int, str, str]:
        patch.setattr(sys, "argv", ["distaff", "--workspace", str(workspace), *arguments])
        with (output / "out").open("w+") as out, (output / "err").open("w+") as err:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit) as ended:
                main()
            patch.setattr(sys, "stdout", sys.__stdout__)
            patch.setattr(sys, "stderr", sys.__stderr__)
            for file in (out, err):
                file.seek(0)
            return int(ended.value.code or 0), out.read(), err.read()

    return call


@pytest.fixture
def call(filled: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls a verb on a copy of the workspace, which is ``tmp_path / "ws"``."""
    shutil.copytree(filled[0], tmp_path / "ws")
    return _caller(tmp_path / "ws", monkeypatch, tmp_path)


def _damage(file: Path, chance: random.Random) -> str:
    """Do one of four things to a file; returns which."""
    kind = chance.choice(["cut", "flipped", "emptied", "gone"])
    size = file.stat().st_size
    if kind == "gone":
        file.unlink()
    elif kind == "cut":
        os.truncate(file, chance.randrange(max(size, 1)))
    elif kind == "emptied":
        os.truncate(file, 0)
    else:
        content = bytearray(file.read_bytes())
        for place in chance.sample(range(size), min(size, 3)):
            content[place] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
    return kind


def test_every_verb_has_a_command_line_here() -> None:
    root: Any = get_command(app)
    verbs = {
        f"{name} {inner}" if (group := getattr(verb, "commands", None)) else name
        for name, verb in root.commands.items()
        for inner in (getattr(verb, "commands", None) or [""])
    }
    assert set(commands(dict.fromkeys(("nmf", "popularity", "pca", "nsigma"), "run"), Path())) == verbs - set(NOT_CALLED)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_any_damaged_file_is_told_in_a_line_by_every_verb(
    call: Call, filled: tuple[Path, dict[str, str]], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    root = tmp_path / "ws"
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.suffix not in _CALM and p.stat().st_size)
    file = chance.choice(files)
    kind = _damage(file, chance)
    for verb, arguments in commands(filled[1], filled[0].parent / "files").items():
        status, out, err = call(*arguments)
        where = f"{verb} with {file.relative_to(root)} {kind}: {out} {err}"
        assert "Traceback" not in err, where
        assert status in (0, 1, 2), where
        assert status != 1 or verb in ("audit", "doctor"), where
