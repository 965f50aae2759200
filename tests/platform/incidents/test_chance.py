"""The p-values of metrics and cases: the closed form, a false-positive rate on rows of one state, and planted faults."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from distaff.incidents import chance
from distaff.incidents.chance import UNSURE, case_chance, metric_chances, rows_alike
from distaff.model.registry import model_class
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Case


def walking(rng: np.random.Generator, n: int, m: int, memory: float) -> Floats:
    rows = rng.standard_normal((n, m))
    for t in range(1, n):
        rows[t] += memory * rows[t - 1]
    return rows


@pytest.mark.parametrize(("n", "m", "k"), [(12, 5, 5), (12, 5, 2), (30, 20, 1), (30, 20, 0)])
def test_the_chance_is_that_of_all_orders_of_rows_that_stand_alone(
    n: int, m: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chance, "rows_alike", lambda rows: np.ones(rows.shape[1]))
    after = np.concatenate([np.full(k, n + 1.0), np.zeros(m - k)])
    # The k largest of all rows are after: so many of the choices of the m rows after hold them.
    expected = min(2 * comb(n + m - k, m - k) / comb(n + m, m), 1.0)
    assert metric_chances(np.arange(float(n))[:, None], after[:, None])[0] == pytest.approx(expected)


@pytest.mark.parametrize("memory", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(("n", "m"), [(12, 5), (100, 60)])
def test_rows_of_one_state_are_hardly_ever_called_an_incident(memory: float, n: int, m: int) -> None:
    rng = np.random.default_rng(4)
    draws = [walking(rng, n + m, 10, memory) for _ in range(60)]
    metrics = np.concatenate([metric_chances(rows[:n], rows[n:]) for rows in draws])
    assert (metrics < 0.05).mean() <= 0.08
    if memory < 1:  # where all metrics walk, so does the bound of the least of them
        assert np.mean([case_chance(rows[:n], rows[n:]) < 0.05 for rows in draws]) <= 0.08


def test_a_fault_of_one_metric_and_a_small_one_of_many_are_no_chance() -> None:
    rng = np.random.default_rng(5)
    one, many = rng.standard_normal((160, 40)), rng.standard_normal((160, 40))
    one[100:, 3] += 8
    many[100:, ::2] += 3
    assert case_chance(one[:100], one[100:]) < 0.001
    assert case_chance(many[:100], many[100:]) < 0.001


def test_constants_that_move_are_no_chance_and_those_that_rest_are() -> None:
    before, after = np.ones((50, 2)), np.ones((30, 2))
    after[:, 1] = 2
    moved = metric_chances(before, after)
    assert moved[0] == 1
    assert moved[1] < 1e-6
    assert rows_alike(before).tolist() == [1, 1]


def test_a_case_in_which_nothing_happened_is_said_to_be_one_and_a_detected_onset_has_no_p_value() -> None:
    rng = np.random.default_rng(6)
    values = rng.standard_normal((160, 6))
    columns = tuple(f"e{i // 2}|m{i % 2}" for i in range(6))
    case = Case("calm", columns, np.arange(160.0), values, 100.0)
    broken = values.copy()
    broken[100:, 0] += 9
    coral = model_class("coral")
    calm = coral().diagnose_case(case)
    fault = coral().diagnose_case(Case("fault", columns, np.arange(160.0), broken, 100.0))
    assert calm.p_value >= 0.05
    assert UNSURE in calm.warnings
    assert fault.p_value < 0.001
    assert UNSURE not in fault.warnings
    assert {cause.column: cause.p_value < 0.001 for cause in fault.causes}["e0|m0"]
    assert (
        coral(onset="detected").diagnose_case(Case("fault", columns, np.arange(160.0), broken, 100.0)).p_value is None
    )
