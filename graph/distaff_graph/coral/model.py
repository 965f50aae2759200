"""CORAL as a registered model: incremental, disentangled root-cause analysis of metrics (Wang et al., KDD 2023).

The trigger finds the onset (:mod:`~distaff_graph.coral.trigger`); from then on batches of rows update a causal graph of two
parts, edges that hold in both states and edges that the incident brought, and blame is sent up that graph from the KPI, until
ranking and graph stand still (:mod:`~distaff_graph.coral.core`). One configuration is meant for all data: the graph learner
chooses parents by an information criterion, scores are compared with each metric's own past, and nothing else is tuned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array

from distaff.diagnoser import DiagnoserConfig, Evidence
from distaff.rootcauses import Cause, LearnedEdge
from distaff_data.incidents import Case, Edge, metric_of
from distaff_graph.coral.core import CoralCore, Diagnosis
from distaff_graph.coral.graph import Knowledge, oriented
from distaff_graph.root_cause_controls.ranker import TriggeredDiagnoser


class CoralConfig(DiagnoserConfig):
    """Settings of CORAL."""

    batch: int = Field(60, ge=1, description="rows taken at a time")
    graph: bool = Field(True, description="use what is known of dependencies")


class Coral(TriggeredDiagnoser):
    """Causal graph of what stayed and what changed, and blame sent up it from the KPI."""

    name: ClassVar[str] = "coral"
    Config = CoralConfig
    config: CoralConfig

    def explain(self, evidence: Evidence) -> tuple[tuple[Cause, ...], tuple[LearnedEdge, ...]]:
        """Entities by blame, each with its most blamed metric; batches until they have converged or rows run out."""
        case = evidence.case
        core = make_core(case, evidence.edges if self.config.graph else ())
        core.watch(evidence.normal)
        core.trigger()
        batch = self.config.batch
        for start in range(0, len(evidence.abnormal), batch):
            found = core.advance(evidence.abnormal[start : start + batch])
        times = case.times[len(evidence.normal) :]
        return named_causes(case.columns, found, times.tolist()), named_edges(case.columns, found)


def make_core(case: Case, edges: Sequence[Edge]) -> CoralCore:
    """A core for the metrics of a case and what is known of their dependencies."""
    kinds: dict[str, int] = {}
    kind_of = np.array([kinds.setdefault(metric_of(column), len(kinds)) for column in case.columns], dtype=np.int64)
    prior = case.prior(edges)
    known, forbidden = csr_array(prior.known), csr_array(prior.forbidden)
    if case.kpi is not None and known.nnz:
        known = oriented(known, case.kpi)
    knowledge = Knowledge(known, forbidden, complete=False)
    return CoralCore(case.entity_of, kind_of, case.kpi, knowledge)


def named_causes(columns: Sequence[str], found: Diagnosis, times: Sequence[float]) -> tuple[Cause, ...]:
    """The core's causes by name; ``times`` are those of the rows since the trigger."""

    def name(cause: object) -> Cause:
        return Cause(
            column=columns[cause.metric],
            score=float(cause.score),
            own=float(cause.own),
            propagated=float(cause.propagated),
            onset=None if cause.onset is None else float(times[cause.onset]),
            path=tuple(columns[i] for i in cause.path),
            new_edges=tuple(f"{columns[i]} -> {columns[j]}" for i, j in cause.new_edges),
        )

    return tuple(map(name, found.causes))


def named_edges(columns: Sequence[str], found: Diagnosis) -> tuple[LearnedEdge, ...]:
    """The graph's edges by name, each part by itself."""
    edges = []
    for part, matrix in (("invariant", found.graph.invariant), ("dependent", found.graph.dependent)):
        entries = matrix.tocoo()
        for source, target, weight in zip(*entries.coords, entries.data, strict=True):
            edges.append(LearnedEdge(columns[source], columns[target], part, float(weight)))
    return tuple(edges)
