"""Fixtures every test folder shares."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import typer.testing
from hypothesis import HealthCheck, settings
from lanes import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_runtest_logreport,
    pytest_sessionfinish,
)

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is imported
# Where bytecode is not to be written, every run would compile each test anew, and every process a test starts each module.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from distaff_data.workspace import Workspace

sys.dont_write_bytecode = False

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_runtest_logreport", "pytest_sessionfinish"]

# No verdict hangs on how busy the machine is, or on which examples a run happens to draw: every machine sees the same ones.
# They hold what was found before, so a quarter of the usual hundred will do; `pytest --hypothesis-profile=searching` looks
# for new ones, a hundred a test.
settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("searching"), derandomize=True, max_examples=25)
settings.load_profile("steady")


@pytest.fixture(scope="session", autouse=True)
def _verbs_built_once() -> Iterator[None]:
    """Keep the tree of verbs from one call of the command line to the next: to build it takes an eighth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        once = functools.cache(typer.main.get_command)
        patch.setattr(typer.main, "get_command", once)
        patch.setattr(typer.testing, "_get_command", once)
        yield


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty workspace, to be copied: its sixty tables take fifteen times as long to make as to copy."""
    return Workspace.create(tmp_path_factory.mktemp("empty") / "workspace").root


@pytest.fixture
def workspace(empty: Path, tmp_path: Path) -> Workspace:
    """An empty workspace of the test's own."""
    shutil.copytree(empty, tmp_path / "workspace")
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep in this process instead of starting others, a python and its imports each: what the workers do is the same."""
    from distaff.sweeps import processes, worker  # the tests of most folders know no sweep

    def watch(workspace: Workspace, study: Any, n: int, timeout: Any, storage: Any, follow: Any, engine: str) -> None:
        worker.work(workspace, study.study_name, storage=storage, timeout=timeout)
        follow()

    monkeypatch.setattr(processes, "watch", watch)
