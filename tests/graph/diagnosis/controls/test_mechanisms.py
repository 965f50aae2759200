"""CIRCA, its hypothesis tests and RCD against other implementations, closed forms and planted mechanisms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from distaff.incidents.base import CaseView
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Case, Edge
from distaff_graph.diagnosis.controls.graphs import pc_graph
from distaff_graph.diagnosis.controls.interventions import RCD, binned, independence
from distaff_graph.diagnosis.controls.mechanisms import CIRCA, CIRCAOnPC, HypothesisTest, adjusted, unexplained

COLUMNS = ("a|x", "b|x", "c|x", "kpi|x", "other|x")
EDGES = (Edge("a", "b"), Edge("b", "c"), Edge("c", "kpi"))


def system(moved: str, height: float = 8.0, seed: int = 0, n_normal: int = 300) -> Case:
    """A linear chain a, b, c, KPI, and a metric beside it, with a step in the mechanism of one."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_normal + 60, len(COLUMNS)))
    noise[n_normal:, COLUMNS.index(moved)] += height
    values = noise.copy()
    for cause, effect in ((0, 1), (1, 2), (2, 3)):
        values[:, effect] += 2 * values[:, cause]
    return Case("1", COLUMNS, np.arange(float(len(values))), values, float(n_normal), 3)


def view_of(case: Case, edges: tuple[Edge, ...] = EDGES) -> CaseView:
    row = case.onset_row
    assert row is not None
    return CaseView(case.topology(edges), case.times, case.values[:row], case.values[row:], 0, np.random.default_rng(0))


@pytest.mark.parametrize("moved", ["a|x", "b|x", "c|x"])
def test_the_mechanism_that_changed_is_blamed_though_everything_below_it_moved_further(moved: str) -> None:
    for seed in range(5):
        assert HypothesisTest().diagnose_case(system(moved, seed=seed), EDGES).columns[0] == moved


@pytest.mark.parametrize("moved", ["a|x", "b|x", "c|x"])
def test_circa_blames_it_too_unless_noise_above_it_passes_for_an_anomaly(moved: str) -> None:
    for seed in range(5):
        case = system(moved, seed=seed)
        view = view_of(case)
        upstream = unexplained(view, csr_array(view.topology.prior().known))[: COLUMNS.index(moved)]
        blamed = CIRCA().diagnose_case(case, EDGES).columns[0]
        assert blamed == moved or upstream.max(initial=0.0) >= 3


def test_without_a_graph_circa_tests_against_the_one_that_pc_learns() -> None:
    pytest.importorskip("causallearn")
    case = system("b|x")
    scores = {cause.column: cause.score for cause in CIRCAOnPC().diagnose_case(case, seed=3).causes}
    view = view_of(case, ())
    learned = pc_graph(replace(view, generator=np.random.default_rng([3, *b"1"])))
    assert learned.nnz > 0
    expected = unexplained(view, learned)
    assert scores == pytest.approx({c: expected[i] for i, c in enumerate(COLUMNS) if c != "kpi|x"})


def test_what_is_left_is_what_a_regression_and_a_scaler_leave() -> None:
    view = view_of(system("b|x"), (*EDGES, Edge("other", "c")))
    found = unexplained(view, csr_array(view.topology.prior().known))
    for metric, parents in ((0, []), (1, [0]), (2, [1, 4]), (3, [2]), (4, [])):
        before, after = view.normal[:, metric], view.abnormal[:, metric]
        if parents:
            fit = LinearRegression().fit(view.normal[:, parents], before)
            before, after = (y - fit.predict(x[:, parents]) for y, x in ((before, view.normal), (after, view.abnormal)))
        z = StandardScaler().fit(before[:, None]).transform(after[:, None])
        assert found[metric] == pytest.approx(np.abs(z).max(), rel=1e-9)


