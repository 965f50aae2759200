"""Entry points that lead nowhere are refused with their name."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from distaff.model import registry
from distaff_data.errors import InputError, UnknownNameError


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"no_package": "no_such_package:Model", "no_class": "distaff.model.base:NoSuch", "no_model": "math:pi"}
    entries = {name: EntryPoint(name, value, registry.GROUP) for name, value in values.items()}
    monkeypatch.setattr(registry, "_entries", lambda: entries)


@pytest.mark.parametrize("name", ["no_package", "no_class", "no_model"])
@pytest.mark.usefixtures("broken")
def test_an_entry_point_that_is_no_model_is_named(name: str) -> None:
    with pytest.raises(InputError, match=name):
        registry.model_class(name)


@pytest.mark.usefixtures("broken")
def test_models_of_other_packages_are_not_ours() -> None:
    assert registry.class_names() == {"Model": "no_package", "NoSuch": "no_class", "pi": "no_model"}
    assert registry.class_names("distaff") == {}
    with pytest.raises(UnknownNameError, match="did you mean no_class"):
        registry.model_class("noclass")
