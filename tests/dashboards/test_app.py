"""The app as a whole: its addresses, and what it costs to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from dashboard_pages import APP, opened
from streamlit.testing.v1 import AppTest

from distaff_dashboards.ui.places import MENU
from distaff_data.workspace import Workspace

TITLES = {
    "home": "Home",
    "factors": "Factors",
    "factor": "Factor",
    "person": "Person",
    "item": "Item",
    "words": "Words",
    "blind-spots": "Blind spots",
    "series": "Series",
    "incident": "Incident",
    "followed": "Followed",
    "board": "Board",
    "run": "Run",
    "compare": "Compare",
    "audit": "Audit",
    "sweeps": "Sweeps",
    "jobs": "Jobs",
    "glossary": "Glossary",
}


@pytest.mark.parametrize("path", TITLES)
def test_every_page_has_an_address_of_its_own(monkeypatch: pytest.MonkeyPatch, workspace: Workspace, path: str) -> None:
    assert opened(monkeypatch, workspace.root, path).title[0].value == TITLES[path]


def test_every_place_is_in_the_menu_and_has_a_page() -> None:
    assert {place.path: place.title for section in MENU.values() for place in section} == TITLES


def test_the_first_page_is_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(tmp_path))
    assert AppTest.from_file(str(APP), default_timeout=600).run().title[0].value == "Home"


def test_pages_are_there_before_anything_slow_is_loaded() -> None:
    script = (
        "import logging, sys; logging.disable(); import ast, importlib, pathlib\n"
        f"for node in ast.parse(pathlib.Path({str(APP)!r}).read_text()).body:\n"
        "    if isinstance(node, ast.ImportFrom): importlib.import_module(node.module)\n"
        "print(*sorted({'torch', 'sklearn', 'scipy', 'optuna', 'distaff.runs.training'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
