"""The source roots must never become importable top-level packages, and the facade must stay lazy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import lanes
import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOTS = ["platform", "graph", "timeseries", "dashboards", "data"]
PACKAGES = ["distaff", *(f"distaff_{root}" for root in ROOTS[1:])]


@pytest.mark.parametrize("root", ROOTS)
def test_source_root_is_no_package(root: str) -> None:
    assert not list((ROOT / root).glob("__init__.py*"))
    names = {p.stem for p in (ROOT / root).rglob("*.py")} | {p.name for p in (ROOT / root).iterdir()}
    assert not names & sys.stdlib_module_names


def test_test_folders_are_no_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_tests_that_are_named_as_slow_are_there() -> None:
    suites = "".join(file.read_text() for file in (ROOT / "platform/distaff/testing").glob("*.py"))
    named = lanes.named()
    assert named
    for name in named:
        file, *_, function = name.split("::")
        assert f"def {function}(" in (ROOT / file).read_text() + suites, name


def test_standard_library_platform_is_imported_from_the_root() -> None:
    code = "import platform, uuid; print(uuid.uuid4(), platform.__file__)"
    out = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert ROOT not in Path(out.split()[-1]).parents or ".venv" in out


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_imports_first(package: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {package}"], cwd=ROOT, check=True)


def test_facade_imports_nothing_heavy() -> None:
    code = "import distaff, sys; assert not {'torch', 'duckdb', 'streamlit'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    "name", ["DCCF", "EASE", "LightGCN", "Interactions", "Recommender", "Series", "SeriesModel", "TimeDRL", "Workspace"]
)
def test_facade_name(name: str) -> None:
    import distaff

    assert name in dir(distaff)
    assert getattr(distaff, name) is not None


def test_nothing_is_unpickled() -> None:
    words = ("pick" + "le", "job" + "lib", "torch." + "load", "weights_only=" + "False")
    for root in ROOTS:
        for file in (ROOT / root).rglob("*.py"):
            text = file.read_text()
            assert not [
                word for word in words if f"import {word}" in text or f"{word}(" in text or f"{word}." in text
            ], file


def test_a_public_class_has_a_name_of_its_own() -> None:
    homes: dict[str, list[str]] = {}
    for root in ROOTS:
        for file in (ROOT / root).rglob("*.py"):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_no_model_stands_on_more_than_four_others() -> None:
    from distaff.model.registry import model_class, names

    ours = {name: [c for c in model_class(name).__mro__ if c.__module__.startswith("distaff")] for name in names()}
    assert {name: classes for name, classes in ours.items() if len(classes) > 5} == {}
