"""Incidents: metrics of many entities over time, one failure a case, and what is known of how entities depend on each other.

A metric belongs to an entity and is written ``entity|metric``. Values are kept as they were measured, NaN where nothing was;
:mod:`distaff_data.datasets.imputation` brings them to a form without units, in one place, for replayed and for
followed data alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from torch_geometric.data import Data

SEPARATOR = "|"
GraphIs = Literal["causes", "calls"]
"""The meaning of an edge of a given graph: its source acts on its target, or its source calls its target."""


@dataclass(frozen=True)
class Edge:
    """A dependency that a person knows of.

    Attributes:
        source: The cause: an entity, or one metric written ``entity|metric``.
        target: The effect, likewise.
        known: True for an edge that exists, False for one that cannot; a pair that is not listed is unknown.
        assumed: True for an edge that nobody gave: from the entry of a call graph to a KPI outside of it.
    """

    source: str
    target: str
    known: bool = True
    assumed: bool = False


@dataclass(frozen=True)
class Prior:
    """Known and forbidden edges between the metrics of one case, row causes column.

    Attributes:
        known: Edges that exist, bool ``(M, M)``.
        forbidden: Edges that cannot exist, bool ``(M, M)``.
        given: Whether a graph was given at all.
    """

    known: Bools
    forbidden: Bools

    @property
    def given(self) -> bool:
        """Tell whether anything is known."""
        return bool(self.known.any() or self.forbidden.any())


@dataclass(frozen=True)
class Topology:
    """The metrics of one system, which of them shows that something is wrong, and what is known of how they depend.

    Attributes:
        columns: Metrics, ``entity|metric``, M of them.
        kpi: Position of the key performance indicator, where there is one.
        edges: What is known of dependencies; an edge between entities holds for every pair of their metrics.
    """

    columns: tuple[str, ...]
    kpi: int | None = None
    edges: tuple[Edge, ...] = ()

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities, in order of first appearance."""
        return tuple(dict.fromkeys(map(entity_of, self.columns)))

    @property
    def entity_of(self) -> Ints:
        """Position in :attr:`entities` of each metric's entity, ``(M,)``."""
        position = {entity: i for i, entity in enumerate(self.entities)}
        return np.array([position[entity_of(column)] for column in self.columns], dtype=np.int64)

    def to_pyg(self) -> Data:
        """Return what is known of dependencies as a ``Data`` of PyTorch Geometric.

        Nodes are the metrics and, after them, whatever else an edge names, such as whole entities: ``names``, ``is_metric``,
        and ``is_kpi``. Edges run from ``edge_index[0]`` to ``edge_index[1]``, with ``known`` (False for one that cannot
        exist) and ``assumed``.
        """
        import torch
        from torch_geometric import EdgeIndex
        from torch_geometric.data import Data

        names = list(dict.fromkeys([*self.columns, *(end for e in self.edges for end in (e.source, e.target))]))
        place = {name: i for i, name in enumerate(names)}
        pairs = torch.tensor([[place[e.source], place[e.target]] for e in self.edges], dtype=torch.long).view(-1, 2)
        nodes = torch.arange(len(names))
        return Data(
            names=np.array(names, dtype=object),
            is_metric=nodes < len(self.columns),
            is_kpi=nodes == (-1 if self.kpi is None else self.kpi),
            edge_index=EdgeIndex(pairs.T.contiguous(), sparse_size=(len(names), len(names))),
            known=torch.tensor([edge.known for edge in self.edges], dtype=torch.bool),
            assumed=torch.tensor([edge.assumed for edge in self.edges], dtype=torch.bool),
            num_nodes=len(names),
        )

    @classmethod
    def from_pyg(cls, graph: Data) -> Topology:
        """Build from a ``Data`` with ``names`` and ``edge_index``; the rest of :meth:`to_pyg` may be missing.

        Raises:
            InputError: It is no ``Data``, names are missing, doubled or not one a node, edges are no pairs of nodes, flags
                are not one an edge or a node, or the KPI is several nodes or no metric.
        """
        from torch_geometric.data import Data

        if not isinstance(graph, Data):
            raise InputError(f"dependencies are a Data with names and edge_index, not {type(graph).__name__}")
        names = ["" if name is None else str(name) for name in graph["names"]] if "names" in graph else []
        if (
            not names
            or len(set(names)) != len(names)
            or "" in names
            or graph.get("num_nodes", len(names)) != len(names)
        ):
            raise InputError("a graph of dependencies has a name for each node, no two alike: names")
        pairs = _pairs(graph.edge_index)
        if any(not 0 <= end < len(names) for pair in pairs for end in pair):
            raise InputError("an edge ends at a node that the graph does not have")
        is_metric, is_kpi = _flags(graph, "is_metric", len(names), True), _flags(graph, "is_kpi", len(names), False)
        known, assumed = _flags(graph, "known", len(pairs), True), _flags(graph, "assumed", len(pairs), False)
        columns = tuple(name for name, metric in zip(names, is_metric, strict=True) if metric)
        kpis = [name for name, kpi in zip(names, is_kpi, strict=True) if kpi]
        if len(kpis) > 1 or not set(kpis) <= set(columns):
            raise InputError("the KPI is one node, a metric", column="is_kpi")
        edges = tuple(
            Edge(names[source], names[target], bool(exists), bool(guess))
            for (source, target), exists, guess in zip(pairs, known, assumed, strict=True)
        )
        return cls(columns, columns.index(kpis[0]) if kpis else None, edges)

    def prior(self) -> Prior:
        """Return the known and the forbidden edges between metrics as matrices."""
        members: dict[str, list[int]] = {column: [i] for i, column in enumerate(self.columns)}
        for i, column in enumerate(self.columns):
            members.setdefault(entity_of(column), []).append(i)
        shape = (len(self.columns), len(self.columns))
        masks = {True: np.zeros(shape, dtype=bool), False: np.zeros(shape, dtype=bool)}
        for edge in self.edges:
            if edge.source in members and edge.target in members:
                masks[edge.known][np.ix_(members[edge.source], members[edge.target])] = True
        for mask in masks.values():
            np.fill_diagonal(mask, False)
        return Prior(masks[True], masks[False])


