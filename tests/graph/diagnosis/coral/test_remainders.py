"""Remainders: the closed form of a shifted mechanism, nothing in the normal state, few rows, copies and constants."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LinearRegression

from distaff_data.arrays import Floats
from distaff_graph.diagnosis.coral.remainders import Remainders, shrunk_covariance
from distaff_graph.diagnosis.energy import energy_coefficient


def chain(n: int, shift: Floats, rng: np.random.Generator) -> Floats:
    """Rows of 0 -> 1 -> 2 -> 3 and 4 alone; what each mechanism is shifted by."""
    values = rng.standard_normal((n, 5)) + shift
    for cause in range(3):
        values[:, cause + 1] += values[:, cause]
    return values


@pytest.mark.parametrize("root", [0, 1, 2])
def test_a_shift_shows_at_its_metric_and_its_causes_and_not_at_its_effects(root: int) -> None:
    rng = np.random.default_rng(root)
    remainders = Remainders(chain(600, np.zeros(5), rng))
    apart = remainders.apart(chain(200, 3.0 * np.eye(5)[root], rng))
    causes, effects = {root - 1, root} - {-1}, set(range(root + 1, 4))
    assert min(apart[list(causes)]) > 1.5
    assert max(apart[[*effects, 4]]) < 1.5
    marginal = energy_coefficient(chain(600, np.zeros(5), rng), chain(200, 3.0 * np.eye(5)[root], rng))
    assert np.argmax(np.sqrt(apart) * marginal) == root  # of all only the root is in both


def test_of_many_rows_what_is_left_is_what_a_regression_leaves() -> None:
    rng = np.random.default_rng(3)
    normal, rows = chain(20_000, np.zeros(5), rng), chain(300, np.array([0, 2.0, 0, 0, 0]), rng)
    scaled, new = ((x - normal.mean(0)) / normal.std(0) for x in (normal, rows))
    precision = np.linalg.inv(shrunk_covariance(scaled))
    left = (new - scaled.mean(0)) @ precision / np.sqrt(np.diag(precision))
    for metric in range(5):
        others = np.arange(5) != metric
        fit = LinearRegression().fit(scaled[:, others], scaled[:, metric])
        residual = new[:, metric] - fit.predict(new[:, others])
        assert np.corrcoef(left[:, metric], residual)[0, 1] > 0.999


@pytest.mark.parametrize(("n", "m"), [(10, 4), (30, 50), (500, 12)])
def test_the_covariance_is_that_of_scikit_learn(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((n, m)) @ rng.standard_normal((m, m))
    np.testing.assert_allclose(shrunk_covariance(rows), ledoit_wolf(rows)[0], rtol=1e-9)


@pytest.mark.parametrize("n_normal", [14, 60, 400])
def test_in_the_normal_state_hardly_any_metric_is_further_away_than_blocks_of_it_were(n_normal: int) -> None:
    beyond = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mix = rng.standard_normal((12, 12))
        rows = rng.standard_normal((n_normal + 30, 12)) @ mix
        beyond.append((Remainders(rows[:n_normal]).apart(rows[n_normal:]) > 2).mean())
    assert np.mean(beyond) < 0.05


def test_units_do_not_matter_and_constants_and_copies_are_no_fault() -> None:
    rng = np.random.default_rng(5)
    normal, rows = chain(200, np.zeros(5), rng), chain(50, np.array([0, 0, 4.0, 0, 0]), rng)
    expected = Remainders(normal).apart(rows)
    units = np.array([1e-6, 1.0, 1e9, 3.0, 7.0])
    np.testing.assert_allclose(Remainders(normal * units).apart(rows * units), expected, rtol=1e-6)
    odd = [np.column_stack([x, np.full(len(x), 2.0), x[:, 0]]) for x in (normal, rows)]
    found = Remainders(odd[0]).apart(odd[1])
    assert np.isfinite(found).all()
    assert found[5] == 0


def test_two_rows_tell_nothing() -> None:
    rng = np.random.default_rng(6)
    assert Remainders(rng.standard_normal((2, 3))).apart(rng.standard_normal((5, 3))).tolist() == [0, 0, 0]
