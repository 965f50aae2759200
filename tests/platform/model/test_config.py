from typing import Annotated

import pytest
from pydantic import Field

from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.errors import InputError, UnknownNameError


class Config(ModelConfig):
    rate: Annotated[float, Field(gt=0), Span(1e-4, 1e-1, log=True)] = 0.01
    size: Annotated[int, Field(ge=1), Choices(16, 32)] = 32
    name: str = "a"


def test_texts_are_read_as_the_fields_type() -> None:
    assert Config.parse({"rate": "0.5", "size": "8"}) == Config(rate=0.5, size=8)


def test_unknown_setting_names_the_near_miss() -> None:
    with pytest.raises(UnknownNameError, match="did you mean rate"):
        Config.parse({"raet": 1})


def test_every_wrong_value_is_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Config.parse({"rate": "-1", "size": "x"})
    assert "rate='-1'" in str(caught.value)
    assert "size='x'" in str(caught.value)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_not_a_number_is_refused(value: str) -> None:
    with pytest.raises(InputError):
        Config.parse({"rate": value})


def test_search_space_lists_only_annotated_fields() -> None:
    assert Config.search_space() == {"rate": Span(1e-4, 1e-1, log=True), "size": Choices(16, 32)}


def test_changed_lists_what_differs_from_the_defaults() -> None:
    assert Config(size=16).changed() == {"size": 16}
