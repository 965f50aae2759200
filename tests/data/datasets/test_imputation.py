"""Complete rows: gaps, counters and sampling by hand, and batches that say what the whole says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff_data.datasets.imputation import Imputer, on_grid

nan = np.nan


def test_a_gap_repeats_the_last_value_and_before_the_first_comes_the_median() -> None:
    rows = np.array([[nan, 1.0], [4.0, nan], [nan, nan], [6.0, 3.0]])
    assert Imputer.of(rows).apply(rows).tolist() == [[5, 1], [4, 1], [4, 1], [6, 3]]


def test_a_metric_that_was_never_measured_is_zero() -> None:
    rows = np.full((3, 1), nan)
    assert Imputer.of(rows).apply(rows).tolist() == [[0], [0], [0]]


def test_a_counter_becomes_increments_and_survives_a_reset() -> None:
    count = np.cumsum(np.full(60, 5.0)) + 1000
    count[55:] -= count[55] - 2  # begins anew, and counts 2
    found = Imputer.of(count[:50, None]).apply(count[:, None])[:, 0]
    assert found.tolist() == [0.0, *[5.0] * 54, 2.0, *[5.0] * 4]


def test_a_level_that_only_drifts_upward_now_and_then_is_no_counter() -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=100), np.linspace(0, 1, 100) + rng.normal(size=100)])
    assert not Imputer.of(rows).counter.any()


def test_a_grid_takes_the_latest_row_and_leaves_holes_empty() -> None:
    times, values = on_grid(np.array([0.0, 1.0, 1.9, 5.0]), np.arange(4.0)[:, None], 1.0)
    assert times.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(values[:, 0], [0, 1, 2, nan, nan, 3])


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(0, 80), seed=st.integers(0, 100))
def test_batches_and_a_restored_state_give_what_the_whole_gives(cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.normal(size=80), np.cumsum(rng.random(80)) + 50])
    rows[rng.random(rows.shape) < 0.2] = nan
    whole = Imputer.of(rows[:40]).apply(rows)
    parted = Imputer.of(rows[:40])
    first = parted.apply(rows[:cut])
    second = Imputer.restored(parted.state()).apply(rows[cut:])
    np.testing.assert_array_equal(np.vstack([first, second]), whole)
