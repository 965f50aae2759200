"""Controls that use a graph, on cases worked out by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from failing_chain import chain

from distaff.incidents.base import CaseView
from distaff_data.datasets.incidents import Case, Edge
from distaff_data.errors import InputError
from distaff_graph.diagnosis.controls.graphs import PCPageRank, Recency, pc_graph


def test_recency_puts_the_direct_cause_that_changed_last_first() -> None:
    values = np.zeros((60, 5))
    values[40:, 1] = 1  # a direct cause, early
    values[45:, 2] = 1  # a direct cause, late
    values[47:, 3] = 1  # changes last of all, but acts on nothing
    values[48:, 0] = 1
    values[52:, 4] = 1  # after the alarm
    columns = ("alarm|x", "a|x", "b|x", "c|x", "d|x")
    case = Case("alarm", columns, np.arange(60.0), values, 39.0, 0)
    model = Recency()
    assert model.diagnose_case(case, (Edge("a", "alarm"), Edge("b", "alarm"))).entities == ["b", "a", "c", "d"]
    assert model.diagnose_case(case).entities == ["c", "b", "a", "d"]


def test_recency_shares_the_place_of_metrics_that_change_alike() -> None:
    values = np.zeros((60, 4))
    values[45:, 1:] = 1
    values[48:, 0] = 1
    case = Case("alarm", ("alarm|x", "a|x", "b|x", "c|x"), np.arange(60.0), values, 39.0, 0)
    assert Recency().diagnose_case(case).tied("entity") == [["a", "b", "c"]]


def test_pc_learns_a_graph_whose_directions_can_be_told() -> None:
    pytest.importorskip("causallearn")
    rng = np.random.default_rng(5)
    values = rng.standard_normal((600, 5))
    values[:, 2] += values[:, 3] + values[:, 4]  # two causes of one effect: PC directs them and what follows
    values[:, 1] += values[:, 2]
    values[:, 0] += values[:, 1]
    values[:, 0] *= 1e6
    columns = ("kpi|x", "b|x", "c|x", "d|x", "e|x", "constant|x")
    values = np.hstack([values, np.ones((600, 1))])
    case = Case("collider", columns, np.arange(600.0), values, 400.0, 0)
    found = pc_graph(CaseView(case.topology(), case.times, values[:400], values[400:], 0, rng))
    assert set(zip(*map(np.ndarray.tolist, found.nonzero()), strict=True)) == {(1, 0), (2, 1), (3, 2), (4, 2)}
    assert PCPageRank().diagnose_case(case).entities[0] == "c"  # where all that acts on the KPI comes together


def test_pagerank_on_pc_says_which_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "causallearn.search.ConstraintBased.PC", None)
    with pytest.raises(InputError, match="causal-learn"):
        PCPageRank().diagnose_case(chain()[0])
