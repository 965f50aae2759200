"""Rank-biased overlap has its closed forms, graphs agree as they should, and stopping takes agreement in a row."""

from __future__ import annotations

import numpy as np
import pytest

from distaff_data.errors import InputError
from distaff_graph.diagnosis.coral.convergence import Convergence, graph_agreement, rank_biased_overlap
from distaff_graph.diagnosis.coral.graph import Graph, Knowledge


def _graph(weight: float) -> Graph:
    return Graph.from_dense(np.array([[0.0, weight], [0.0, 0.0]]), np.zeros((2, 2)))


def test_equal_lists_overlap_wholly_and_disjoint_ones_not_at_all() -> None:
    assert rank_biased_overlap([3, 1, 2], [3, 1, 2]) == pytest.approx(1)
    assert rank_biased_overlap([1, 2], [3, 4]) == 0
    assert rank_biased_overlap([], []) == 1
    assert rank_biased_overlap([], [1]) == 0


def test_a_swap_of_the_first_two_costs_its_closed_form() -> None:
    # Overlaps are 0, 1, 1: RBO = p^3 + (1 - p)/p (p^2 + p^3) = 1 - (1 - p).
    assert rank_biased_overlap([1, 2, 3], [2, 1, 3], p=0.8) == pytest.approx(0.8)


def test_a_change_at_the_top_costs_more_than_one_at_the_bottom() -> None:
    same = [1, 2, 3, 4, 5]
    assert rank_biased_overlap(same, [9, 2, 3, 4, 5]) < rank_biased_overlap(same, [1, 2, 3, 4, 9])


def test_graphs_agree_by_what_they_share_of_their_weight() -> None:
    assert graph_agreement(_graph(0.5), _graph(0.5)) == 1
    assert graph_agreement(_graph(0.5), Graph.empty(2)) == 0
    assert graph_agreement(Graph.empty(2), Graph.empty(2)) == 1
    assert graph_agreement(_graph(0.6), _graph(0.4)) == pytest.approx(0.8)


def test_it_stops_after_agreements_in_a_row_of_both() -> None:
    stop = Convergence()
    steps = [([1, 2], 0.5), ([1, 2], 0.5), ([2, 1], 0.5), ([2, 1], 0.5), ([2, 1], 0.1), ([2, 1], 0.1), ([2, 1], 0.1)]
    found = [stop.update(ranking, _graph(weight)) for ranking, weight in steps]
    assert found == [False] * 6 + [True]


def test_it_goes_on_where_it_was() -> None:
    first, second = Convergence(), Convergence()
    for _ in range(2):
        first.update([1, 2], _graph(0.5))
    second.load_state(first.state(), _graph(0.5))
    assert second.update([1, 2], _graph(0.5))


def test_knowledge_that_contradicts_itself_or_names_no_metric_is_refused() -> None:
    with pytest.raises(InputError, match="both known and forbidden"):
        Knowledge.from_edges(3, known=[(0, 1)], forbidden=[(0, 1)])
    with pytest.raises(InputError, match=r"outside of 0\.\.2"):
        Knowledge.from_edges(3, known=[(0, 3)])


def test_fusion_is_the_noisy_or_and_places_survive() -> None:
    graph = Graph.from_dense(np.array([[0.0, 0.5], [0.0, 0.0]]), np.array([[0.0, 0.4], [0.3, 0.0]]))
    np.testing.assert_allclose(graph.fused().toarray(), [[0.0, 0.7], [0.3, 0.0]])
    wide = graph.spread(np.array([4, 1]), 6)
    assert wide.invariant[4, 1] == 0.5
    np.testing.assert_array_equal(wide.take(np.array([4, 1])).dependent.toarray(), graph.dependent.toarray())
