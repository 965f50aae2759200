"""A control beside a model that chooses itself is tuned where more of its search brought nothing, and only there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import publish

from distaff.audit.budgets import ENOUGH, Search
from distaff.audit.controls import tuned_controls
from distaff.audit.finding import Finding
from distaff.audit.history import Records
from distaff.model.registry import model_class
from distaff.runs import records, training
from distaff.testing.data import checkerboard
from distaff_data.workspace import Workspace

DATASET = "checkerboard"
PLAIT = {"components": "ease:penalty=250", "weights": "1", "n_intents": 3, "intent_share": 0.1}
EASE = model_class("ease")


def of_ease(penalties: list[float], values: list[float]) -> str | None:
    configs = [EASE(penalty=penalty).config.model_dump(mode="json") for penalty in penalties]
    return Search(configs, values, less_is_better=False).shortcoming(EASE)


def penalties(n: int) -> list[float]:
    """Return the default and others."""
    default: float = EASE.Config().model_dump()["penalty"]
    return [default, *np.geomspace(1.0, 2000.0, n - 1).tolist()]


def test_a_search_that_is_flat_over_its_last_third_has_come_to_its_end() -> None:
    rising = [0.30, 0.31, 0.25, 0.33, 0.34, 0.35, 0.20, 0.35]
    assert of_ease(penalties(12), [*rising, 0.34, 0.1, 0.352, 0.3]) is None
    found = of_ease(penalties(12), [*rising, 0.34, 0.1, 0.37, 0.3])
    assert found == "the last third still raised its best by 5.4%"
    assert of_ease(penalties(ENOUGH - 1), [0.3] * (ENOUGH - 1)) == "fewer than 12 of its own"


def test_a_search_that_leaves_something_out_has_not() -> None:
    assert of_ease([3.0] * 12, [0.3] * 12) == "penalty always the same"
    assert of_ease(np.geomspace(1e5, 1e6, 12).tolist(), [0.1] * 12) == "never with its defaults"
    als = model_class("als")
    narrow = [als(embedding_dim=2, reg=float(reg)).config.model_dump(mode="json") for reg in range(1, 13)]
    found = Search(narrow, [0.2] * 12, less_is_better=False).shortcoming(als)
    assert found == "confidence, embedding_dim always the same"


def test_errors_are_searched_downwards() -> None:
    configs = [EASE(penalty=p).config.model_dump(mode="json") for p in penalties(12)]
    falling = [1.0 - 0.05 * number for number in range(12)]
    assert Search(configs, falling, less_is_better=True).gain() == pytest.approx(0.2 / 0.45)
    assert Search(configs, falling, less_is_better=False).gain() == 0.0


@pytest.mark.parametrize(("noise", "seed"), [(0.001, 0), (0.003, 1), (0.003, 2)])
def test_few_good_searches_are_refused_and_few_short_ones_are_passed(noise: float, seed: int) -> None:
    """A hundred searches at random, of a control whose best is a plateau: of 16 configurations, and of 3."""
    rng, passed = np.random.default_rng(seed), {16: 0, 3: 0}
    for _ in range(100):
        drawn = np.concatenate([[250.0], np.exp(rng.uniform(0.0, np.log(2000.0), 15))])
        curve = 0.35 - 0.01 * (np.log(drawn / 150.0)) ** 2 + rng.normal(scale=noise, size=16)
        for n in passed:
            passed[n] += of_ease(drawn[:n].tolist(), curve[:n].tolist()) is None
    assert passed[16] >= 90
    assert passed[3] == 0


@pytest.fixture
def filled(tmp_path: Path) -> Workspace:
    """A model that has judged 246 configurations in one fit, beside EASE with its defaults."""
    workspace = Workspace.create(tmp_path / "workspace")
    publish(workspace, checkerboard(60, 60, n_blocks=3, held_out=3), timed=True)
    training.train(workspace, "ease", DATASET, device="cpu")
    run = training.train(workspace, "plait", DATASET, settings=PLAIT, device="cpu")
    records.record(workspace, replace(run, n_tried=246))
    return workspace


def sweep(workspace: Workspace, settings: list[dict[str, Any]]) -> Finding:
    for number, each in enumerate(settings):
        trial = training.Trial("s", number, lambda model: {"recall@20": 0.01})
        training.train(workspace, "ease", DATASET, settings=each, device="cpu", trial=trial)
    return tuned_controls(Records.of(workspace, DATASET, None))


def test_the_referee_asks_a_control_for_a_search_and_not_for_half_of_246(filled: Workspace) -> None:
    before = sweep(filled, [])
    assert before.verdict == "fail"
    assert "ease was tried with 1 configuration(s), plait 246: fewer than 12 of its own" in before.figure
    after = sweep(filled, [{"penalty": 10.0 + number} for number in range(11)])
    assert (after.verdict, after.figure) == ("pass", "configurations of controls: ease 12 (more brought nothing)")
