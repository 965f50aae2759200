"""The crowd: counts against slow code, what it must and must not report, and that it goes on where it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff_data.arrays import Floats
from distaff_graph.diagnosis.controls.scores import BARO
from distaff_graph.diagnosis.crowd import Crowd
from distaff_graph.diagnosis.timing import Timing
from distaff_graph.diagnosis.watch import Watch


def calm(rows: int, seed: int = 0, n_metrics: int = 20) -> Floats:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((rows, n_metrics))
    for row in range(1, rows):
        values[row] += 0.3 * values[row - 1]
    return values * np.exp(np.arange(n_metrics))


def moved(rows: Floats, start: int, metrics: int, height: float) -> Floats:
    """Rows of which so many metrics are out by so many of their deviations from a row on."""
    rows = rows.copy()
    rows[start:, :metrics] += height * rows.std(0)[:metrics]
    return rows


def test_calls_are_those_of_windows_looked_at_one_by_one() -> None:
    rows = moved(calm(90), 75, 6, 5.0)
    crowd = Crowd(3)
    crowd.rebase(rows[:60])
    allowed, needed = crowd.state()["allowed"], crowd.state()["needed"]
    median, scale = crowd.state()["median"], crowd.state()["scale"]
    called = crowd.calling(rows[60:])
    for row, (i, window) in itertools.product(range(60, 90), enumerate(Timing().windows[: len(allowed)])):
        z = np.clip((rows[row - window + 1 : row + 1] - median) / scale, -10, 10)
        beyond = np.abs(z.mean(0)) > allowed[i]
        expected = beyond.sum() > needed[i] or (beyond[3] and (window >= 10 or beyond.sum() > 1))
        assert called[row - 60, i] == expected


@pytest.mark.parametrize("base", [8, 14, 60, 300])
def test_a_fault_of_many_metrics_is_reported_soon_even_by_a_dozen_normal_rows(base: int) -> None:
    rows = moved(calm(base + 40), base + 20, 8, 12.0)
    crowd = Crowd()
    crowd.rebase(rows[:base])
    alarm = crowd.update(rows[base:])
    assert alarm is not None
    assert 20 <= alarm.row <= 26
    assert 10 <= alarm.start <= 20


def test_normal_rows_of_many_systems_give_hardly_an_alarm() -> None:
    alarms = 0
    for seed in range(40):
        rows = calm(400, seed)
        crowd = Crowd(0)
        crowd.rebase(rows[:150])
        alarms += crowd.update(rows[150:]) is not None
    assert alarms <= 2


def test_neither_outliers_nor_one_metric_nor_a_drift_that_goes_on_is_an_incident() -> None:
    rows = calm(400)
    outliers = rows.copy()
    outliers[[260, 300, 350], :10] += 50 * rows.std(0)[:10]
    drifting = rows + np.arange(400)[:, None] * 0.01 * rows.std(0)
    for changed in (outliers, moved(rows, 300, 1, 8.0), drifting):
        crowd = Crowd(15)
        crowd.rebase(changed[:200])
        assert crowd.update(changed[200:]) is None


def test_the_kpi_is_reported_alone() -> None:
    rows = moved(calm(400), 300, 1, 6.0)
    crowd = Crowd(0)
    crowd.rebase(rows[:200])
    alarm = crowd.update(rows[200:])
    assert alarm is not None
    assert 100 <= alarm.row <= 115


def test_too_few_rows_leave_it_off() -> None:
    crowd = Crowd()
    crowd.rebase(calm(5))
    assert not crowd.armed
    assert crowd.update(calm(100)) is None


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 140), max_size=5))
def test_batches_and_restored_states_report_what_one_call_does(cuts: list[int]) -> None:
    rows = moved(calm(300), 250, 7, 3.0)
    whole = Watch(4)
    whole.rebase(rows[:160])
    expected = whole.update(rows[160:])
    assert expected is not None
    parted = Watch(4)
    parted.rebase(rows[:160])
    for start, end in itertools.pairwise([0, *sorted(cuts), 140]):
        again = Watch(4)
        again.load_state(parted.state())
        parted = again
        alarm = parted.update(rows[160 + start : 160 + end])
        if alarm is not None:
            assert (alarm.row + start, alarm.start + start) == (expected.row, expected.start)
            return
    raise AssertionError("no alarm in parts")


def test_an_incident_is_over_once_nothing_has_called_for_a_while() -> None:
    rows = calm(500)
    rows[200:300, :8] += 9 * rows.std(0)[:8]
    watch = Watch()
    watch.rebase(rows[:200])
    assert watch.update(rows[200:260]) is not None
    assert watch.over(rows[260:310]) is None
    over = watch.over(rows[310:])
    assert over is not None
    assert 10 <= over <= 60  # 30 quiet rows after the longest window has left the fault


def test_every_fault_of_a_replay_is_found_and_the_time_between_is_not() -> None:
    rows = calm(2600)
    starts = [400, 1100, 1800]
    for start in starts:
        rows[start : start + 300, :8] += 8 * rows.std(0)[:8]
    found = [alarm.row for alarm in BARO().alarms(rows, 300)]
    assert len(found) == 3
    assert all(0 <= row - start <= 10 for row, start in zip(found, starts, strict=True))
