"""Bennett's bound against the tails that it bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from distaff.stats.bounds import bennett


@pytest.mark.parametrize(("n", "p"), [(20, 0.02), (200, 0.02), (200, 0.5), (5000, 0.1)])
def test_it_bounds_binomial_tails(n: int, p: float) -> None:
    counts = np.arange(n + 1)
    far = np.abs(counts - n * p)
    chances = stats.binom.pmf(counts, n, p)
    exact = np.array([chances[far >= d - 1e-9].sum() for d in far])
    assert (bennett(far, np.full(n + 1, n * p * (1 - p))) >= exact - 1e-12).all()


def test_it_is_near_the_normal_tail_where_the_variance_is_large() -> None:
    found = np.log(bennett(np.array(500.0), np.array(1e4)))
    assert found == pytest.approx(np.log(2) - 12.5, rel=0.03)


def test_nothing_is_surprising_where_nothing_varies_or_deviates() -> None:
    assert bennett(np.zeros(2), np.array([0.0, 3.0])).tolist() == [1.0, 1.0]
