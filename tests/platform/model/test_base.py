"""What every registered model offers before it is fitted: settings that show themselves."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from sklearn.base import clone

from distaff.model.base import Model
from distaff.model.config import ModelConfig
from distaff.model.registry import model_class, names
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnknownNameError, UnsupportedError
from distaff_graph.controls.ease import EASE


def changed_settings(config: type[ModelConfig]) -> dict[str, Any]:
    """Return a number of the configuration with another value than its default, where there is one."""
    for name, field in config.model_fields.items():
        value = field.get_default()
        if isinstance(value, int) and not isinstance(value, bool):
            try:
                return {name: getattr(config.parse({name: value + 1}), name)}
            except InputError:
                continue
    return {}


@pytest.mark.parametrize("name", names())
class TestEveryModel:
    def test_its_signature_lists_its_settings(self, name: str) -> None:
        model = model_class(name)
        parameters = inspect.signature(model).parameters
        assert list(parameters) == list(model.Config.model_fields)
        defaults = model().get_params()
        for setting, parameter in parameters.items():
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
            assert parameter.default == defaults[setting]
            assert parameter.annotation is not inspect.Parameter.empty

    def test_every_setting_is_described(self, name: str) -> None:
        descriptions = model_class(name).Config.descriptions()
        assert [setting for setting, text in descriptions.items() if not text] == []

    def test_its_repr_shows_what_differs_from_the_defaults(self, name: str) -> None:
        model = model_class(name)
        assert repr(model()) == f"{model.__name__}()"
        changed = changed_settings(model.Config)
        inside = ", ".join(f"{key}={value!r}" for key, value in changed.items())
        assert repr(model(**changed)) == f"{model.__name__}({inside})"

    def test_a_clone_has_the_settings(self, name: str) -> None:
        model = model_class(name)
        original = model(**changed_settings(model.Config))
        copy = clone(original)
        assert type(copy) is model
        assert copy is not original
        assert copy.get_params() == original.get_params()

    def test_settings_can_be_changed(self, name: str) -> None:
        model = model_class(name)
        changed = changed_settings(model.Config)
        altered = model()
        assert altered.set_params(**changed) is altered
        assert altered.get_params() == model().get_params() | changed

    def test_an_unknown_setting_is_refused_and_nothing_is_changed(self, name: str) -> None:
        model = model_class(name)()
        before = model.get_params()
        with pytest.raises(InputError, match="no_such_setting"):
            model.set_params(**changed_settings(type(model).Config), no_such_setting=1)
        assert model.get_params() == before


@pytest.fixture
def fitted() -> EASE:
    return EASE(penalty=2.0).fit(Interactions.from_arrays(["a", "a", "b", "b"], ["x", "y", "y", "z"]), device="cpu")


def test_a_clone_of_a_fitted_model_is_not_fitted(fitted: EASE) -> None:
    copy: Model[Any] = clone(fitted)
    assert copy.get_params() == {"penalty": 2.0, "max_gb": EASE().config.max_gb}
    with pytest.raises(UnsupportedError, match="not been fitted"):
        _ = copy.data
    assert fitted.data.n_users == 2


def test_changing_a_setting_forgets_what_was_fitted(fitted: EASE) -> None:
    fitted.set_params(penalty=3.0)
    with pytest.raises(UnsupportedError, match="not been fitted"):
        _ = fitted.data


def test_a_refused_setting_leaves_a_fitted_model_fitted(fitted: EASE) -> None:
    with pytest.raises(UnknownNameError, match="did you mean penalty"):
        fitted.set_params(penalti=3.0)
    with pytest.raises(InputError, match="penalty"):
        fitted.set_params(penalty=-1.0)
    assert fitted.data.n_users == 2
    assert fitted.get_params() == {"penalty": 2.0, "max_gb": EASE().config.max_gb}
