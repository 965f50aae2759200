"""CORAL as a registered model: incremental, disentangled root-cause analysis of metrics (Wang et al., KDD 2023).

The trigger finds the onset (:mod:`~distaff_graph.diagnosis.trigger`); from then on batches of rows update a causal
graph of two subgraphs, edges that hold in both states and edges that the incident brought, and blame is sent up that
graph from the KPI, until ranking and graph stand still (:mod:`~distaff_graph.diagnosis.coral.core`). One configuration
is meant for all data: the graph learner chooses parents by an information criterion, scores are compared with each
metric's own past, and nothing else is tuned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from distaff.incidents.base import CaseView
from distaff.incidents.rankings import Explanation, LearnedEdge
from distaff.model.config import ModelConfig
from distaff_data.datasets.incidents import Topology
from distaff_graph.diagnosis.coral.evidence import Weighed
from distaff_graph.diagnosis.coral.named import LEAST_SHARE, CoreSettings, make_core, named_causes, named_edges
from distaff_graph.diagnosis.coral.online import CORALStream
from distaff_graph.diagnosis.coral.scores import NOVEL
from distaff_graph.diagnosis.timing import StreamConfig
from distaff_graph.diagnosis.watch import TriggeredDiagnoser


class CORALConfig(StreamConfig):
    """Settings of CORAL."""

    batch: int = Field(60, ge=1, description="rows taken at a time")
    learner: Literal["linear", "neural"] = Field("linear", description="how the causal graph is learned")
    graph: bool = Field(True, description="use what is known of dependencies")
    learn: bool = Field(True, description="learn dependencies that are not known")
    level: bool = Field(True, description="levels count beside extremes")
    distribution: bool = Field(True, description="distributions count beside extremes")
    order: bool = Field(True, description="the order of onsets counts beside extremes")
    remainder: bool = Field(True, description="what all other metrics leave of one counts beside extremes")
    components: bool = Field(True, description="what is inside of an entity and outside of it count together")
    novelty: float = Field(NOVEL, gt=0, description="robust z that a constant which moves counts at most")


class CORAL(TriggeredDiagnoser):
    """Causal graph of what stayed and what changed, and blame sent up it from the KPI."""

    name: ClassVar[str] = "coral"
    reads_graph: ClassVar[bool] = True
    least_share: ClassVar[float | None] = LEAST_SHARE
    Config: ClassVar[type[ModelConfig]] = CORALConfig
    config: CORALConfig

    def explain(self, view: CaseView) -> Explanation:
        """Rank entities by blame, each with its most blamed metric, after all rows of the incident, taken in batches."""
        core = make_core(self._known(view.topology), self._settings, seed=view.seed)
        core.add_normal(view.normal)
        core.trigger()
        batch = self.config.batch
        for start in range(0, len(view.abnormal), batch):
            assessment = core.advance(view.abnormal[start : start + batch])
        columns, times = view.topology.columns, view.times[len(view.normal) :]
        return named_causes(columns, assessment, times.tolist()), named_edges(columns, assessment)

    def stream(self, topology: Topology, *, seed: int = 0) -> CORALStream:
        """Return CORAL on rows as they come."""
        return CORALStream(self._known(topology), self._settings, config=self.config, seed=seed)

    @property
    def _settings(self) -> CoreSettings:
        config = self.config
        weighed = Weighed(config.level, config.distribution, config.order, config.remainder, config.components)
        return CoreSettings(config.learner, config.learn, weighed, config.novelty)

    def graph_of(self, topology: Topology, learned: Sequence[LearnedEdge]) -> str:
        """Return the graph that a ranking is by: given, learned or none."""
        return super().graph_of(self._known(topology), learned)

    def _known(self, topology: Topology) -> Topology:
        """Return the topology with the dependencies that are to be used."""
        return topology if self.config.graph else replace(topology, edges=())
