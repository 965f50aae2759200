"""The trigger: its sums and subspace against slow obvious code, and changes it must and must not report."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff_graph.diagnosis.trigger import Trigger, TriggerSettings, _gram, _sums

Array = np.ndarray[Any, np.dtype[np.float64]]


def calm(rows: int, seed: int = 0, n_metrics: int = 8) -> Array:
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(rows)[:, None] / 15 + np.arange(n_metrics))
    return wave + 0.3 * rng.standard_normal((rows, n_metrics))


def test_the_gram_matrix_is_that_of_the_lag_matrices_side_by_side() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    stacked = np.hstack([np.stack([rows[i : i + 4, m] for i in range(17)], axis=1) for m in range(3)])
    np.testing.assert_allclose(_gram(rows, 4), stacked @ stacked.T)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.floats(0, 5))
def test_sums_follow_the_recursion(gains: list[float], start: float) -> None:
    expected, level = [], start
    for gain in gains:
        level = max(0.0, level + gain)
        expected.append(level)
    both = _sums(np.array([gains, gains]).T, np.array([start, 0.0]))
    np.testing.assert_allclose(both[:, 0], expected, atol=1e-9)
    assert (both[:, 1] <= both[:, 0] + 1e-9).all()


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_a_step_is_reported_soon_and_begins_before_its_alarm_in_any_unit(unit: float) -> None:
    rows = calm(400)
    rows[300:, :3] += 4
    trigger = Trigger()
    trigger.rebase(unit * rows[:200])
    alarm = trigger.update(unit * rows[200:])
    assert alarm is not None
    assert 100 <= alarm.row <= 105
    assert alarm.row - 25 < alarm.start <= 100


def test_more_of_the_same_gives_no_alarm() -> None:
    for seed in range(10):
        rows = calm(800, seed)
        trigger = Trigger()
        trigger.rebase(rows[:300])
        assert trigger.update(rows[300:]) is None


def test_a_higher_threshold_never_alarms_sooner() -> None:
    rows = calm(400, 1)
    rows[300:] += np.linspace(0, 3, 100)[:, None]
    found = []
    for height in (2.0, 5.0, 20.0, 80.0):
        trigger = Trigger(settings=TriggerSettings(height=height))
        trigger.rebase(rows[:200])
        alarm = trigger.update(rows[200:])
        found.append(np.inf if alarm is None else alarm.row)
    assert found == sorted(found)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=5))
def test_batches_and_restored_states_report_what_one_call_does(cuts: list[int]) -> None:
    rows = calm(400, 2)
    rows[320:] += np.linspace(0, 6, 80)[:, None]  # the level of the KPI gives the alarm
    whole = Trigger(0)
    whole.rebase(rows[:200])
    expected = whole.update(rows[200:])
    assert expected is not None
    parted = Trigger(0)
    parted.rebase(rows[:200])
    places = [0, *sorted(cuts), 200]
    for start, end in itertools.pairwise(places):
        again = Trigger(0)
        again.load_state(parted.state())
        parted = again
        alarm = parted.update(rows[200 + start : 200 + end])
        if alarm is not None:
            assert (alarm.row + start, alarm.start + start) == (expected.row, expected.start)
            return
    raise AssertionError("no alarm in parts")


def test_constant_metrics_take_no_part_and_too_few_rows_leave_it_off() -> None:
    rows = calm(300)
    rows[:, 3] = 7.0
    trigger = Trigger()
    trigger.rebase(rows[:20])
    assert not trigger.armed
    assert trigger.update(rows) is None
    trigger.rebase(rows[:200])
    assert trigger.update(rows[200:]) is None


def test_a_level_that_shifts_and_stays_is_reported_where_it_is_the_kpis() -> None:
    rows = calm(500, 3)
    rows[300:, 2] += np.minimum(np.arange(200) / 40, 1) * 4  # slow enough for the subspace to follow
    found = []
    for kpi in (None, 5, 2):
        trigger = Trigger(kpi)
        trigger.rebase(rows[:200])
        found.append(trigger.update(rows[200:]))
    assert found[:2] == [None, None]
    assert found[2] is not None
    assert 100 < found[2].row < 150
    assert 80 < found[2].start < found[2].row


def test_a_kpi_that_never_moved_is_reported_when_it_does() -> None:
    for rest in (0.0, 7.0):
        rows = calm(400, 4)
        rows[:, 1] = rest
        rows[300:, 1] += 1
        trigger = Trigger(1)
        trigger.rebase(rows[:200])
        alarm = trigger.update(rows[200:])
        assert alarm is not None
        assert 100 <= alarm.row < 110
