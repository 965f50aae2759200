"""Controls that look at each metric by itself, or beside the KPI."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from distaff.incidents.base import Evidence
from distaff_data.arrays import Floats
from distaff_graph.diagnosis.controls.ranker import Ranker, floor_scaled


class NSigma(Ranker):
    """Largest rise above the normal mean, in normal standard deviations (Pham et al., ASE 2024)."""

    name: ClassVar[str] = "nsigma"

    def scores(self, evidence: Evidence) -> Floats:
        """Max over rows of (x - mean) / sd, upward only, and a metric that is constant on one side last, as in RCAEval."""
        return _moving_first(evidence, evidence.abnormal - evidence.normal.mean(0), evidence.normal.std(0))


class Baro(Ranker):
    """BARO's robust scorer: largest rise above the median, in inter-quartile ranges (Pham, Ha & Zhang, FSE 2024)."""

    name: ClassVar[str] = "baro"

    def scores(self, evidence: Evidence) -> Floats:
        """Max over rows of (x - median) / IQR, upward only.

        As in RCAEval, a metric without inter-quartile range is divided by 1, so that its unit counts, and one that is
        constant before or after the onset comes last.
        """
        low, middle, high = np.quantile(evidence.normal, [0.25, 0.5, 0.75], axis=0)
        return _moving_first(evidence, evidence.abnormal - middle, high - low)


class FloorZ(Ranker):
    """Largest robust deviation with a floor under its scale, free of units."""

    name: ClassVar[str] = "floor_z"

    def scores(self, evidence: Evidence) -> Floats:
        """Max over rows of the floor-scaled deviation."""
        largest: Floats = floor_scaled(evidence).max(0)
        return largest


class KpiCorrelation(Ranker):
    """Absolute correlation with the KPI over all rows; without a KPI every metric scores 0."""

    name: ClassVar[str] = "kpi_correlation"

    def scores(self, evidence: Evidence) -> Floats:
        """|corr(x_m, KPI)|; a constant metric scores 0."""
        rows = np.vstack([evidence.normal, evidence.abnormal])
        if evidence.case.kpi is None:
            return np.zeros(rows.shape[1])
        away = rows - rows.mean(0)
        kpi = away[:, evidence.case.kpi]
        size = np.sqrt((away**2).sum(0) * (kpi**2).sum())
        together: Floats = np.abs(np.divide(away.T @ kpi, size, out=np.zeros_like(size), where=size > 0))
        return together


class Random(Ranker):
    """Any order: what a ranking is worth that knows nothing."""

    name: ClassVar[str] = "random"

    def scores(self, evidence: Evidence) -> Floats:
        """Uniform draws."""
        drawn: Floats = evidence.generator.random((evidence.normal.shape[1],))
        return drawn


def _moving_first(evidence: Evidence, away: Floats, spread: Floats) -> Floats:
    """The largest of ``away`` over ``spread`` of each metric; minus infinity for one that is constant on one side."""
    moves = (np.ptp(evidence.normal, 0) > 0) & (np.ptp(evidence.abnormal, 0) > 0)
    largest: Floats = (away / np.where(spread > 0, spread, 1.0)).max(0)
    return np.where(moves, largest, -np.inf)
