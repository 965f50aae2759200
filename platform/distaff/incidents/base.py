"""What a diagnoser is: a model of incidents that ranks the metrics of each case by how likely they caused it.

A model subclasses :class:`Diagnoser` and implements :meth:`~Diagnoser.explain`, from complete normal and abnormal rows to a
ranking. When the abnormal rows begin is either given or found by the trigger. Reading data, splitting rows, measuring
against known causes and keeping rankings are the same for all of them.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from pydantic import Field
from torch import Tensor

from distaff.incidents.rankings import METRICS, Cause, Diagnosis, LearnedEdge, score_cases, score_ranking
from distaff.model.base import Epoch, Measurement, Model, Session
from distaff.model.config import ModelConfig
from distaff.stats.moments import Moments, normal_moments
from distaff_data.datasets.imputation import impute
from distaff_data.datasets.incidents import Case, Edge, Incidents
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.tables.incidents import load_incidents
from distaff_data.warehouse import Warehouse

Floats = npt.NDArray[np.float64]
_CHANCE_DRAWS = 200


class DiagnoserConfig(ModelConfig):
    """Settings that every diagnoser has."""

    onset: Literal["given", "detected"] = Field("given", description="use the known onset, or find it")


@dataclass(frozen=True)
class Evidence:
    """What a diagnoser sees of one case.

    Attributes:
        case: Names, KPI and time stamps; its true causes are for scoring only.
        normal: Complete rows before the onset, ``(n, M)``, at least one.
        abnormal: Complete rows from the onset on, ``(m, M)``, at least one.
        edges: What is known of dependencies.
        generator: Random draws, where a model needs some.
    """

    case: Case
    normal: Floats
    abnormal: Floats
    edges: tuple[Edge, ...]
    generator: np.random.Generator


class Stream(Protocol):
    """What :meth:`Diagnoser.stream` gives."""

    @property
    def last_time(self) -> float | None:
        """Time of the latest row taken."""

    @property
    def converged(self) -> bool:
        """Whether the latest diagnosis was the last of its incident."""

    def take(self, times: Floats, rows: Floats) -> Diagnosis | None:
        """Take rows; what is thought of the incident that is on."""

    def state(self) -> dict[str, Floats]:
        """The state."""

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Take it back."""


