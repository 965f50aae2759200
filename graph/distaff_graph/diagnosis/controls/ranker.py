"""What the controls share: the trigger, and a ranking by one score a metric."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from distaff.incidents.base import Diagnoser, Evidence
from distaff.incidents.rankings import Cause, LearnedEdge
from distaff_data.arrays import Floats
from distaff_graph.diagnosis.trigger import Trigger


class TriggeredDiagnoser(Diagnoser):
    """A diagnoser that finds onsets by :mod:`distaff_graph.diagnosis.trigger`."""

    def alarms(self, rows: Floats, start: int, kpi: int | None = None) -> list[tuple[int, int]]:
        """Every alarm; after one, the rows that follow become the new base."""
        found: list[tuple[int, int]] = []
        begin, trigger = 0, Trigger(kpi)
        while True:
            trigger.rebase(rows[begin:start])
            alarm = trigger.update(rows[start:])
            if alarm is None:
                return found
            found.append((start + alarm.row, max(start + alarm.start, begin + 1)))
            begin, start = start + alarm.row, start + alarm.row + max(start - begin, 1)


class Ranker(TriggeredDiagnoser):
    """A control that gives every metric one score."""

    control: ClassVar[bool] = True

    @abstractmethod
    def scores(self, evidence: Evidence) -> Floats:
        """What the metrics are ranked by, higher is more to blame, ``(M,)``."""

    def explain(self, evidence: Evidence) -> tuple[tuple[Cause, ...], tuple[LearnedEdge, ...]]:
        """Metrics by score; of equal ones the first in the data comes first."""
        scores = self.scores(evidence)
        columns, kpi = evidence.case.columns, evidence.case.kpi
        order = [int(i) for i in np.argsort(-scores, kind="stable") if i != kpi]
        return tuple(Cause(columns[i], float(scores[i]), own=float(scores[i])) for i in order), ()


def floor_scaled(evidence: Evidence) -> Floats:
    """Two-sided robust deviations of the abnormal rows, ``(m, M)``.

    |x - median| / max(IQR / 1.349, sd / 2, |median| / 1000); the floor makes it free of units, and a metric that never moved
    before counts by how far it is from its own size.
    """
    low, middle, high = np.quantile(evidence.normal, [0.25, 0.5, 0.75], axis=0)
    scale = np.maximum.reduce([(high - low) / 1.349, evidence.normal.std(0) / 2, np.abs(middle) / 1000])
    size = np.where(scale > 0, scale, np.abs(evidence.abnormal).max(0) / 1000 + np.finfo(float).tiny)
    deviations: Floats = np.abs(evidence.abnormal - middle) / size
    return deviations
