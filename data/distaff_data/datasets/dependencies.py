"""Given graphs: turned once so that edges run from cause to effect, tied to the KPI, and what is odd about them.

A causal graph runs from cause to effect; a call graph from caller to called, against the way of faults. Neither the edges
nor the metrics tell which of the two a graph is, so a person says it, once.

The KPI of a service is often measured by its users and not by the service: then it is outside of the call graph. It sees
what the entry of the graph sees, that is whatever nobody else calls, so an edge from each entry to it is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from distaff_data.arrays import Ints
from distaff_data.datasets.incidents import Edge, GraphIs, Incidents, Topology, entity_of
from distaff_data.errors import InputError


def turned(edges: Iterable[Edge], graph_is: GraphIs | None) -> tuple[Edge, ...]:
    """Return edges from cause to effect; its own inverse, so that turned edges become what the file has."""
    if graph_is != "calls":
        return tuple(edges)
    return tuple(replace(edge, source=edge.target, target=edge.source) for edge in edges)


def read_as(incidents: Incidents, graph_is: GraphIs | None) -> Incidents:
    """Return incidents whose edges, as a file has them, are read as causes or calls."""
    edges = turned(incidents.edges, graph_is)
    if graph_is == "calls":
        edges += ties(edges, [case.columns[case.kpi] for case in incidents.cases if case.kpi is not None])
    return replace(incidents, edges=edges, graph_is=graph_is)


def causal_edges(incidents: Incidents) -> tuple[Edge, ...]:
    """Return the edges from cause to effect.

    Raises:
        InputError: There are edges, and nobody has said what they are.
    """
    if incidents.edges and incidents.graph_is is None:
        raise InputError(
            f"dataset {incidents.name!r} has a graph, and nobody has said what its edges are; say it once: "
            f"distaff diagnose {incidents.name} --graph-is causes (source acts on target) or --graph-is calls (source "
            "calls target)",
            column="graph_is",
        )
    return incidents.edges


def remarks(topology: Topology) -> tuple[str, ...]:
    """Return what is odd about the given graph of a case, a sentence each; nothing where there is no graph."""
    existing = [edge for edge in topology.edges if edge.known]
    given = [edge for edge in existing if not edge.assumed]
    if not given:
        return ()
    measured = {*topology.columns, *topology.entities}
    usable = [edge for edge in existing if edge.source in measured and edge.target in measured]
    if not any(not edge.assumed for edge in usable):
        return ("no edge of the given graph joins two metrics of this case: the graph is not used",)
    sentences = []
    if topology.kpi is not None:
        kpi = topology.columns[topology.kpi]
        kpi_names = {kpi, entity_of(kpi)}
        tied = sorted({edge.source for edge in usable if edge.assumed and edge.target == kpi})
        if tied:
            sentences.append(f"the KPI is outside of the call graph and was tied to its entry: {_listed(tied)}")
        elif not any({edge.source, edge.target} & kpi_names for edge in usable):
            sentences.append("the KPI is outside of the given graph: no path leads to it")
        elif not any(edge.target in kpi_names for edge in usable):
            sentences.append("by the given graph nothing acts on the KPI; is its direction right?")
    names, circles = _circles(usable)
    sizes = np.bincount(circles)
    if (sizes > 1).any():
        members = [names[i] for i in np.flatnonzero(sizes[circles] > 1)]
        sentences.append(f"the given graph has circles, in which no first cause can be told: {_listed(members)}")
    return tuple(sentences)


def ties(edges: Sequence[Edge], kpis: Sequence[str]) -> tuple[Edge, ...]:
    """Return edges from the entries of a turned call graph to those KPIs that are outside of it."""
    existing = [edge for edge in edges if edge.known]
    inside = {entity_of(name) for edge in existing for name in (edge.source, edge.target)}
    outside = [kpi for kpi in dict.fromkeys(kpis) if entity_of(kpi) not in inside]
    if not outside or not existing:
        return ()
    return tuple(Edge(entry, kpi, assumed=True) for kpi in outside for entry in _entries(existing))


def _entries(edges: Sequence[Edge]) -> list[str]:
    """Return the ends of the graph that act on nothing else; a circle that acts on nothing else is one end."""
    names, circles = _circles(edges)
    place = {name: i for i, name in enumerate(names)}
    acts = np.zeros(len(names), dtype=bool)
    for edge in edges:
        source, target = circles[place[edge.source]], circles[place[edge.target]]
        acts[source] |= source != target
    return [name for name, circle in zip(names, circles, strict=True) if not acts[circle]]


def _circles(edges: Sequence[Edge]) -> tuple[list[str], Ints]:
    """Return the ends of edges, and the number of the circle that each belongs to."""
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import connected_components

    names = list(dict.fromkeys(name for edge in edges for name in (edge.source, edge.target)))
    place = {name: i for i, name in enumerate(names)}
    pairs = np.array([(place[edge.source], place[edge.target]) for edge in edges], dtype=np.int64).reshape(-1, 2)
    ones = np.ones(len(pairs))
    graph = csr_array(coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(names), len(names))))
    _, circles = connected_components(graph, connection="strong")
    return names, circles.astype(np.int64)


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