class Diagnoser(Model[Incidents]):
    """A model that explains incidents."""

    kind: ClassVar[str] = "incidents"
    headline: ClassVar[tuple[str, ...]] = ("avg@5", "ac@1", "ac@3", "map@3", "mrr")
    shown: ClassVar[tuple[str, ...]] = ("ac@1", "ac@3", "avg@5", "map@3", "mrr")
    Config: ClassVar[type[ModelConfig]] = DiagnoserConfig

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.diagnoses: tuple[Diagnosis, ...] = ()
        self.normal: dict[str, Moments] = {}

    @abstractmethod
    def explain(self, evidence: Evidence) -> tuple[tuple[Cause, ...], tuple[LearnedEdge, ...]]:
        """Rank all metrics but the KPI, most to blame first, and give the causal graph where there is one."""

    def alarms(self, rows: Floats, start: int, kpi: int | None = None) -> list[tuple[int, int]]:
        """Rows of alarms, and rows from which each incident may have begun, found without looking at the onset.

        Args:
            rows: Complete rows ``(T, M)``.
            start: Rows before this one are known to be normal.
            kpi: Position of the KPI, if there is one.

        Raises:
            UnsupportedError: The model has no trigger.
        """
        raise UnsupportedError(f"{self.name} finds no onsets; give them")

    def stream(self, columns: Sequence[str], kpi: int | None, edges: Sequence[Edge]) -> Stream:
        """A fresh stream of rows of these metrics, for :mod:`distaff.incidents.follow`.

        Raises:
            UnsupportedError: The model explains whole cases only.
        """
        raise UnsupportedError(f"{self.name} explains whole cases only; coral can follow")

    def _fit(self, data: Incidents, session: Session) -> None:
        """Explain every case; a fit of a diagnoser is its diagnoses."""
        found = []
        for number, case in enumerate(data.cases, 1):
            found.append(self.diagnose(case, data.edges, seed=session.seed))
            session.report(Epoch(number, {"total": float(len(data.cases))}))
        self.diagnoses = tuple(found)

    def diagnose(
        self, case: Case, edges: tuple[Edge, ...] = (), *, seed: int = 0, at: float | None = None
    ) -> Diagnosis:
        """Explain one case.

        Args:
            case: The incident.
            edges: What is known of dependencies.
            seed: Seed of random draws.
            at: Take this time, in seconds, as the onset; the configured way when None.

        Raises:
            InputError: The onset is to be given and is not, or leaves no row on one of its sides.
        """
        if at is None and self.config.onset == "detected":  # type: ignore[attr-defined]
            start = watched_from(case)
            rows = impute(case, start)
            alarms = self.alarms(rows, start, case.kpi)
            if not alarms:
                return Diagnosis(case.name, (), None)
            onset = alarms[0][1]
        else:
            onset = _row_of(case, at)
            rows, alarms = impute(case, onset), []
        generator = np.random.default_rng([seed, *case.name.encode()])
        causes, found = self.explain(Evidence(case, rows[:onset], rows[onset:], edges, generator))
        times = tuple(float(case.times[row]) for row, _ in alarms)
        return Diagnosis(case.name, causes, times[0] if times else float(case.times[onset]), times, found)

    # ------------------------------------------------------------------------------------------- what the kind implements

    @classmethod
    def read(cls, warehouse: Warehouse, dataset: str) -> Incidents:
        """Load a dataset of incidents."""
        return load_incidents(warehouse, dataset)

    @classmethod
    def chance(cls, data: Incidents, split: str) -> dict[str, float]:
        """Metrics of rankings drawn at random, by simulation with a fixed seed."""
        if split != "test" or not any(case.roots and case.visible for case in data.cases):
            raise InputError(f"dataset {data.name!r} has no incident with known causes to measure in {split!r}")
        rng, drawn = np.random.default_rng(0), []
        for case in data.cases:
            if case.roots and case.visible:
                for _ in range(_CHANCE_DRAWS):
                    shuffled = [str(name) for name in rng.permutation(np.array(case.entities, dtype=object))]
                    drawn.append(score_ranking(shuffled, case.roots))
        return {metric: float(np.mean([row[metric] for row in drawn])) for metric in METRICS}

    def validator(self, data: Incidents) -> Callable[[], Mapping[str, float]] | None:
        """Incidents have no validation split: nothing is chosen by their causes."""
        if not data.cases:
            raise InputError(f"dataset {data.name!r} has no cases")
        return None

    def measure(self) -> list[Measurement]:
        """Score the rankings of entities, and of metrics as ``metric:NAME``, where causes are known."""
        cases = self.data.cases
        entity, metric = (score_cases(cases, self.diagnoses, level) for level in ("entity", "metric"))
        if entity is None:
            return []
        values = entity.means() | {f"metric:{n}": v for n, v in (metric.means() if metric else {}).items()}
        per_case = {name: torch.from_numpy(entity.values[name]) for name in self.headline}
        return [Measurement("test", values, pa.array(entity.cases), per_case)]

    def state(self) -> dict[str, Tensor]:
        """Scores of each case's ranked metrics, by case."""
        return {d.case: torch.tensor([c.score for c in d.causes], dtype=torch.float64) for d in self.diagnoses}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """The diagnoses are read with the data; see :meth:`read_data`."""

    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write the diagnoses; measurements stay in the warehouse, which the model's generation names."""
        (folder / "diagnoses.json").write_text(json.dumps([asdict(d) for d in self.diagnoses]))
        cases = self.data.cases
        normal = normal_moments([normal_rows(case) for case in cases]) if cases else self.normal
        (folder / "normal.json").write_text(json.dumps({name: m.as_dict() for name, m in normal.items()}))
        return ("diagnoses.json", "normal.json")

    def read_data(self, folder: Path, name: str, generation: str) -> Incidents:
        """Read the diagnoses; the dataset comes without its measurements."""
        self.diagnoses = tuple(map(_diagnosis, json.loads((folder / "diagnoses.json").read_text())))
        if (folder / "normal.json").is_file():  # models saved before drift was watched have none
            found = json.loads((folder / "normal.json").read_text())
            self.normal = {name: Moments(**moments) for name, moments in found.items()}
        return Incidents(name, (), generation=generation)


def normal_rows(case: Case) -> tuple[Sequence[str], Floats]:
    """Names of a case's metrics, and their values in the rows before which no trigger is watched for, ``(T, n)``."""
    return case.columns, case.values[: watched_from(case)]


def watched_from(case: Case) -> int:
    """Row from which the trigger watches: the first 60 % of the rows before the onset are its base.

    Where no onset is known, the first 30 % of all rows are.
    """
    before = case.onset_row
    return max(int(0.6 * before), 1) if before else max(int(0.3 * len(case.times)), 1)


def _row_of(case: Case, at: float | None) -> int:
    onset = case.onset if at is None else at
    if onset is None:
        raise InputError(f"case {case.name!r} has no known onset; name a time, or use onset=detected", column="onset")
    row = int(np.searchsorted(case.times, onset))
    if not 0 < row < len(case.times):
        span = f"after {case.times[0]:g} and up to {case.times[-1]:g}"
        raise InputError(f"the onset of case {case.name!r} leaves no rows on one side; it lies {span}", value=onset)
    return row


def _diagnosis(row: dict[str, Any]) -> Diagnosis:
    causes = (Cause(**{**c, "path": tuple(c["path"]), "new_edges": tuple(c["new_edges"])}) for c in row["causes"])
    edges = tuple(LearnedEdge(**edge) for edge in row["edges"])
    return Diagnosis(row["case"], tuple(causes), row["trigger"], tuple(row["alarms"]), edges)
