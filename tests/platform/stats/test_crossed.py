"""Comparisons with both sources of error: closed forms, null data, and power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from distaff.stats.crossed import NO_SEED, Comparison, Side, Spread, compare_crossed, pooled_spread, spread_of
from distaff_data.arrays import Floats


def compared(model: Floats, control: Floats, spread: Spread | None = None) -> Comparison:
    sides = (Side(np.atleast_2d(values), spread) for values in (model, control))
    return compare_crossed(*sides, metric="recall@20", against="ease")


def runs(
    rng: np.random.Generator, units: Floats, n_seeds: int, seed: float, residual: float, mean: float = 0.0
) -> Floats:
    """Runs of one method: what is the unit's, the seed's and the seed's for that unit."""
    own = rng.normal(0, seed, (n_seeds, 1)) + rng.normal(0, residual, (n_seeds, units.size))
    return mean + units + own


def rate(n_seeds: int, seed: float, *, borrowed: int = 0, n_pairs: int = 2000, mean: float = 0.0) -> float:
    """The share of pairs with p below .05; ``seed`` in errors of the units' mean."""
    rng, n = np.random.default_rng([n_seeds, borrowed, int(10 * seed)]), 100
    residual, found = 0.5, 0
    spread_of_seed = seed * residual * math.sqrt(2 / n)
    for _ in range(n_pairs):
        units = rng.normal(0, 1, n)
        control = runs(rng, units, n_seeds, spread_of_seed, residual)
        model = runs(rng, units, n_seeds, spread_of_seed, residual, mean)
        other = spread_of(runs(rng, units, borrowed, spread_of_seed, residual)) if borrowed else None
        p = compared(model, control, other).p_value
        assert p is not None
        found += p < 0.05
    return found / n_pairs


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize("seed", [0.0, 0.5, 1.0, 4.0])
def test_seeds_of_one_method_differ_in_at_most_5_of_100_pairs(n_seeds: int, seed: float) -> None:
    assert rate(n_seeds, seed) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize("seed", [0.0, 0.5, 1.0, 4.0])
def test_single_seeds_of_one_method_differ_in_at_most_5_of_100_pairs_by_a_borrowed_variance(seed: float) -> None:
    for borrowed in (3, 5):
        assert rate(1, seed, borrowed=borrowed) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_units_alone_would_call_seeds_of_one_method_different() -> None:
    rng, n = np.random.default_rng(0), 100
    units = rng.normal(0, 1, n)
    p = [stats.ttest_rel(*(runs(rng, units, 1, 0.1, 0.3)[0] for _ in range(2))).pvalue for _ in range(500)]
    assert np.mean(np.array(p) < 0.05) > 0.3


def test_a_true_difference_is_found() -> None:
    assert rate(3, 0.5, mean=0.25, n_pairs=200) > 0.9
    assert rate(1, 0.5, borrowed=5, mean=0.4, n_pairs=200) > 0.9


def test_without_seeds_it_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    control = rng.random(400)
    model = control + 0.01 + rng.normal(0, 0.02, 400)
    found = compared(model, control, NO_SEED)
    expected = stats.ttest_rel(model, control)
    low, high = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert [found.low, found.high, found.df] == pytest.approx([low, high, 399])
    assert (found.seed_variance, found.n_units) == ("own", 400)


def test_with_many_units_it_is_welchs_test_of_the_seeds() -> None:
    rng = np.random.default_rng(2)
    units = np.zeros(50)  # the units are alike: all error is the seeds'
    model, control = (runs(rng, units, n, 1.0, 0.0) for n in (4, 6))
    found = compared(model, control)
    expected = stats.ttest_ind(model.mean(1), control.mean(1), equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)


def test_what_units_and_seeds_share_is_counted_once() -> None:
    """Runs without a seed's own effect: the error is that of the paired test, not that and the seeds' spread."""
    rng = np.random.default_rng(3)
    spreads = [spread_of(runs(rng, rng.normal(0, 1, 80), 3, 0.0, 1.0)) for _ in range(2000)]
    assert np.mean([s.means for s in spreads if s]) == pytest.approx(1 / 80, rel=0.05)
    assert np.mean([s.means - s.residual / 80 for s in spreads if s]) == pytest.approx(0, abs=0.05 / 80)


def test_one_seed_of_unknown_variance_gives_neither_interval_nor_p_value() -> None:
    rng = np.random.default_rng(4)
    found = compared(rng.random(50), rng.random(50))
    assert (found.seed_variance, found.low, found.high, found.p_value) == ("unknown", None, None, None)
    half = compare_crossed(Side(rng.random((3, 50))), Side(rng.random((1, 50))), metric="m", against="c")
    assert (half.seed_variance, half.p_value) == ("unknown", None)
    lent = compare_crossed(
        Side(rng.random((3, 50))), Side(rng.random((1, 50)), Spread(0.1, 0.1, 2, 50)), metric="m", against="c"
    )
    assert lent.seed_variance == "borrowed"
    two = Side(rng.random((1, 50)), Spread(0.1, 0.1, 1, 50))  # two seeds tell too little of a third
    assert compare_crossed(Side(rng.random((3, 50))), two, metric="m", against="c").seed_variance == "unknown"


def test_the_same_values_for_different_seeds_are_a_known_variance_of_0() -> None:
    values = np.random.default_rng(5).random(40)
    assert spread_of(np.stack([values, values])) is NO_SEED
    found = compared(np.stack([values, values]), np.stack([values, values]))
    assert (found.difference, found.p_value, found.seed_variance) == (0.0, 1.0, "own")


def test_spreads_pool_by_their_degrees_of_freedom() -> None:
    found = pooled_spread([Spread(1.0, 0.0, 1, 10), Spread(4.0, 20.0, 2, 10)])
    assert found is not None
    assert [found.means, found.df] == pytest.approx([3.0, 3])
    assert found.seed == pytest.approx(3.0 - (0.0 + 2 * 2.0) / 3)
    assert pooled_spread([]) is None
    assert pooled_spread([NO_SEED, NO_SEED]) is NO_SEED
