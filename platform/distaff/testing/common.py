"""Checks that the suites of all kinds share: registration, settings, clones."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from sklearn.base import clone
from torch import Tensor

from distaff.model.base import Model
from distaff.model.config import Choices
from distaff.model.registry import model_class
from distaff_data.errors import InputError, UnsupportedError

Make = Callable[[], Any]


class SettingsSuite:
    """Checks of the settings of a model of any kind."""

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls) -> Make:
        pytest.fail("a conformance suite needs the fixture make: a function that returns a fresh model")

    def test_it_is_registered_under_its_name(self, make: Make) -> None:
        assert model_class(make().name) is type(make())

    def test_settings_that_do_not_exist_are_refused(self, make: Make) -> None:
        with pytest.raises(InputError, match="no_such_setting"):
            type(make())(no_such_setting=1)
        model = make()
        before = model.get_params()
        with pytest.raises(InputError, match="no_such_setting"):
            model.set_params(no_such_setting=1)
        assert model.get_params() == before

    def test_its_search_space_holds_only_settings_it_accepts(self, make: Make) -> None:
        model = type(make())
        for name, space in model.Config.search_space().items():
            values = space.values if isinstance(space, Choices) else (space.low, space.high)
            for value in values:
                whole = model.Config.model_fields[name].annotation is int
                assert getattr(model(**{name: int(value) if whole else value}).config, name) == value

    def test_every_setting_is_in_the_signature_and_described(self, make: Make) -> None:
        model = type(make())
        assert list(inspect.signature(model).parameters) == list(model.Config.model_fields)
        assert [name for name, text in model.Config.descriptions().items() if not text] == []

    def test_settings_survive_a_round_trip_and_a_clone(self, make: Make) -> None:
        model = make()
        settings = model.get_params()
        assert type(model)(**settings).config == model.config
        assert type(model)().set_params(**settings).config == model.config
        assert clone(model).config == model.config
        written = ast.parse(repr(model), mode="eval").body
        assert isinstance(written, ast.Call)
        assert ast.unparse(written.func) == type(model).__name__
        again = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in written.keywords}
        assert type(model)(**again).config == model.config

    def test_an_unfitted_model_says_so(self, make: Make) -> None:
        with pytest.raises(UnsupportedError, match="not been fitted"):
            _ = make().data


def overwrite(tensors: Mapping[str, Tensor]) -> None:
    """Overwrite tensors in place, to see who shares their memory."""
    for tensor in tensors.values():
        (tensor.detach() if tensor.layout == torch.strided else tensor.values()).zero_()


def fitted_or_refused(fit: Callable[[], Any]) -> Any:
    """Return what ``fit`` gives; None where the data is refused in a sentence, which is as good."""
    try:
        return fit()
    except InputError as error:
        message = str(error)
    assert message
    return None


def answered_or_refused(model: Model[Any], ask: Callable[[], Any]) -> Any:
    """Return what ``ask`` gives; None where the model says, by its name, that it cannot do that."""
    try:
        return ask()
    except UnsupportedError as error:
        message = str(error)
    assert model.name in message
    return None
