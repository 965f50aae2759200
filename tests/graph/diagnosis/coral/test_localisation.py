"""Blame is an exact walk: it agrees with a dense solve and a simulation, and goes where the rule says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from distaff_graph.diagnosis.coral.localisation import Blame, blame, by_entity
from distaff_graph.diagnosis.coral.mechanism import Mechanisms
from distaff_graph.diagnosis.coral.moments import LagMoments
from distaff_graph.diagnosis.coral.scores import NOVEL, Anomalies, Baseline, beside_peers


def _blame(course: np.ndarray, edges: list[tuple[int, int]], kpi: int | None, *, learned: bool = False) -> Blame:
    n = course.shape[1]
    matrix = np.zeros((n, n))
    for cause, effect in edges:
        matrix[cause, effect] = 1.0
    anomalies = Anomalies.of(course)
    given, found = (np.zeros((n, n)), matrix) if learned else (matrix, np.zeros((n, n)))
    return blame(anomalies, anomalies.own, csr_array(given), kpi, learned=csr_array(found))


def _dense(course: np.ndarray, edges: np.ndarray, kpi: int) -> np.ndarray:
    """The rule as it is written, metric by metric, and the walk followed step by step until nothing transitions."""
    n = course.shape[1]
    anomalies = Anomalies.of(course)
    degree = anomalies.own**2 / (1 + anomalies.own**2)
    beyond = np.maximum(course - 1, 0)
    explains = np.zeros((n, n))
    for j, i in np.argwhere(edges):
        lengths = np.linalg.norm(beyond[:, j]) * np.linalg.norm(beyond[:, i]) + 1e-12
        late = 1.0 if anomalies.onset[j] <= anomalies.onset[i] else 0.1
        explains[j, i] = min(edges[j, i] * degree[j] * (beyond[:, j] @ beyond[:, i]) / lengths * late, 0.999)
    rest = np.array([degree[i] * np.prod(1 - explains[:, i]) for i in range(n)]) + 1e-6
    total = rest + explains.sum(0)
    begin = np.log1p(anomalies.own)
    begin[kpi] = 0
    begin /= begin.sum()

    def settled(mass: np.ndarray) -> np.ndarray:
        resting = np.zeros(n)
        for _ in range(5000):
            resting += mass * rest / total
            mass = explains @ (mass / total)
        return resting

    everywhere, from_kpi = settled(begin), settled((np.arange(n) == kpi) * 1.0)
    left = from_kpi[kpi]
    everywhere[kpi] = from_kpi[kpi] = 0
    score: np.ndarray = 0.5 * from_kpi + (0.5 + 0.5 * left) * everywhere / everywhere.sum()
    return score


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 200))
def test_the_solution_is_that_of_the_walk_followed_step_by_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    course = np.abs(rng.standard_normal((8, 5))) * rng.uniform(0.3, 2, 5)
    edges = (rng.random((5, 5)) < 0.4) * rng.random((5, 5))
    np.fill_diagonal(edges, 0)
    anomalies = Anomalies.of(course)
    found = blame(anomalies, anomalies.own, csr_array(edges), 0)
    np.testing.assert_allclose(found.score, _dense(course, edges, 0), atol=1e-4)
    assert found.score.sum() == pytest.approx(1)
    assert found.score[0] == 0
    assert (found.propagated >= -1e-9).all()
    assert (found.propagated <= found.score + 1e-9).all()


def _steps(n_rows: int, onsets: list[int | None], heights: list[float]) -> np.ndarray:
    course = np.full((n_rows, len(onsets)), 0.1)
    for metric, (onset, height) in enumerate(zip(onsets, heights, strict=True)):
        if onset is not None:
            course[onset:, metric] = height
    return course


def test_an_effect_is_explained_by_its_cause_however_much_larger_it_is() -> None:
    course = _steps(10, [2, 2, 2, None], [5.0, 50.0, 10.0, 0.0])  # KPI, middle, cause, calm
    found = _blame(course, [(2, 1), (1, 0), (3, 0)], kpi=0)
    assert by_entity(found.score, np.arange(4), 0)[0] == (2, 2)
    assert found.path(2) == [2, 1, 0]
    assert found.score[2] > 0.8
    # Without edges the largest is blamed.
    assert by_entity(_blame(course, [], kpi=0).score, np.arange(4), 0)[0] == (1, 1)


def test_a_cause_that_begins_later_explains_little() -> None:
    early, late = (_steps(10, [3, 3, onset], [5.0, 5.0, 5.0]) for onset in (3, 7))
    edges = [(1, 0), (2, 1)]
    assert _blame(early, edges, kpi=0).score[2] > 0.7
    assert _blame(late, edges, kpi=0).score[2] < 0.4


def test_a_learned_edge_explains_less_where_both_ends_begin_together() -> None:
    course = _steps(10, [3, 3, 3], [5.0, 5.0, 5.0])
    edges = [(1, 0), (2, 1)]
    assert _blame(course, edges, kpi=0, learned=True).score[2] < _blame(course, edges, kpi=0).score[2] - 0.2


def test_learned_edges_stand_beside_given_ones_at_their_own_strength() -> None:
    course = _steps(10, [3, 2, 1], [5.0, 5.0, 5.0])
    anomalies, none = Anomalies.of(course), csr_array((3, 3), dtype=float)
    given, learned = none.tolil(), none.tolil()
    given[1, 0] = learned[2, 1] = 1.0
    alone = blame(anomalies, anomalies.own, csr_array(given), 0)
    both = blame(anomalies, anomalies.own, csr_array(given), 0, learned=csr_array(learned))
    known = blame(anomalies, anomalies.own, csr_array(given + learned), 0)
    assert alone.score[2] < both.score[2] < known.score[2]
    assert both.path(2) == [2, 1, 0]


def test_a_metric_without_a_way_to_the_kpi_is_still_ranked_by_its_causes() -> None:
    course = _steps(10, [2, 2, 4, 4], [5.0, 5.0, 8.0, 8.0])  # KPI and its cause, another cause and its effect
    found = _blame(course, [(1, 0), (2, 3)], kpi=0)
    assert [metric for _, metric in by_entity(found.score, np.arange(4), 0)] == [1, 2, 3]
    assert found.path(2) == []


def test_without_a_kpi_or_anything_unusual_all_is_finite() -> None:
    found = _blame(np.zeros((4, 3)), [(0, 1)], kpi=None)
    assert np.isfinite(found.score).all()
    assert found.path(1) == []


def test_an_entity_stands_where_its_most_blamed_metric_does_and_the_kpi_nowhere() -> None:
    ranked = by_entity(np.array([0.0, 0.2, 0.5, 0.3]), np.array([0, 0, 1, 0]), kpi=0)
    assert ranked == [(1, 2), (0, 3)]


def test_a_mechanism_that_stops_answering_is_broken_though_it_looks_normal() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (200, 3)).astype(float).repeat(4, axis=0)  # a command, its answer, a bystander
    rows[:, 1] = rows[:, 0]
    normal = LagMoments(3, 1)
    parents = np.zeros((3, 3), dtype=bool)
    parents[0, 1] = True
    normal.update(rows[:600])
    stuck = rows[600:].copy()
    stuck[:, 1] = 0
    assert np.abs(Mechanisms(normal, parents).broken(rows[600:])).max() < 1
    error = np.abs(Mechanisms(normal, parents).broken(stuck))
    assert error[:, 1].max() > 20
    assert not error[:, [0, 2]].any()


def test_an_effect_of_a_cause_far_out_is_judged_mildly() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((100, 2))
    rows[:, 1] += rows[:, 0]
    normal = LagMoments(2, 1)
    normal.update(rows)
    parents = np.array([[False, True], [False, False]])
    near, far = np.array([[0.0, 20.0]]), np.array([[300.0, 320.0]])
    assert np.abs(Mechanisms(normal, parents).broken(near)[0, 1]) > 10
    assert np.abs(Mechanisms(normal, parents).broken(far)[0, 1]) < 5


def test_scores_are_free_of_units() -> None:
    rng = np.random.default_rng(2)
    normal, rows = rng.standard_normal((200, 4)), 3 * rng.standard_normal((50, 4))
    unit = np.array([1e-6, 1.0, 1e3, 1e9])
    a, b = Baseline.of(normal), Baseline.of(normal * unit)
    np.testing.assert_allclose(a.z(rows), b.z(rows * unit), rtol=1e-9)
    np.testing.assert_allclose(a.course(a.z(rows)), b.course(b.z(rows * unit)), rtol=1e-9)


def test_a_constant_that_moves_is_novel_and_one_that_does_not_is_calm() -> None:
    baseline = Baseline.of(np.zeros((50, 2)))
    np.testing.assert_array_equal(baseline.z(np.array([[0.0, 1e-9]])), [[0.0, NOVEL]])
    steady = Baseline.of(np.full((50, 1), 0.1))
    assert abs(steady.z(np.array([[0.1]]))[0, 0]) < 1e-6


def test_deviations_are_measured_against_the_metrics_own_past() -> None:
    rng = np.random.default_rng(3)
    normal = rng.standard_normal((400, 2))
    normal[::50, 1] = 20.0
    baseline = Baseline.of(normal)
    own = Anomalies.of(baseline.course(baseline.z(np.array([[9.0, 9.0]])))).own
    assert own[0] > 1
    assert own[1] < 1
    upward = baseline.course(baseline.z(np.array([[-9.0, 9.0]])), upward=True)
    assert upward[0, 0] == 0


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(0, 100), min_size=1, max_size=9))
def test_peers_are_all_others_of_the_kind(values: list[float]) -> None:
    own = np.array([*values, 7.0])
    kind = np.array([0] * len(values) + [1])
    expected = [v / (1 + (np.median(np.delete(own[:-1], i)) if len(values) > 1 else 0)) for i, v in enumerate(values)]
    np.testing.assert_allclose(beside_peers(own, kind), [*expected, 7.0])
