"""What ``import distaff`` offers, and what it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import distaff
from distaff.model.registry import class_names, model_class


def _python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_it_loads_no_library() -> None:
    heavy = ("torch", "polars", "pandas", "pyarrow", "numpy", "sklearn", "duckdb", "distaff.model")
    loaded = _python(f"import sys, distaff; print([name for name in {heavy} if name in sys.modules])")
    assert loaded == "[]"


def test_listing_its_names_loads_no_model() -> None:
    assert _python("import sys, distaff; dir(distaff); print('torch' in sys.modules, 'DCCF' in dir(distaff))") == (
        "False True"
    )


def test_importing_it_takes_less_than_a_fifth_of_a_second_of_work() -> None:
    program = "import time; start = time.process_time(); import distaff; print(time.process_time() - start)"
    assert min(float(_python(program)) for _ in range(3)) < 0.2


@pytest.mark.parametrize(("name", "registered"), class_names("distaff").items())
def test_every_model_is_there_by_its_class(name: str, registered: str) -> None:
    model = getattr(distaff, name)
    assert model is model_class(registered)
    assert name in distaff.__all__
    assert name in dir(distaff)
    assert list(inspect.signature(model).parameters) == list(model.Config.model_fields)


def test_everything_public_can_be_had() -> None:
    for name in distaff.__all__:
        assert getattr(distaff, name) is not None
    assert {"Recommender", "SeriesModel", "Diagnoser", "Interactions", "Series", "Incidents", "Case", "Workspace"} <= {
        *distaff.__all__
    }


def test_star_imports_what_is_public() -> None:
    assert _python("from distaff import *; print(DCCF.__name__, Workspace.__name__)") == "DCCF Workspace"


def test_rooms_can_be_reached_by_attribute() -> None:
    assert _python("import distaff; print(distaff.ranking.__name__)") == "distaff.ranking"


@pytest.mark.parametrize(("typo", "meant"), [("DCFF", "DCCF"), ("LightGnc", "LightGCN"), ("workspace", "Workspace")])
def test_a_typo_names_the_near_miss(typo: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"did you mean .*{meant}"):
        getattr(distaff, typo)


def test_private_names_are_refused_at_once() -> None:
    assert not hasattr(distaff, "__wrapped__")
    assert not hasattr(distaff, "no.such.thing")