def test_causes_that_leave_nothing_explain_nothing() -> None:
    case = system("c|x", n_normal=20)
    copied = case.values.copy()
    copied[:, 1] = copied[:, 0]
    view = view_of(Case(**{**vars(case), "values": copied}))
    alone, edges = unexplained(view, csr_array((5, 5), dtype=bool)), csr_array(view.topology.prior().known)
    assert unexplained(view, edges)[1] == pytest.approx(alone[1])
    assert np.isfinite(unexplained(view, edges)).all()


def test_descendants_count_where_what_lies_between_is_not_anomalous() -> None:
    # a -> b -> c -> d and a -> e: b is quiet, so that a sees c beyond it, and not d beyond c.
    edges = csr_array((np.ones(4, bool), ([0, 1, 2, 0], [1, 2, 3, 4])), shape=(5, 5))
    scores = np.array([5.0, 1.0, 7.0, 9.0, 4.0])
    assert adjusted(scores, edges).tolist() == [12.0, 1.0, 16.0, 9.0, 4.0]


@given(st.integers(0, 10_000))
def test_adjustment_is_what_a_walk_over_the_graph_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    known = rng.random((n, n)) < 0.4
    scores = rng.uniform(0, 6, n).round(1)

    def downstream(metric: int, seen: frozenset[int]) -> list[float]:
        values = []
        for effect in np.flatnonzero(known[metric]):
            values.append(float(scores[effect]))
            if scores[effect] < 3 and effect not in seen:
                values += downstream(int(effect), seen | {int(effect)})
        return values

    expected = scores.copy()
    for metric in range(n):
        if scores[metric] >= 3 and (values := downstream(metric, frozenset())):
            expected[metric] += max(values)
    assert adjusted(scores, csr_array(known)) == pytest.approx(expected)


def test_the_independence_test_is_that_of_causal_learn() -> None:
    cit = pytest.importorskip("causallearn.utils.cit")
    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.integers(0, k, 400) for k in (2, 5, 5, 3)])
    rows[:, 1] = (rows[:, 1] + rows[:, 0] * (rng.random(400) < 0.3)) % 5
    peer = cit.CIT(rows, "chisq")
    for given_columns in ([], [2], [2, 3]):
        expected = peer(0, 1, given_columns)
        found = independence(rows[:, 0], rows[:, 1], [rows[:, column] for column in given_columns])
        assert found == pytest.approx(expected, rel=1e-9)


def test_the_independence_test_holds_its_level() -> None:
    rng = np.random.default_rng(5)
    draws = (independence(rng.integers(0, 2, 300), rng.integers(0, 5, 300)) for _ in range(1_000))
    assert np.mean(np.fromiter(draws, float) < 0.05) < 0.07


def test_bins_are_told_apart_by_gaps_and_not_by_units() -> None:
    values: Floats = np.repeat([0.0, 1.0, 10.0, 11.0, 30.0], 7) + np.tile(np.linspace(-0.2, 0.2, 7), 5)
    codes = binned(values)
    assert len(set(codes.tolist())) >= 3
    assert np.array_equal(codes, binned(values * 4096.0))
    assert np.array_equal(np.sort(codes), codes[np.argsort(values, kind="stable")])


def test_rcd_finds_the_changed_mechanism_and_what_nothing_moved_comes_last() -> None:
    first, last = 0, 0
    for seed in range(10):
        columns = RCD().diagnose_case(system("a|x", height=2.5, seed=seed), seed=seed).columns
        first += columns[0] == "a|x"
        last += columns.index("other|x") > columns.index("a|x")
    assert first >= 6
    assert last == 10


def test_rcd_ties_what_it_does_not_find() -> None:
    case = system("a|x")
    flat = case.values.copy()
    flat[:, [1, 4]] = 0.0
    scores = {c.column: c.score for c in RCD().diagnose_case(Case(**{**vars(case), "values": flat})).causes}
    assert scores["b|x"] == scores["other|x"] == 0.0
