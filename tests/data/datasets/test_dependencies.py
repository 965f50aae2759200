"""Given graphs: turned, tied to a KPI that is outside, and what is said of odd ones."""

from __future__ import annotations

import numpy as np
import pytest

from distaff_data.datasets.dependencies import causal_edges, read_as, remarks, turned
from distaff_data.datasets.incidents import Case, Edge, Incidents
from distaff_data.errors import InputError


def incidents(calls: str, kpi: str) -> Incidents:
    """Services that call one another, ``a>b`` for a calls b, and a case that measures them and a KPI."""
    edges = tuple(Edge(call[0], call[2]) for call in calls.split())
    columns = ("a|x", "b|x", "c|x", "user|latency")
    case = Case("1", columns, np.arange(4.0), np.zeros((4, 4)), 2.0, columns.index(kpi))
    return Incidents("d", (case,), edges, graph_is=None)


def odd(read: Incidents) -> tuple[str, ...]:
    return remarks(read.cases[0].topology(read.edges))


def test_turning_is_its_own_inverse_and_causes_stay() -> None:
    edges = (Edge("a", "b"), Edge("b", "c", known=False))
    assert turned(edges, "calls") == (Edge("b", "a"), Edge("c", "b", known=False))
    assert turned(turned(edges, "calls"), "calls") == edges
    assert turned(edges, "causes") == edges


def test_a_kpi_outside_of_a_call_graph_is_tied_to_what_nobody_calls() -> None:
    read = read_as(incidents("a>b b>c", "user|latency"), "calls")
    assert read.edges == (Edge("b", "a"), Edge("c", "b"), Edge("a", "user|latency", assumed=True))
    assert odd(read) == ("the KPI is outside of the call graph and was tied to its entry: a",)
    assert read.cases[0].topology(read.edges).prior().known[0, 3]


def test_a_circle_that_nobody_else_calls_is_an_entry() -> None:
    read = read_as(incidents("a>b b>a b>c", "user|latency"), "calls")
    assert {edge.source for edge in read.edges if edge.assumed} == {"a", "b"}
    assert any("circles, in which no first cause can be told: " in warning for warning in odd(read))


def test_a_kpi_in_the_graph_or_outside_of_a_causal_one_is_tied_to_nothing() -> None:
    assert not any(edge.assumed for edge in read_as(incidents("a>b", "a|x"), "calls").edges)
    outside = read_as(incidents("a>b", "user|latency"), "causes")
    assert not any(edge.assumed for edge in outside.edges)
    assert odd(outside) == ("the KPI is outside of the given graph: no path leads to it",)


def test_a_graph_that_is_in_order_is_not_remarked_on_and_a_strange_one_is() -> None:
    assert odd(read_as(incidents("a>b b>c", "a|x"), "calls")) == ()
    assert odd(read_as(incidents("", "a|x"), "calls")) == ()
    assert "nothing acts on the KPI" in odd(read_as(incidents("a>b b>c", "a|x"), "causes"))[0]
    assert "the graph is not used" in odd(read_as(incidents("p>q", "a|x"), "causes"))[0]


def test_a_graph_that_nobody_said_anything_of_asks() -> None:
    with pytest.raises(InputError, match="distaff diagnose d --graph-is causes"):
        causal_edges(incidents("a>b", "a|x"))
    assert causal_edges(incidents("", "a|x")) == ()
