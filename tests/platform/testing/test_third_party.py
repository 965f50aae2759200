"""A stranger's package: built, installed beside Distaff, held to the suites, trained, ranked and shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import distaff
import distaff_dashboards

pytestmark = pytest.mark.processes

ROOTS = [
    str(Path(distaff.__file__).parents[2] / root) for root in ("platform", "graph", "timeseries", "dashboards", "data")
]

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-models"
version = "1.0"
dependencies = ["distaff"]

[project.entry-points."distaff.models"]
acme_neighbours = "acme_models:Neighbours"
acme_last = "acme_models:LastValue"
acme_spread = "acme_models:Spread"

[tool.hatch.build.targets.wheel]
packages = ["acme_models"]
"""

MODELS = '''
"""Three small models, one of each kind."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field

import distaff
from distaff.model.config import ModelConfig
from distaff.series.contract import SeriesConfig
from distaff.series.forecasting import Encoding


class NeighboursConfig(ModelConfig):
    """Settings of the neighbours.

    Attributes:
        shrinkage: Added to the number of people who took either item.
    """

    shrinkage: Annotated[float, Field(ge=0)] = 1.0


class Neighbours(distaff.Recommender):
    """Items that were taken together, by the share of people who took both."""

    name = "acme_neighbours"
    Config = NeighboursConfig

    def _fit(self, data, session):
        taken = data.train.dense()
        both = taken.T @ taken
        counts = both.diagonal()
        weights = both / (counts[:, None] + counts[None, :] - both + self.config.shrinkage)
        self.weights = weights.fill_diagonal_(0)

    def predict(self, users):
        return self.fold_in(self.data.train.take(users))

    def fold_in(self, history):
        return history.dense() @ self.weights

    def state(self):
        return {"weights": self.weights}

    def load_state(self, state):
        self.weights = state["weights"]
'''

SUITE = """
import pytest
from acme_models import Neighbours
from distaff.testing import RecommenderSuite


class TestNeighbours(RecommenderSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def make(cls):
        return lambda: Neighbours(shrinkage=2.0)
"""

END = "-- end of a verb --"
VERBS = f"""
import json, sys
from distaff.cli import main
for verb in json.loads(sys.argv[1]):
    sys.argv = ["distaff", *verb]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, (verb, ended.code)
    print({END!r})
"""

SHOWN = """
from streamlit import config
from streamlit.testing.v1 import AppTest
config.set_option("server.address", "127.0.0.1")  # it shows nothing where others reach the server
app = AppTest.from_file({app!r}, default_timeout=600)
app.run()
assert not app.exception, app.exception
text = " ".join(str(getattr(element, "value", "")) for element in app.main)
text += " ".join(frame.value.astype(str).to_string() for frame in app.dataframe)
assert "acme_neighbours" in text.replace("\\\\", ""), text  # home names the best; Markdown's own signs are escaped
"""


def environment(folder: Path) -> Path:
    """Make a fresh environment that sees what is installed here, and Distaff's sources; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "shared.pth").write_text("\n".join([*ROOTS, sysconfig.get_paths()["purelib"]]))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment into which the package was built and installed."""
    package = tmp_path_factory.mktemp("acme")
    (package / "acme_models").mkdir()
    (package / "pyproject.toml").write_text(PYPROJECT)
    (package / "acme_models" / "__init__.py").write_text(MODELS)
    interpreter = environment(package / "environment")
    install = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--no-build-isolation", str(package)], check=True, timeout=600)
    return interpreter


def call(python: Path, *arguments: str, workspace: Path) -> str:
    environ = {**os.environ, "DISTAFF_WORKSPACE": str(workspace), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([str(python), *arguments], env=environ, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_a_strangers_model_passes_the_suite(python: Path, tmp_path: Path) -> None:
    (tmp_path / "test_acme.py").write_text(SUITE)
    said = call(
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        f"--rootdir={tmp_path}",
        str(tmp_path),
        workspace=tmp_path,
    )
    assert "passed" in said
    assert "failed" not in said


def test_a_strangers_model_trains_and_stands_on_the_board_and_in_the_dashboard(python: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    size = ["--set", "n_users=80", "--set", "n_items=40", "--set", "n_events=2000"]
    verbs = [
        ["init", str(workspace)],
        ["sample", "planted-interactions", "--as", "shop", *size],
        ["train", "popularity", "shop"],
        ["train", "acme_neighbours", "shop"],
        ["models"],
        ["board", "shop", "--json"],
    ]
    said = call(python, "-c", VERBS, json.dumps(verbs), workspace=workspace).split(END)
    models, board = said[-3], json.loads(said[-2])
    assert {row["model"] for row in board["rows"]} == {"popularity", "acme_neighbours"}
    assert "acme_neighbours" in models
    app = Path(distaff_dashboards.__file__).with_name("app.py")
    call(python, "-c", SHOWN.format(app=str(app)), workspace=workspace)
