"""Rows one step apart: what is even passes through, jitter and drift move nothing, gaps show, and batches do not matter."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distaff.incidents.pace import Pace
from distaff_data.arrays import Floats


def _taken(times: Floats, sizes: list[int]) -> tuple[Floats, Floats, list[float]]:
    """Return what becomes of rows that hold their own number, in batches of these sizes, restored in between."""
    rows = np.arange(len(times), dtype=np.float64)[:, None]
    pace, start, parts, left_out = Pace(), 0, list[list[Floats]](), list[float]()
    while start < len(times):
        size = sizes[len(parts) % len(sizes)]
        again = Pace()
        again.load_state(json.loads(json.dumps(pace.state())))
        pace = again
        even_times, even_rows, doubled = pace.even(times[start : start + size], rows[start : start + size])
        parts.append([even_times, even_rows])
        left_out += doubled
        start += size
    even_times, even_rows = (np.concatenate([part[i] for part in parts]) for i in range(2))
    return even_times, even_rows[:, 0], left_out


@pytest.mark.parametrize("step", [0.06, 1.0, 300.0])
def test_even_rows_pass_as_they_are(step: float) -> None:
    times = 1.7e9 + step * np.arange(200, dtype=np.float64)
    even_times, numbers, left_out = _taken(times, [60])
    np.testing.assert_array_equal(even_times, times)
    np.testing.assert_array_equal(numbers, np.arange(200))
    assert left_out == []


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(2, 40), min_size=1, max_size=4))
def test_jitter_and_a_slow_clock_neither_lose_nor_add_a_row(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    times = 15.02 * np.arange(300) + rng.uniform(-2, 2, 300)
    _, numbers, left_out = _taken(times, sizes)
    np.testing.assert_array_equal(numbers, np.arange(300))
    assert left_out == []


def test_a_missing_row_is_a_row_of_nothing_and_a_long_gap_is_none() -> None:
    kept = np.delete(np.arange(200.0), [50, 51, *range(100, 140)])
    even_times, numbers, left_out = _taken(kept, [40])
    assert left_out == []
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(numbers)), [50, 51])
    np.testing.assert_allclose(even_times[50:52], [50, 51])
    np.testing.assert_array_equal(even_times[~np.isnan(numbers)], kept)


def test_of_two_rows_in_a_step_the_latest_counts_and_the_other_is_told() -> None:
    times = np.sort(np.append(np.arange(100.0), [30.3, 30.4]))
    _, numbers, left_out = _taken(times, [20])
    assert left_out == [30.0, 30.3]
    assert len(numbers) == 100
    assert numbers[30] == 32.0


def test_another_pace_is_taken_once_it_lasts() -> None:
    times = np.append(np.arange(60.0), 119.0 + 60.0 * np.arange(60))
    even_times, numbers, left_out = _taken(times, [20])
    assert left_out == []
    np.testing.assert_array_equal(numbers, np.arange(120))
    np.testing.assert_array_equal(even_times, times)


def test_times_rise_whatever_comes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        times = np.cumsum(rng.exponential(1.0, 120) + 1e-6)
        even_times, numbers, left_out = _taken(times, [int(rng.integers(2, 30))])
        assert (np.diff(even_times) > 0).all()
        assert len(left_out) + int((~np.isnan(numbers)).sum()) == 120
