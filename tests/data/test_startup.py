"""Imports of the data layer before it is asked for anything."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torch_geometric", "sklearn", "scipy", "pandas", "polars")
LIGHT = (
    "distaff_data.workspace",
    "distaff_data.warehouse",
    "distaff_data.errors",
    "distaff_data.schema",
    "distaff_data.tables.datasets",
    "distaff_data.tables.people",
    "distaff_data.tables.reports",
    "distaff_data.ingest",
    "distaff_data.ingest.interactions",
    "distaff_data.ingest.attributes",
)


def loaded_by(module: str) -> set[str]:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(shown.stdout))


@pytest.mark.parametrize("module", LIGHT)
def test_a_module_that_listing_verbs_need_imports_no_heavy_library(module: str) -> None:
    assert not loaded_by(module) & set(HEAVY)


def test_the_ingest_package_loads_neither_the_engine_nor_arrow_until_a_function_is_asked_for() -> None:
    # The command line describes the options of its ingest verbs without them.
    assert not loaded_by("distaff_data.ingest") & {"duckdb", "deltalake", "pyarrow", "numpy"}
    assert not loaded_by("distaff_data.ingest.options") & {"duckdb", "deltalake", "pyarrow", "numpy"}


def test_loading_interactions_imports_no_scikit_learn_until_there_are_words_to_choose() -> None:
    assert "sklearn" not in loaded_by("distaff_data.tables.interactions")


def test_loading_interactions_imports_no_pytorch_geometric_until_a_graph_is_asked_for() -> None:
    assert "torch_geometric" not in loaded_by("distaff_data.tables.interactions")
