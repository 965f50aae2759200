"""What the command line imports before it has anything to compute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distaff_data.planted.samples import sample
from distaff_data.workspace import Workspace

# Not pandas: where it is installed, Arrow imports it to give a time with a zone.
HEAVY = {"torch", "torch_geometric", "sklearn", "scipy", "optuna", "sqlalchemy"}
ENGINES = {"duckdb", "deltalake", "pyarrow", "numpy", "polars"}
WATCHED = f"""
import json, sys
sys.argv[0] = "distaff"
from distaff.cli import main
try:
    main()
finally:
    print(json.dumps(sorted({HEAVY | ENGINES!r} & set(sys.modules))), file=sys.stderr)
"""


def loaded(*arguments: str, **environment: str) -> set[str]:
    """Return the heavy libraries that a call of the command line imported."""
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    workspace = Workspace.create(tmp_path_factory.mktemp("startup") / "workspace")
    sample(workspace, "planted-interactions", n_users=60, n_items=40)
    return str(workspace.root)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["train", "--help"], ["schedule", "add", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded(*arguments)


def test_completion_imports_nothing_heavy() -> None:
    assert not loaded(_DISTAFF_COMPLETE="complete_bash", COMP_WORDS="distaff tr", COMP_CWORD="1")


@pytest.mark.parametrize("arguments", [["models"], ["runs"], ["datasets"], ["aliases"], ["schedule", "list"]])
def test_listing_verbs_import_no_library_of_models(arguments: list[str], folder: str) -> None:
    assert not loaded("--workspace", folder, *arguments) & HEAVY


def test_the_facade_imports_nothing_heavy_until_a_name_is_asked_for() -> None:
    code = f"import distaff, sys; distaff.__all__; print({HEAVY | ENGINES!r} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()", Path(shown.stdout)


@pytest.mark.parametrize("module", ["timedrl.model", "controls.pca", "controls.series_ica"])
def test_a_series_model_imports_no_library_that_a_fit_alone_may_need(module: str) -> None:
    code = f"import distaff_timeseries.{module}, sys; print({{'sklearn', 'pandas'}} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
