"""Controls that look at each metric by itself, or beside the KPI."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from distaff.incidents.base import CaseView
from distaff.incidents.rankings import Explanation
from distaff_data.arrays import Floats
from distaff_graph.diagnosis.controls.ranking import floor_scaled, ranked_metrics
from distaff_graph.diagnosis.energy import energy_coefficient
from distaff_graph.diagnosis.watch import TriggeredDiagnoser


class NSigma(TriggeredDiagnoser):
    """Largest rise above the normal mean, in normal standard deviations (Pham et al., ASE 2024)."""

    name: ClassVar[str] = "nsigma"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by the max over rows of (x - mean) / sd, upward only, and a metric constant on one side last, as RCAEval."""
        return ranked_metrics(view, _moving_first(view, view.abnormal - view.normal.mean(0), view.normal.std(0)))


class BARO(TriggeredDiagnoser):
    """BARO's robust scorer: largest rise above the median, in inter-quartile ranges (Pham, Ha & Zhang, FSE 2024)."""

    name: ClassVar[str] = "baro"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by the max over rows of (x - median) / IQR, upward only.

        As in RCAEval, a metric without inter-quartile range is divided by 1, so that its unit counts, and one that is
        constant before or after the onset comes last.
        """
        low, middle, high = np.quantile(view.normal, [0.25, 0.5, 0.75], axis=0)
        return ranked_metrics(view, _moving_first(view, view.abnormal - middle, high - low))


class FloorZ(TriggeredDiagnoser):
    """Largest robust deviation with a floor under its scale, free of units."""

    name: ClassVar[str] = "floor_z"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by the max over rows of the floor-scaled deviation."""
        return ranked_metrics(view, floor_scaled(view).max(0))


class KPICorrelation(TriggeredDiagnoser):
    """Absolute correlation with the KPI over all rows; without a KPI every metric scores 0."""

    name: ClassVar[str] = "kpi_correlation"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by |corr(x_m, KPI)|; a constant metric scores 0."""
        rows, kpi = np.vstack([view.normal, view.abnormal]), view.topology.kpi
        if kpi is None:
            return ranked_metrics(view, np.zeros(rows.shape[1]))
        away = rows - rows.mean(0)
        size = np.sqrt((away**2).sum(0) * (away[:, kpi] ** 2).sum())
        return ranked_metrics(
            view, np.abs(np.divide(away.T @ away[:, kpi], size, out=np.zeros_like(size), where=size > 0))
        )


class Random(TriggeredDiagnoser):
    """Any order: the worth of a ranking that knows nothing."""

    name: ClassVar[str] = "random"
    control: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by uniform draws."""
        return ranked_metrics(view, view.generator.random((view.normal.shape[1],)))


def _moving_first(view: CaseView, away: Floats, spread: Floats) -> Floats:
    """Return the largest of ``away`` over ``spread`` of each metric; less than any other for one constant on one side."""
    moving = (np.ptp(view.normal, 0) > 0) & (np.ptp(view.abnormal, 0) > 0)
    largest: Floats = (away / np.where(spread > 0, spread, 1.0)).max(0)
    return np.where(moving, largest, largest.min(where=moving, initial=0.0) - 1.0)


class EpsilonDiagnosis(TriggeredDiagnoser):
    """Energy distance between what a metric was and what it is: epsilon-diagnosis (Shan et al., WWW 2019)."""

    name: ClassVar[str] = "epsilon_diagnosis"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def explain(self, view: CaseView) -> Explanation:
        """Rank by the energy coefficient of normal and abnormal values, the larger the further apart."""
        return ranked_metrics(view, energy_coefficient(view.normal, view.abnormal))
