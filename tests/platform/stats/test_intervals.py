import numpy as np
import pytest

from distaff.stats.intervals import seed_interval


def test_one_seed_has_a_mean_and_no_interval() -> None:
    interval = seed_interval([0.25])
    assert interval.mean == 0.25
    assert interval.std is interval.low is interval.high is None


def test_interval_of_two_seeds_is_the_students_t_interval() -> None:
    interval = seed_interval([0.0, 2.0])
    # t(0.975, 1 degree of freedom) = 12.706, standard error 1
    assert interval.low == pytest.approx(1 - 12.706, abs=1e-3)
    assert interval.high == pytest.approx(1 + 12.706, abs=1e-3)


def test_interval_covers_the_true_mean_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        interval = seed_interval(list(rng.normal(3.0, 1.0, 5)))
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 3.0 <= interval.high
    assert 0.935 < covered / 2000 < 0.965
