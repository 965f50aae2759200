"""Moments grow batch by batch into those of all rows; fits from them are the fits to the rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff_graph.diagnosis.coral.moments import LagMoments
from distaff_graph.diagnosis.coral.regression import EMPTY, Problem, decreases, fit, increases, strengths
from distaff_graph.diagnosis.coral.search import Criterion, choose


def _problem(rows: np.ndarray, n_lags: int = 1) -> tuple[Problem, np.ndarray]:
    moments = LagMoments(rows.shape[1], n_lags)
    moments.update(rows)
    gram = moments.centred(np.zeros(rows.shape[1]))
    n = rows.shape[1]
    own = np.add.outer(np.arange(n), n * np.arange(1, n_lags + 1))
    problem = Problem(gram, gram[:, :n], np.diag(gram)[:n], moments.n_rows, own)
    return problem, LagMoments(n, n_lags).stack(rows)[:, 1:]


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=5), n_lags=st.integers(0, 3), seed=st.integers(0, 99))
def test_batches_of_any_size_add_up_to_the_moments_of_all_rows(cuts: list[int], n_lags: int, seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((40, 3))
    whole, parts = LagMoments(3, n_lags), LagMoments(3, n_lags)
    whole.update(rows)
    for batch in np.split(rows, sorted(cuts)):
        parts.update(batch)
    np.testing.assert_allclose(parts.gram, whole.gram, atol=1e-9)
    np.testing.assert_array_equal(parts.tail, whole.tail)
    stacked = np.hstack([rows[n_lags - lag : 40 - lag] for lag in range(n_lags + 1)])
    np.testing.assert_allclose(whole.gram[1:, 1:], stacked.T @ stacked, atol=1e-9)
    mean = np.array([1.0, -2.0, 0.5])
    away = stacked - np.tile(mean, n_lags + 1)
    np.testing.assert_allclose(whole.centred(mean), away.T @ away, atol=1e-9)


def test_older_rows_fade() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2))
    faded, late = LagMoments(2, 1), LagMoments(2, 1)
    faded.update(rows[:10])
    faded.update(rows[10:], keep=0.0)
    late.update(rows[9:])
    np.testing.assert_allclose(faded.gram, late.gram)


def test_a_batched_fit_is_each_targets_own_ridge_regression() -> None:
    rows = np.random.default_rng(1).standard_normal((80, 4))
    problem, stacked = _problem(rows, n_lags=2)
    support = np.array([[1, EMPTY], [8, 2], [EMPTY, EMPTY], [2, 5]])
    fitted = fit(problem, support)
    for target in range(4):
        features = stacked[:, [target + 4, target + 8, *(s for s in support[target] if s != EMPTY)]]
        inner = features.T @ features + np.eye(features.shape[1])
        expected = np.linalg.solve(inner, features.T @ stacked[:, target])
        found = fitted.coefficients[target][fitted.columns[target] != EMPTY]
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_what_a_source_saves_is_what_a_fit_without_it_loses() -> None:
    problem, _ = _problem(np.random.default_rng(2).standard_normal((60, 4)).cumsum(0))
    support = np.array([[1, 2], [0, 2], [0, 3], [2, EMPTY]])
    fitted = fit(problem, support)
    grown = increases(fitted)
    for slot in range(2):
        without = support.copy()
        without[:, slot] = EMPTY
        less = fit(problem, without)
        np.testing.assert_allclose(grown[:, slot], less.rss - fitted.rss, rtol=1e-6, atol=1e-8)
        fallen = decreases(problem, less)[support[:, slot], np.arange(4)]
        np.testing.assert_allclose(fallen, np.where(support[:, slot] == EMPTY, fallen, grown[:, slot]), rtol=1e-6)


def test_strength_is_the_partial_correlation() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((4000, 3))
    rows[1:, 2] += 0.8 * rows[:-1, 0] + 0.4 * rows[:-1, 1]
    problem, stacked = _problem(rows)
    found = strengths(fit(problem, np.array([[EMPTY, EMPTY], [EMPTY, EMPTY], [3, 4]])))[2]
    # Of target 2 and source 0 at lag 1, given source 1 and the target itself at lag 1: from the inverse covariance.
    inverse = np.linalg.inv(stacked[:, [2, 3, 4, 5]].T @ stacked[:, [2, 3, 4, 5]])
    expected = abs(inverse[0, 1]) / np.sqrt(inverse[0, 0] * inverse[1, 1])
    assert found[0] == pytest.approx(expected, abs=1e-3)


def test_choice_finds_the_planted_sources_and_no_others() -> None:
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((1000, 6))
    for t in range(1, 1000):
        rows[t, 3] += 0.5 * rows[t - 1, 0] - 0.5 * rows[t - 1, 5]
    problem, _ = _problem(rows)
    anything = np.tile(~np.eye(6, dtype=bool), (2, 1))
    none, kept = np.full((6, 4), EMPTY), np.zeros((12, 6), dtype=bool)
    criterion = Criterion.of(problem, problem.n_rows, 12)

    def chosen(start: np.ndarray) -> np.ndarray:
        return choose(problem, anything, start, kept, criterion, most=3).support

    support = chosen(none)
    assert {int(s) for s in support[3] if s != EMPTY} == {6, 11}  # metrics 0 and 5, one row before
    assert (np.delete(support, 3, axis=0) == EMPTY).all()
    # From a wrong start too: backward steps drop what does not help, unless it is kept.
    wrong = none.copy()
    wrong[1, 0] = 10
    assert (chosen(wrong)[1] == EMPTY).all()
    kept[10, 1] = True
    assert 10 in chosen(wrong)[1]


def test_targets_searched_together_find_what_each_finds_alone() -> None:
    rng = np.random.default_rng(6)
    mixing = 0.4 * rng.standard_normal((8, 8)) * (rng.random((8, 8)) < 0.6)
    rows = rng.standard_normal((2000, 8))
    for t in range(1, 2000):
        rows[t] += np.tanh(rows[t - 1]) @ mixing
    problem, _ = _problem(rows)
    none, kept = np.full((8, 6), EMPTY), np.zeros((16, 8), dtype=bool)
    earlier = np.tile(~np.eye(8, dtype=bool), (2, 1))
    earlier[:8] = False
    criterion = Criterion.of(problem, problem.n_rows, 16)
    together = choose(problem, earlier, none, kept, criterion, most=6).support
    assert (together != EMPTY).sum() > 10
    for target in range(8):
        only = earlier & (np.arange(8) == target)
        alone = choose(problem, only, none, kept, criterion, most=6).support
        np.testing.assert_array_equal(alone[target], together[target])
        assert (np.delete(alone, target, axis=0) == EMPTY).all()
