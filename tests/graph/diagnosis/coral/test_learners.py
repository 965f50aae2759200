"""Both learners find planted edges in the part they belong to, keep to what is known, and go on where they were."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from switching_series import edge_f1, switching_series

from distaff_graph.diagnosis.coral.core import GraphLearner
from distaff_graph.diagnosis.coral.graph import Knowledge
from distaff_graph.diagnosis.coral.linear import LinearLearner
from distaff_graph.diagnosis.coral.neural import NeuralLearner

Make = Callable[[Knowledge], GraphLearner]


def _neural(knowledge: Knowledge) -> GraphLearner:
    return NeuralLearner(knowledge, embedding_dim=8)


BOTH = pytest.mark.parametrize("make", [LinearLearner, _neural], ids=["linear", "neural"])


@pytest.mark.parametrize(("make", "shared", "added"), [(LinearLearner, 0.95, 0.9), (_neural, 0.85, 0.6)])
def test_planted_edges_are_found_in_their_parts(make: Make, shared: float, added: float) -> None:
    series = switching_series(10)
    learner = make(Knowledge.nothing(10))
    learner.update(series.normal)
    assert learner.graph.dependent.nnz == 0
    learner.switch()
    for batch in np.split(series.present, 4):
        graph = learner.update(batch)
    assert edge_f1(graph.invariant.toarray() > 0, series.shared) >= shared
    assert edge_f1(graph.dependent.toarray() > 0, series.added) >= added
    for part in (graph.invariant, graph.dependent):
        assert part.diagonal().sum() == 0
        assert (part.toarray() <= 1).all()


@BOTH
def test_known_edges_are_there_and_forbidden_ones_never(make: Make) -> None:
    series = switching_series(8, 60, seed=1)
    absent = np.argwhere(~series.shared & ~series.added & ~np.eye(8, dtype=bool))[0]
    real = np.argwhere(series.shared)[:3]
    knowledge = Knowledge.from_edges(8, known=[tuple(absent)], forbidden=[tuple(edge) for edge in real])
    learner = make(knowledge)
    learner.update(series.normal)
    learner.switch()
    graph = learner.update(series.present)
    fused = graph.fused().toarray()
    assert graph.invariant.toarray()[tuple(absent)] == 1
    assert not fused[tuple(real.T)].any()


@BOTH
def test_a_complete_graph_leaves_nothing_to_find(make: Make) -> None:
    series = switching_series(6, 60, seed=2)
    learner = make(Knowledge.from_edges(6, known=[(0, 1), (2, 3)], complete=True))
    learner.update(series.normal)
    learner.switch()
    assert np.argwhere(learner.update(series.present).fused().toarray()).tolist() == [[0, 1], [2, 3]]


@BOTH
def test_units_change_nothing(make: Make) -> None:
    series = switching_series(6, 60, seed=3)
    unit, zero = np.array([1e-3, 1.0, 1e4, 7.0, 0.5, 1e6]), np.array([5.0, -3.0, 1e3, 0.0, 2.0, 1e4])
    graphs = []
    for scale, offset in ((1.0, 0.0), (unit, zero)):
        learner = make(Knowledge.nothing(6))
        learner.update(series.normal * scale + offset)
        learner.switch()
        graphs.append(learner.update(series.present * scale + offset))
    for a, b in ((graphs[0].invariant, graphs[1].invariant), (graphs[0].dependent, graphs[1].dependent)):
        np.testing.assert_allclose(a.toarray(), b.toarray(), atol=5e-2)


@BOTH
def test_a_restored_learner_goes_on_exactly(make: Make) -> None:
    series = switching_series(6, 120, seed=4)
    first = make(Knowledge.nothing(6))
    first.update(series.normal)
    first.switch()
    first.update(series.present[:60])
    second = make(Knowledge.nothing(6))
    second.load_state(first.state())
    np.testing.assert_array_equal(second.graph.fused().toarray(), first.graph.fused().toarray())
    a, b = (learner.update(series.present[60:]) for learner in (first, second))
    np.testing.assert_array_equal(a.invariant.toarray(), b.invariant.toarray())
    np.testing.assert_array_equal(a.dependent.toarray(), b.dependent.toarray())


def _with_memory(n_rows: int, within: list[tuple[int, int]], memory: float, seed: int) -> np.ndarray:
    """Five metrics that remember their last value, in an order in which causes come first."""
    noise = np.random.default_rng(seed).standard_normal((n_rows, 5))
    rows = np.zeros_like(noise)
    for t in range(n_rows):
        rows[t] = noise[t] + (memory * rows[t - 1] if t else 0)
        for cause, effect in within:
            rows[t, effect] += rows[t, cause]
    return rows


def test_edges_within_a_row_are_found_with_their_direction() -> None:
    learner = LinearLearner(Knowledge.nothing(5))
    found = learner.update(_with_memory(800, [(0, 1), (1, 2), (0, 3)], 0.5, 5)).invariant.toarray() > 0
    assert np.argwhere(found).tolist() == [[0, 1], [0, 3], [1, 2]]


def test_an_edge_whose_direction_nothing_tells_is_left_out() -> None:
    learner = LinearLearner(Knowledge.nothing(5))
    assert learner.update(_with_memory(800, [(0, 1)], 0.0, 6)).invariant.nnz == 0


def test_a_shift_of_level_is_no_new_edge() -> None:
    rows = _with_memory(900, [(0, 1), (1, 2)], 0.5, 7)
    rows[600:, :3] += 20.0
    rows[600:, 4] -= 30.0
    learner = LinearLearner(Knowledge.nothing(5))
    learner.update(rows[:600])
    learner.switch()
    graph = learner.update(rows[600:])
    assert np.argwhere(graph.invariant.toarray()).tolist() == [[0, 1], [1, 2]]
    assert graph.dependent.nnz == 0


def test_a_metric_that_only_moves_in_the_incident_gets_edges_of_it() -> None:
    rng = np.random.default_rng(6)
    normal, present = rng.standard_normal((300, 4)), rng.standard_normal((200, 4))
    normal[:, 3] = 0
    present[:, 3] = 0
    present[1:, 3] = (present[:-1, 0] > 0) * 1.0
    learner = LinearLearner(Knowledge.nothing(4))
    learner.update(normal)
    assert learner.graph.invariant.nnz == 0
    learner.switch()
    assert np.argwhere(learner.update(present).dependent.toarray()).tolist() == [[0, 3]]