def _pairs(index: Any) -> list[list[int]]:
    """Return the pairs of an ``edge_index``, or of None."""
    import torch

    if index is None:
        return []
    if index.dim() != 2 or index.shape[0] != 2 or index.is_floating_point() or index.dtype == torch.bool:
        raise InputError("edges are a tensor of integers of shape (2, n)", column="edge_index")
    pairs: list[list[int]] = index.T.tolist()
    return pairs


def _flags(graph: Data, name: str, n: int, default: bool) -> list[bool]:
    """Return a flag for each of ``n`` nodes or edges."""
    if name not in graph:
        return [default] * n
    flags = [bool(flag) for flag in graph[name]]
    if len(flags) != n:
        raise InputError(f"there are {len(flags)} flags {name} for {n}", column=name)
    return flags


@dataclass(frozen=True)
class Case:
    """One incident, or metrics without one.

    Attributes:
        name: The case's own id.
        columns: Its metrics, ``entity|metric``, M of them.
        times: Time stamps in seconds, rising, ``(T,)``.
        values: Measurements, NaN where missing, ``(T, M)``.
        onset: Time of the first abnormal row, where it is known.
        kpi: Position of the key performance indicator, where there is one.
        roots: The entities that failed, where they are known.
        root_columns: The metrics that failed, where they are known.
        group: What the case is reported with, such as a scenario.
        visible: False for a fault that does not reach the KPI; such cases have no ranking to be scored.
    """

    name: str
    columns: tuple[str, ...]
    times: Floats
    values: Floats
    onset: float | None = None
    kpi: int | None = None
    roots: tuple[str, ...] = ()
    root_columns: tuple[str, ...] = ()
    group: str = ""
    visible: bool = True

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities, in order of first appearance."""
        return self.topology().entities

    @property
    def digest(self) -> str:
        """A hash of what was measured, by which the same case is known again in another ingestion."""
        values = np.where(np.isnan(self.values), np.nan, self.values)  # one form of NaN
        parts = ("\n".join(self.columns).encode(), self.times.astype("<f8").tobytes(), values.astype("<f8").tobytes())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    @property
    def onset_row(self) -> int | None:
        """Row of the first abnormal measurement; None where the onset is unknown."""
        return None if self.onset is None else int(np.searchsorted(self.times, self.onset))

    @property
    def step(self) -> float:
        """Median seconds between rows."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1.0

    def topology(self, edges: Sequence[Edge] = ()) -> Topology:
        """Return this case's metrics and KPI with what is known of their dependencies."""
        return Topology(self.columns, self.kpi, tuple(edges))


@dataclass(frozen=True)
class TrueEdge:
    """A planted dependency of one case.

    Attributes:
        case: The case.
        source: Metric that causes.
        target: Metric that is caused.
        lag: Rows between cause and effect; 0 within a row.
        state: ``kept`` in both states, ``gone`` from the onset on, or ``new`` from then on.
        weight: Standardised effect of the cause on the effect.
    """

    case: str
    source: str
    target: str
    lag: int
    state: str
    weight: float


@dataclass(frozen=True)
class Incidents:
    """A dataset of incidents.

    Attributes:
        name: Its name.
        cases: The incidents.
        edges: What is known about dependencies, the same for all cases: from cause to effect, but as the file has them
            where nobody said what they are.
        truth: Planted dependencies, where the data were generated.
        generation: The warehouse generation it was read from; empty for data that never were in one.
        graph_is: What the edges of the given graph were said to be; None where nobody said.
    """

    name: str
    cases: tuple[Case, ...]
    edges: tuple[Edge, ...] = ()
    truth: tuple[TrueEdge, ...] = field(default=(), repr=False)
    generation: str = ""
    graph_is: GraphIs | None = "causes"

    def topology(self) -> Topology:
        """Return the metrics of all cases, in order of first appearance, and what is known of their dependencies."""
        return Topology(
            tuple(dict.fromkeys(column for case in self.cases for column in case.columns)), None, self.edges
        )


def entity_of(column: str) -> str:
    """Return the entity of a metric's full name."""
    return column.partition(SEPARATOR)[0]


def metric_of(column: str) -> str:
    """Return the metric within its entity; ``value`` for an entity with a single unnamed one."""
    return column.partition(SEPARATOR)[2] or "value"
