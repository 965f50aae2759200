"""CORAL as a registered model: incremental, disentangled root-cause analysis of metrics (Wang et al., KDD 2023).

The trigger finds the onset (:mod:`~distaff_graph.diagnosis.trigger`); from then on batches of rows update a causal
graph of two subgraphs, edges that hold in both states and edges that the incident brought, and blame is sent up that
graph from the KPI, until ranking and graph stand still (:mod:`~distaff_graph.diagnosis.coral.core`). One configuration
is meant for all data: the graph learner chooses parents by an information criterion, scores are compared with each
metric's own past, and nothing else is tuned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from distaff.incidents.base import DiagnoserConfig, Evidence
from distaff.incidents.rankings import Cause, LearnedEdge
from distaff_data.datasets.incidents import Edge
from distaff_graph.diagnosis.controls.ranker import TriggeredDiagnoser
from distaff_graph.diagnosis.coral.named import make_core, named_causes, named_edges
from distaff_graph.diagnosis.coral.online import CoralStream


class CoralConfig(DiagnoserConfig):
    """Settings of CORAL."""

    batch: int = Field(60, ge=1, description="rows taken at a time")
    learner: Literal["linear", "neural"] = Field("linear", description="how the causal graph is learned")
    graph: bool = Field(True, description="use what is known of dependencies")


class Coral(TriggeredDiagnoser):
    """Causal graph of what stayed and what changed, and blame sent up it from the KPI."""

    name: ClassVar[str] = "coral"
    Config = CoralConfig
    config: CoralConfig

    def explain(self, evidence: Evidence) -> tuple[tuple[Cause, ...], tuple[LearnedEdge, ...]]:
        """Entities by blame, each with its most blamed metric, after all rows of the incident, taken in batches."""
        case = evidence.case
        core = make_core(case, evidence.edges if self.config.graph else (), self.config.learner)
        core.watch(evidence.normal)
        core.trigger()
        batch = self.config.batch
        for start in range(0, len(evidence.abnormal), batch):
            found = core.advance(evidence.abnormal[start : start + batch])
        times = case.times[len(evidence.normal) :]
        return named_causes(case.columns, found, times.tolist()), named_edges(case.columns, found)

    def stream(self, columns: Sequence[str], kpi: int | None, edges: Sequence[Edge]) -> CoralStream:
        """CORAL on rows as they come."""
        return CoralStream(columns, kpi, edges if self.config.graph else (), learner=self.config.learner)
