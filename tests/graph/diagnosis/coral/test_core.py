"""The state machine finds planted causes, holds no more than it may, and goes on exactly where it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distaff_data.datasets.incidents import Case, Incidents
from distaff_data.errors import InputError
from distaff_data.planted.incidents import planted_incidents
from distaff_graph.diagnosis.coral.core import Assessment, CORALCore
from distaff_graph.diagnosis.coral.evidence import Kinds, Weighed
from distaff_graph.diagnosis.coral.graph import Knowledge
from distaff_graph.diagnosis.coral.neural import NeuralLearner


def _knowledge(data: Incidents, case: Case) -> Knowledge:
    place = {name: i for i, name in enumerate(case.columns)}
    edges = {(place[e.source], place[e.target]) for e in data.truth if e.case == case.name}
    return Knowledge.from_edges(len(place), known=edges, complete=True)


def _core(case: Case, knowledge: Knowledge | None = None, **settings: Any) -> CORALCore:
    kinds = {name: i for i, name in enumerate(dict.fromkeys(c.partition("|")[2] for c in case.columns))}
    kind_of = np.array([kinds[c.partition("|")[2]] for c in case.columns])
    return CORALCore(Kinds.of(case.topology().entity_of, kind_of), case.kpi, knowledge, **settings)


def _diagnosed(core: CORALCore, case: Case, n_batches: int = 4) -> Assessment:
    row = case.onset_row
    assert row is not None
    core.add_normal(case.values[:row])
    core.trigger()
    for batch in np.array_split(case.values[row : row + 240], n_batches):
        found = core.advance(batch)
    return found


def test_with_the_true_graph_the_failed_entity_comes_first() -> None:
    data = planted_incidents(n_cases=12, invisible_share=0.0, seed=5)
    cases = [case for case in data.cases if case.visible]
    hits = 0
    for case in cases:
        found = _diagnosed(_core(case, _knowledge(data, case)), case)
        first = found.causes[0]
        hits += case.entities[first.entity] in case.roots
        assert len(found.causes) == len(case.entities) - 1  # the KPI is its entity's only metric
        assert [c.score for c in found.causes] == sorted((c.score for c in found.causes), reverse=True)
        assert first.path[0] == first.metric
        assert first.path[-1] == case.kpi
    assert hits >= 0.75 * len(cases)


def test_an_edge_that_the_incident_brought_explains_though_the_given_graph_lacks_it() -> None:
    rng = np.random.default_rng(3)
    n, fault = 500, 400
    root, middle, kpi, other = rng.normal(size=(4, n))
    root[fault:] += 6 * np.sin(np.arange(n - fault) / 4) + 6
    for row in range(1, n):
        middle[row] += (row >= fault) * 0.9 * root[row - 1]
        kpi[row] += 0.8 * middle[row - 1]
    values = np.column_stack([root, middle, kpi, other])
    case = Case("one", ("a|x", "b|x", "k|x", "o|x"), np.arange(n, dtype=float), values, float(fault), 2)
    given = Knowledge.from_edges(4, known=[(1, 2), (0, 3)])  # the graph of the normal state, in which a is known
    closed = Knowledge.from_edges(4, known=[(1, 2), (0, 3)], complete=True)  # nothing else may be learned
    learned, shut = (
        next(cause for cause in _diagnosed(_core(case, knowledge), case, 2).causes if cause.metric == 0)
        for knowledge in (given, closed)
    )
    assert learned.path == (0, 1, 2)
    assert learned.new_edges == ((0, 1),)
    assert shut.path == ()
    assert learned.propagated > shut.propagated + 0.02
    assert learned.score > shut.score + 0.02


def test_a_rescaled_metric_changes_nothing() -> None:
    case = planted_incidents(n_cases=1, seed=6).cases[0]
    unit = np.exp(np.random.default_rng(0).uniform(-9, 9, len(case.columns)))
    scaled = Case(case.name, case.columns, case.times, case.values * unit, case.onset, case.kpi)
    first, second = (_diagnosed(_core(c), c) for c in (case, scaled))
    assert [c.entity for c in first.causes] == [c.entity for c in second.causes]
    np.testing.assert_allclose([c.score for c in first.causes], [c.score for c in second.causes], rtol=1e-4)


@pytest.mark.parametrize("learner", ["linear", "neural"])
def test_a_restored_core_gives_the_same_diagnosis(learner: str) -> None:
    case = planted_incidents(n_cases=1, n_entities=2, metrics_per_entity=1, n_normal=200, n_fault=100, seed=7).cases[0]

    def small(known: Knowledge) -> NeuralLearner:
        return NeuralLearner(known, steps=5, embedding_dim=4)

    more: dict[str, Any] = {} if learner == "linear" else {"learner": small}
    first, second = _core(case, **more), _core(case, **more)
    row = case.onset_row
    assert row is not None
    first.add_normal(case.values[:row])
    second.load_state(first.state())
    first.trigger()
    second.trigger()
    for start in range(row, row + 60, 30):
        batch = case.values[start : start + 30]
        expected = first.advance(batch)
        assert second.advance(batch).causes == expected.causes
        resumed = _core(case, **more)
        resumed.load_state(second.state())
        second = resumed


def test_memory_does_not_grow_and_far_metrics_are_screened_out() -> None:
    rng = np.random.default_rng(8)
    n = 300
    # What came first would be blamed before what is further out.
    weighed = Weighed(distribution=False, order=False, remainder=False)
    core = CORALCore(Kinds.of(np.arange(n), np.zeros(n, int)), 0, n_candidates=20, memory=100, weighed=weighed)
    for _ in range(5):
        core.add_normal(rng.standard_normal((50, n)))
    core.trigger()
    sizes = []
    for batch in range(6):
        rows = rng.standard_normal((50, n))
        rows[:, [0, 250]] += 30
        if batch >= 3:
            rows[:, 251] += 90  # leaves its past later: the candidates are chosen anew
        found = core.advance(rows)
        sizes.append(sum(array.size for array in core.state().values()))
        assert found.causes[0].entity == (250 if batch < 3 else 251)
    assert len(set(sizes[2:])) == 1
    assert {c.entity for c in found.causes} == set(range(1, n))
    assert next(c.onset for c in found.causes if c.entity == 251) == 150
    assert found.graph.n_metrics == n


def test_stable_causes_converge_and_normal_rows_end_the_incident() -> None:
    rng = np.random.default_rng(9)
    core = CORALCore(Kinds.of(np.arange(4), np.zeros(4, int)), 0)
    core.add_normal(rng.standard_normal((300, 4)))
    core.trigger()
    converged = [core.advance(rng.standard_normal((60, 4)) + np.array([9, 20, 0, 0])).converged for _ in range(6)]
    assert not converged[1]
    assert converged[-1]
    core.add_normal(rng.standard_normal((10, 4)))
    assert not core.triggered


def test_wrong_order_and_wrong_rows_are_refused_and_change_nothing() -> None:
    core = CORALCore(Kinds.of(np.arange(3), np.zeros(3, int)), 0)
    with pytest.raises(InputError, match="add normal rows before"):
        core.trigger()
    with pytest.raises(InputError, match="takes a trigger"):
        core.advance(np.zeros((2, 3)))
    core.add_normal(np.random.default_rng(0).standard_normal((20, 3)))
    core.trigger()
    for rows, message in ((np.zeros((2, 4)), "3 metrics"), (np.full((2, 3), np.nan), "missing or infinite")):
        with pytest.raises(InputError, match=message):
            core.advance(rows)
    assert len(core.state()["incident"]) == 0
