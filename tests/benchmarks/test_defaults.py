"""A default is chosen on the other datasets, and told beside the best on its own."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from distaff.model.registry import model_class

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def defaults(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.defaults")


def test_the_dataset_itself_has_no_part_in_the_choice(defaults: ModuleType) -> None:
    values = {"a": np.array([0.1, 0.2, 0.4]), "b": np.array([0.5, 0.4, 0.1]), "c": np.array([0.3, 0.27, 0.06])}
    tried = [{}, {"penalty": 1.0}, {"penalty": 2.0}]
    rows = {row.dataset: row for row in defaults.leave_one_out("ease", values, tried, dict.fromkeys(values, 1.0))}
    assert rows["a"].settings == {}  # best of b and c, and the worst of a
    assert (rows["a"].best, rows["a"].left_out, rows["a"].shipped) == (0.4, 0.25, 0.25)
    assert rows["b"].settings == {"penalty": 1.0}  # shares .5 and .9, against .25 and 1, and 1 and .2
    assert rows["b"].left_out == pytest.approx(0.8)
    assert rows["b"].shipped == 1.0


def test_configurations_are_the_default_and_others_of_the_space_the_same_each_time(defaults: ModuleType) -> None:
    config = model_class("als").Config
    drawn = defaults.configurations(config, 16)
    assert drawn == defaults.configurations(config, 16)
    assert drawn[0] == {}
    assert len(drawn) == 16
    assert len({tuple(sorted(settings.items())) for settings in drawn}) == 16
    for settings in drawn:
        config.parse(settings)
    assert defaults.configurations(model_class("popularity").Config, 16) == [{}]
    assert len(defaults.configurations(model_class("puresvd").Config, 16)) == 5  # the default is one of five
