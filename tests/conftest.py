"""Fixtures every test folder shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from distaff_data.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "workspace")
