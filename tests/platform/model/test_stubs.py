"""The stub by which editors and type checkers know our models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from distaff.model import catalogue
from distaff.model.stubs import STUB, stub

ROOT = Path(__file__).parents[3]
PACKAGES = ("platform", "graph", "timeseries", "data")
SNIPPET = """\
import distaff

model = distaff.DCCF(n_intents=32, lr=0.01)
reveal_type(model)
reveal_type(model.recommend(["u"]))
reveal_type(distaff.DCCF)
distaff.DCCF(n_intentz=1)
distaff.DCCF(n_intents="many")
distaff.DCFF()
plain: distaff.Recommender = model
"""


def test_the_committed_stub_is_what_the_configurations_say() -> None:
    assert STUB.read_text(encoding="utf-8") == stub(), "run: python -m distaff.model.stubs"


def test_the_committed_catalogue_is_what_the_classes_say() -> None:
    assert catalogue.FILE.read_text(encoding="utf-8") == catalogue.written(), "run: python -m distaff.model.stubs"


@pytest.fixture(scope="module")
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What mypy says about each line of the snippet; what it read of other files is kept for the next run."""
    folder = tmp_path_factory.mktemp("stub")
    kept = request.config.cache.mkdir("stub") if hasattr(request.config, "cache") else folder / "cache"
    (folder / "snippet.py").write_text(SNIPPET)
    # torch and others are left out: nothing asked here needs their types, and reading them takes a minute.
    skipped = "".join(f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in ("torch", "numpy", "pydantic", "scipy"))
    paths = ":".join(str(ROOT / name) for name in PACKAGES)
    (folder / "mypy.ini").write_text(
        f"[mypy]\nmypy_path = {paths}\nexplicit_package_bases = True\nfollow_imports = silent\n"
        f"ignore_missing_imports = True\ncache_dir = {kept}\n{skipped}"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-color-output", "snippet.py"]
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout
    messages: dict[int, str] = {}
    for line in out.splitlines():
        if line.startswith("snippet.py:"):
            _, number, text = line.split(":", 2)
            messages[int(number)] = messages.get(int(number), "") + text
    return messages


def test_settings_are_known_to_type_checkers(said: dict[int, str]) -> None:
    assert 'Revealed type is "distaff.DCCF"' in said[4]
    assert "n_intents: int" in said[6]
    assert 'Unexpected keyword argument "n_intentz"' in said[7]
    assert 'incompatible type "str"; expected "int"' in said[8]
    assert 'no attribute "DCFF"' in said[9]


def test_what_models_return_is_known_to_type_checkers(said: dict[int, str]) -> None:
    assert "polars" in said[5]
    assert "DataFrame" in said[5]


def test_nothing_else_is_complained_about(said: dict[int, str]) -> None:
    assert said.keys() == {4, 5, 6, 7, 8, 9}
