"""Whatever file of a workspace is damaged, every verb answers in a line, and ``doctor`` says which file it is."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from every_verb import NOT_CALLED, Call, commands, done, fill
from typer.main import get_command

from distaff.cli import main
from distaff.cli.app import app
from distaff_data.warehouse import store

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
        f"{name} {inner}".strip()
        for name, verb in root.commands.items()
        for inner in (getattr(verb, "commands", None) or [""])
    }
    assert set(commands(dict.fromkeys(("nmf", "popularity", "pca", "nsigma"), "run"), Path())) == verbs - set(
        NOT_CALLED
    )


_ROUNDS = 6


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(_ROUNDS))
def test_any_damaged_file_is_told_in_a_line_by_every_verb(
    call: Call, filled: tuple[Path, dict[str, str]], tmp_path: Path, seed: int
) -> None:
    """Each round damages a file and calls its share of the verbs; all rounds together call all."""
    chance, root = random.Random(seed), tmp_path / "ws"
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.suffix not in _CALM and p.stat().st_size)
    file = chance.choice(files)
    kind = _damage(file, chance)
    calls = list(commands(filled[1], filled[0].parent / "files").items())
    for verb, arguments in [*calls[seed::_ROUNDS], ("doctor", ["doctor"])]:
        status, out, err = call(*arguments)
        where = f"{verb} with {file.relative_to(root)} {kind}: {out} {err}"
        assert "Traceback" not in err, where
        assert status in (0, 1, 2), where
        assert status != 1 or verb in ("audit", "doctor"), where


def _of(root: Path, table: str, pattern: str) -> Path:
    return sorted((root / "warehouse" / table).glob(pattern))[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "pattern", "kind", "repaired"),
    [
        ("publications", "_delta_log/*.json", "cut", True),
        ("runs", "_delta_log/*.json", "emptied", True),
        ("runs", "*.parquet", "gone", True),
        ("users", "_delta_log/00000000000000000000.json", "cut", True),
        ("forecasts", "_delta_log/*.json", "gone", True),
        ("", "schema.json", "cut", True),
        ("publications", "_delta_log/00000000000000000001.json", "gone", False),
    ],
)
def test_doctor_names_the_damaged_file_and_repairs_what_can_be(
    call: Call, tmp_path: Path, table: str, pattern: str, kind: str, repaired: bool
) -> None:
    file = _of(tmp_path / "ws", table, pattern)
    if kind == "gone":
        file.unlink()
    else:
        os.truncate(file, 50 if kind == "cut" and file.suffix == ".json" and table else 0)
    status, out, err = call("doctor", "--json")
    assert status == 1, err
    problems = [f for f in json.loads(out)["findings"] if f["state"] == "problem"]
    assert any(str(file) in f["detail"] or str(file.parent) in f["detail"] for f in problems), problems
    assert call("runs")[0] in (0, 2)
    call("doctor", "--fix")
    status, out, err = call("doctor", "--json")
    assert (status == 0) == repaired, out
    assert call("datasets")[0] == (0 if repaired else 2)


@pytest.mark.slow
def test_dataset_that_lost_rows_is_shown_no_more_and_can_be_ingested_again(
    call: Call, filled: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    """A part of a generation is never shown as the whole."""
    file = _of(tmp_path / "ws", "interactions", "*.parquet")
    file.write_bytes(file.read_bytes()[:200])
    status, _, err = call("train", "popularity", "shop")
    assert (status, file.name in err) == (2, True)
    call("doctor", "--fix")
    assert "dataset/shop" not in done(call("sql", "SELECT target FROM publications WHERE generation IS NOT NULL"))
    assert (tmp_path / "ws" / "warehouse" / ".damaged" / "interactions" / file.name).is_file()
    orders = str(filled[0].parent / "files" / "orders.csv")
    done(call("ingest", "interactions", "shop", orders, "--replace", "--split", "random:0.6,0.2,0.2"))
    done(call("train", "popularity", "shop"))


@pytest.mark.slow
def test_disk_that_refuses_is_told_in_a_line(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a folder that may not be written: root, who runs these tests, is stopped by neither."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "ws" / "x"))

    monkeypatch.setattr(store, "write_deltalake", refuse)
    for arguments in (("train", "popularity", "shop"), ("promote", "champion", "--as", "other")):
        status, _, err = call(*arguments)
        assert (status, err.strip().splitlines()[-1]) == (2, f"error: {tmp_path}/ws/x: No space left on device")
