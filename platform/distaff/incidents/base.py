"""The contract of diagnosers: models that rank the metrics of each incident by how likely they caused it.

A diagnoser predicts nothing and learns nothing that outlives an incident but what is normal of each metric. Its result are
tables: a run explains every case of a dataset and publishes ``diagnoses``, ``causes`` and ``cause_edges``, however it was
started; pages, jobs and the board read those, and a run is measured again from them.

A subclass implements :meth:`~Diagnoser.explain`, from complete normal and abnormal rows to a ranking. When the abnormal rows
begin is either given or found by the trigger. Reading data, splitting rows, measuring against known causes and publishing
are the same for all of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from torch import Tensor

from distaff.incidents import saved
from distaff.incidents.cause_sets import cause_set, tells_shares, with_cause_sets
from distaff.incidents.chance import with_chances
from distaff.incidents.changes import recent_changes
from distaff.incidents.frames import RankedCauses, Time, TimeAxis, edges_between, place_of, ranked_causes, read_case
from distaff.incidents.onsets import by_name, normal_rows, row_of, trigger_start
from distaff.incidents.rankings import (
    METRICS,
    Diagnosis,
    Explanation,
    LearnedEdge,
    ranked,
    score_cases,
    score_ranking,
)
from distaff.incidents.streams import Alarm, Stream
from distaff.incidents.tables import publish_diagnoses, read_diagnoses, target_of
from distaff.model.base import Epoch, Measurement, Model, Session
from distaff.model.config import ModelConfig
from distaff.stats.moments import ChannelMoments, normal_moments
from distaff_data.arrays import Floats
from distaff_data.datasets.dependencies import causal_edges, remarks
from distaff_data.datasets.imputation import impute
from distaff_data.datasets.incidents import Case, Edge, Incidents, Topology
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.frames import frame_kind
from distaff_data.ingest.changes import read_changes
from distaff_data.tables.incidents import load_incidents
from distaff_data.warehouse import Warehouse

_LEAST_TO_EXPLAIN, _LEAST_TO_DETECT = 2, 3  # rows: one normal and one abnormal; and one in which it may be found


class DiagnoserConfig(ModelConfig):
    """Settings that every diagnoser has."""

    onset: Literal["given", "detected"] = Field(default="given", description="use the known onset, or find it")
    changes: str = Field(default="", description="a CSV file of changes: time, entity, what")
    changes_within: float = Field(
        default=3600.0, gt=0, description="seconds before the onset in which changes are told"
    )


@dataclass(frozen=True)
class CaseView:
    """The part of a case that a diagnoser sees: no true causes.

    Attributes:
        topology: Metrics, KPI and what is known of dependencies.
        times: Time stamps of all rows in seconds, ``(n + m,)``.
        normal: Complete rows before the onset, ``(n, M)``, at least one.
        abnormal: Complete rows from the onset on, ``(m, M)``, at least one.
        seed: Seed of random draws, the same for all cases of a run.
        generator: Random draws of this case.
    """

    topology: Topology
    times: Floats
    normal: Floats
    abnormal: Floats
    seed: int
    generator: np.random.Generator


class Diagnoser(Model[Incidents]):
    """A model that explains incidents.

    Attributes:
        diagnoses: The result of a run, one a case.
        normal: What is normal of each metric, over the cases of a run.
        cases_seen: Digests of the cases of a run.
    """

    kind: ClassVar[str] = "incidents"
    reads_graph: ClassVar[bool] = False
    """Tells whether the ranking is by the given graph, where there is one."""
    learns_graph: ClassVar[bool] = False
    """Tells whether the ranking is by a learned graph even where none is part of the result."""
    least_share: ClassVar[float | None] = None
    """The share of the first score that a likely cause has at least, by other sets of incidents; see ``cause_sets``."""
    headline: ClassVar[tuple[str, ...]] = ("avg@5", "ac@1", "ac@3", "map@3", "mrr")
    shown: ClassVar[tuple[str, ...]] = ("ac@1", "ac@3", "avg@5", "map@3", "mrr")
    Config: ClassVar[type[ModelConfig]] = DiagnoserConfig
    config: DiagnoserConfig

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.diagnoses: tuple[Diagnosis, ...] = ()
        self.normal: dict[str, ChannelMoments] = {}
        self.cases_seen: frozenset[str] = frozenset()

    # ------------------------------------------------------------------------------------- what a diagnoser implements

    @abstractmethod
    def explain(self, view: CaseView) -> Explanation:
        """Rank all metrics but the KPI, most to blame first, and give the causal graph where there is one."""

    def alarms(self, rows: Floats, start: int, kpi: int | None = None, *, step: float = 1.0) -> list[Alarm]:
        """Find every alarm without looking at the onset.

        Args:
            rows: Complete rows ``(T, M)``.
            start: Rows before this one are known to be normal.
            kpi: Position of the KPI, if there is one.
            step: Seconds from row to row.

        Raises:
            UnsupportedError: The model has no trigger.
        """
        raise UnsupportedError(f"{self.name} finds no onsets; give them")

    def stream(self, topology: Topology, *, seed: int = 0) -> Stream:
        """Return a fresh stream of rows of these metrics, for :mod:`distaff.incidents.follow`.

        Raises:
            UnsupportedError: The model explains whole cases only.
        """
        raise UnsupportedError(f"{self.name} explains whole cases only; coral can follow")

    # --------------------------------------------------------------------------------------------- what people call

    def diagnose(
        self,
        data: object,
        *,
        kpi: str | None = None,
        onset: Time | None = None,
        edges: Sequence[Edge | tuple[str, str]] = (),
        seed: int = 0,
    ) -> RankedCauses:
        """Rank the causes of one incident.

        Args:
            data: A :class:`~distaff_data.datasets.incidents.Case`, or a polars, pandas or Arrow frame: a column ``time`` of
                rising seconds or date-times, and a column of numbers for each metric, ``entity|metric`` or any name.
            kpi: The metric that shows the incident; a case's own when None.
            onset: When the incident began: a number or a date-time like those of ``time``. When None, the trigger finds it
                after the first 30 % of the rows, which are taken as normal; a case whose onset is known keeps it with the
                setting ``onset="given"``.
            edges: What is known of dependencies: edges, or pairs of a cause and its effect, between entities or metrics.
            seed: Seed of random draws.

        Returns:
            The ranking and the learned graph, as frames of the kind that came in.

        Raises:
            InputError: The data are no metrics over time or too few rows of them, the KPI or an end of an edge is unknown,
                or the onset leaves no row on one side.
        """
        case, axis = (data, TimeAxis()) if isinstance(data, Case) else read_case(data)
        if kpi is not None:
            case = replace(case, kpi=place_of(kpi, case.columns))
        at = None if onset is None else axis.seconds(onset)
        detect = at is None and (case.onset is None or self.config.onset == "detected")
        diagnosis = self.diagnose_case(case, edges_between(case.columns, edges), seed=seed, at=at, detect=detect)
        return ranked_causes(diagnosis, axis, frame_kind(data))

    def diagnose_case(
        self,
        case: Case,
        edges: Sequence[Edge] = (),
        *,
        seed: int = 0,
        at: float | None = None,
        detect: bool | None = None,
    ) -> Diagnosis:
        """Explain one case; runs, pages and benchmarks come here.

        Args:
            case: The incident.
            edges: What is known of dependencies, from cause to effect.
            seed: Seed of random draws.
            at: Take this time, in seconds, as the onset.
            detect: Without ``at``, find the onset instead of taking the case's; as the setting ``onset`` says when None.

        Raises:
            InputError: There are too few rows, or the onset is to be given and is not, or leaves no row on one of its sides.
        """
        case = by_name(case)
        detect = at is None and (self.config.onset == "detected" if detect is None else detect)
        least = _LEAST_TO_DETECT if detect else _LEAST_TO_EXPLAIN
        if len(case.times) < least:
            purpose = "find an onset in" if detect else "explain"
            raise InputError(f"case {case.name!r} has too few rows to {purpose}: {len(case.times)} of at least {least}")
        if detect:
            start = trigger_start(case)
            rows = impute(case, start)
            alarms = self.alarms(rows, start, case.kpi, step=float(np.median(np.diff(case.times))))
            if not alarms:
                return Diagnosis(case.name, (), None)
            onset = alarms[0].start
        else:
            onset = row_of(case, at)
            rows, alarms = impute(case, onset), []
        generator = np.random.default_rng([seed, *case.name.encode()])
        topology = case.topology(edges)
        view = CaseView(topology, case.times, rows[:onset], rows[onset:], seed, generator)
        alone = len(case.columns) == (case.kpi is not None)  # nothing but the KPI: nobody to blame
        causes, learned = ((), ()) if alone else self.explain(view)
        times = tuple(float(case.times[alarm.row]) for alarm in alarms)
        diagnosis = Diagnosis(
            case.name,
            ranked(causes),
            times[0] if times else float(case.times[onset]),
            times,
            learned,
            self.graph_of(topology, learned),
            remarks(topology) if self.reads_graph else (),
            changes=self._changes_before(case, times[0] if times else float(case.times[onset])),
        )
        if not detect:  # rows in which an onset was found are those that are far out
            diagnosis = with_chances(diagnosis, case.columns, rows[:onset], rows[onset:])
        if self.least_share is None:
            return diagnosis
        tells = tells_shares(case.values[:onset], diagnosis.graph)
        return replace(diagnosis, likely=cause_set(diagnosis, self.least_share) if tells else ())

    def _changes_before(self, case: Case, onset: float) -> tuple[str, ...]:
        """Return what changed shortly before the onset, a sentence each."""
        if not self.config.changes:
            return ()
        recent = recent_changes(read_changes(self.config.changes), case, onset, self.config.changes_within)
        return tuple(change.sentence() for change in recent)

    def graph_of(self, topology: Topology, learned: Sequence[LearnedEdge]) -> str:
        """Return the graph that a ranking is by: given, learned or none."""
        if self.reads_graph and topology.prior().known.any():
            return "given"
        return "learned" if learned or self.learns_graph else "none"

    # ------------------------------------------------------------------------------------------- a run and its result

    def _fit(self, data: Incidents, session: Session) -> None:
        """Carry out a run: explain every case, and note what is normal of each metric."""
        diagnoses, edges = [], causal_edges(data)
        for number, case in enumerate(data.cases, 1):
            diagnoses.append(self.diagnose_case(case, edges, seed=session.seed))
            session.report(Epoch(number, {"total": float(len(data.cases))}))
        self.diagnoses = with_cause_sets(data.cases, diagnoses)
        self.normal = normal_moments([normal_rows(case) for case in data.cases])
        self.cases_seen = frozenset(case.digest for case in data.cases)

    def publish_results(self, warehouse: Warehouse, run: str) -> None:
        """Publish the diagnoses into ``diagnoses``, ``causes`` and ``cause_edges``."""
        publish_diagnoses(warehouse, run, self.diagnoses)

    def load_results(self, warehouse: Warehouse, run: str) -> None:
        """Load the diagnoses from the run's tables, and the incidents from its dataset.

        Runs that were trained by 0.1 have their diagnoses in the folder only; those are published now.

        Raises:
            InputError: The dataset is gone or was replaced since, so that its cases are others than those diagnosed.
        """
        name = self.data.name
        data = self.read(warehouse, name)
        if data.generation != self.data.generation:
            again = f"distaff diagnose {name} --model {self.name}"
            raise InputError(f"dataset {name!r} has been replaced since run {run!r}; diagnose it anew: {again}")
        if self.diagnoses and warehouse.live(target_of(run)) is None:
            self.publish_results(warehouse, run)
        diagnoses = read_diagnoses(warehouse, run)
        self.diagnoses = tuple(diagnoses.get(case.name, Diagnosis(case.name, (), None)) for case in data.cases)
        self.bind(data)

    # ------------------------------------------------------------------------------------------- what the kind implements

    @classmethod
    def read(cls, warehouse: Warehouse, dataset: str) -> Incidents:
        """Load a dataset of incidents."""
        return load_incidents(warehouse, dataset)

    @classmethod
    def chance(cls, data: Incidents, split: str) -> dict[str, float]:
        """Return the metrics of rankings drawn at random: the mean over all orders of the entities."""
        if split != "test" or not any(case.roots and case.visible for case in data.cases):
            raise InputError(f"dataset {data.name!r} has no incident with known causes to measure in {split!r}")
        drawn = [score_ranking([case.entities], case.roots) for case in data.cases if case.roots and case.visible]
        return {metric: float(np.mean([row[metric] for row in drawn])) for metric in METRICS}

    def validator(self, data: Incidents) -> Callable[[], Mapping[str, float]] | None:
        """Return None: incidents have no validation split, since nothing is chosen by their causes."""
        if not data.cases:
            raise InputError(f"dataset {data.name!r} has no cases")
        return None

    def measure(self) -> list[Measurement]:
        """Score the rankings of entities, and of metrics as ``metric:NAME``, where causes are known.

        Raises:
            UnsupportedError: The model was loaded from a folder, where the incidents are not; see :meth:`load_results`.
        """
        cases = self.data.cases
        if len(cases) != len(self.diagnoses):
            raise UnsupportedError(
                "a saved diagnoser has no incidents beside it; measure its run: distaff evaluate RUN"
            )
        entity, metric = (score_cases(cases, self.diagnoses, level) for level in ("entity", "metric"))
        if entity is None:
            return []
        values = entity.means() | {f"metric:{n}": v for n, v in (metric.means() if metric else {}).items()}
        per_case = {name: torch.from_numpy(entity.values[name]) for name in self.headline}
        return [Measurement("test", values, pa.array(entity.cases), per_case)]

    def state(self) -> dict[str, Tensor]:
        """Return what is normal of each metric, by ``normal/METRIC``."""
        return saved.tensors_of(self.normal)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what is normal of each metric; folders of 0.1 have it in a file beside."""
        self.normal |= saved.normal_of(tensors)

    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write the diagnoses; measurements stay in the warehouse, which the model's generation names."""
        return saved.write(folder, self.diagnoses, self.cases_seen)

    def read_data(self, folder: Path, name: str, generation: str) -> Incidents:
        """Read the diagnoses; the dataset comes without its measurements."""
        self.diagnoses, self.cases_seen = saved.read_diagnoses(folder), saved.read_cases(folder)
        self.normal |= saved.read_normal(folder)
        return Incidents(name, (), generation=generation)
