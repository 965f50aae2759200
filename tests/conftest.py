"""Fixtures every test folder shares."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
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
# `pytest --hypothesis-profile=searching` looks for new ones.
settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("searching"), derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty workspace, to be copied: its sixty tables take fifteen times as long to make as to copy."""
    return Workspace.create(tmp_path_factory.mktemp("empty") / "workspace").root


@pytest.fixture
def workspace(empty: Path, tmp_path: Path) -> Workspace:
    """An empty workspace of the test's own."""
    shutil.copytree(empty, tmp_path / "workspace")
    return Workspace.open(tmp_path / "workspace")
