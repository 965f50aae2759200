"""PRISM: a component that failed is out of the ordinary inside and outside; one that only suffers, outside alone.

Faults travel between components through what others see of them (latency, errors, traffic), not through what is inside of
them (cpu, memory, disk, sockets). Without any graph, the component to blame is therefore the one with both (PRISM, arXiv
2601.21359, 2026).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from distaff.incidents.base import CaseView
from distaff.incidents.rankings import Explanation
from distaff_data.arrays import Floats
from distaff_graph.diagnosis.controls.ranking import ranked_metrics
from distaff_graph.diagnosis.kinds import insides
from distaff_graph.diagnosis.watch import TriggeredDiagnoser


class PRISM(TriggeredDiagnoser):
    """Largest deviation inside of a component and largest one outside, in normal deviations, each counting (PRISM, 2026).

    Metrics are told apart by their names: those of resources are inside, all others outside.
    """

    name: ClassVar[str] = "prism"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank components by the sum of the logarithms of both largest z; a component's metrics by their own z."""
        z = largest_z(view)
        inside, entity_of = insides(view.topology.columns), view.topology.entity_of
        counted = np.ones(len(z), dtype=bool)
        if view.topology.kpi is not None:  # it shows the incident and is nobody's property
            counted[view.topology.kpi] = False
        total = np.zeros(entity_of.max(initial=-1) + 1)
        for chosen in (inside & counted, ~inside & counted):
            peak = np.zeros(len(total))
            np.maximum.at(peak, entity_of[chosen], z[chosen])
            total += np.log1p(peak)
        first = np.zeros(len(total))
        np.maximum.at(first, entity_of[counted], z[counted])
        # A component stands where its own most deviating metric does; its other metrics stand below by what they lack.
        return ranked_metrics(view, total[entity_of] - (np.log1p(first[entity_of]) - np.log1p(z)))


def largest_z(view: CaseView) -> Floats:
    """Return the largest |x - mean| / sd of the abnormal rows, ``(M,)``; 0 for what was constant before."""
    spread = view.normal.std(0)
    moving = spread > 1e-9 * np.abs(view.normal).max(0)
    away = np.abs(view.abnormal - view.normal.mean(0)).max(0)
    largest: Floats = np.divide(away, spread, out=np.zeros_like(away), where=moving)
    return largest
