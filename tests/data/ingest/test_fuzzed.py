"""Files that ``benchmarks/fuzz.py`` made: each is read, or refused in a line, and nothing else happens."""

from __future__ import annotations

import importlib.util
import random
import shutil
import zlib
from pathlib import Path

import pytest

import distaff_data
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

_spec = importlib.util.spec_from_file_location(
    "fuzz", Path(distaff_data.__file__).parents[2] / "benchmarks" / "fuzz.py"
)
assert _spec is not None
assert _spec.loader is not None
fuzz = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzz)

CORPUS = sorted((Path(__file__).parent / "fuzzed").iterdir())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Workspace]:
    folder = tmp_path_factory.mktemp("fuzzed")
    return folder, fuzz.prepared(folder)


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_kept_file_is_refused_in_a_line(shop: tuple[Path, Workspace], file: Path) -> None:
    folder, workspace = shop
    name = file.name.partition("-")[2]
    ingest, _ = fuzz.seeds()[name]
    with pytest.raises(InputError) as caught:
        ingest(workspace, fuzz.write(folder / "file", name, file.read_bytes()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", fuzz.seeds())
def test_undamaged_file_of_every_format_is_accepted(shop: tuple[Path, Workspace], name: str) -> None:
    folder, workspace = shop
    ingest, content = fuzz.seeds()[name]
    result = fuzz.outcome(workspace, ingest, fuzz.write(folder / "file", name, content))
    assert result == {"outcome": "accepted", "why": None}


@pytest.mark.parametrize("name", fuzz.seeds())
def test_damaged_file_of_every_format_is_accepted_whole_or_refused(shop: tuple[Path, Workspace], name: str) -> None:
    folder, workspace = shop
    ingest, content = fuzz.seeds()[name]
    chance = random.Random(zlib.crc32(name.encode()))
    for _ in range(2):
        damaged = fuzz.mutated(name, content, chance)
        result = fuzz.outcome(workspace, ingest, fuzz.write(folder / "file", name, damaged))
        assert result["outcome"] in ("accepted", "refused"), result
        shutil.rmtree(folder / "file")
