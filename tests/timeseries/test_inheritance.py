"""Models of series stand on few classes, and are known by what they can do and not by what they inherit."""

from __future__ import annotations

import pytest

from distaff.model.registry import class_names, model_class
from distaff.series.adaptation import Adaptable
from distaff.series.latents import Latent
from distaff.series.model import SeriesModel

_MODELS = [
    name for name in class_names("distaff").values() if issubclass(model_class(name), SeriesModel)
]  # ours, whatever else is installed
_WITH_LATENTS = {"dts", "vae", "beta_vae", "beta_tcvae", "sparse_codes"}


def levels(kind: type) -> int:
    """Return the length of the longest chain of Distaff's classes from ``kind`` up."""
    return 1 + max((levels(base) for base in kind.__bases__ if base.__module__.startswith("distaff")), default=0)


@pytest.mark.parametrize("name", _MODELS)
def test_no_model_stands_on_more_than_four_levels(name: str) -> None:
    assert levels(model_class(name)) <= 4


@pytest.mark.parametrize("name", _MODELS)
def test_latents_and_adaptation_are_told_by_methods_alone(name: str) -> None:
    kind = model_class(name)
    assert isinstance(kind(), Latent) == (name in _WITH_LATENTS)
    assert issubclass(kind, Adaptable) == (name == "dts")
    assert not {Latent, Adaptable} & set(kind.__mro__)
