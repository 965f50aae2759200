"""Controls that look at each metric by itself, or beside the KPI."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from distaff.diagnoser import Evidence
from distaff_data.incidents import Floats
from distaff_graph.root_cause_controls.ranker import Ranker, floor_scaled


class NSigma(Ranker):
    """Largest deviation from the normal mean, in normal standard deviations (Pham et al., ASE 2024)."""

    name: ClassVar[str] = "nsigma"

    def scores(self, evidence: Evidence) -> Floats:
        """Max over rows of |x - mean| / sd; a metric without spread is divided by 1."""
        return _largest(evidence.abnormal, evidence.normal.mean(0), evidence.normal.std(0))


class Baro(Ranker):
    """BARO's robust scorer: largest rise above the median, in inter-quartile ranges (Pham, Ha & Zhang, FSE 2024)."""

    name: ClassVar[str] = "baro"

    def scores(self, evidence: Evidence) -> Floats:
        """Max over rows of (x - median) / IQR, upward only; without spread divided by 1, so its unit counts."""
        low, middle, high = np.quantile(evidence.normal, [0.25, 0.5, 0.75], axis=0)
        scale = np.where(high > low, high - low, 1.0)
        rises: Floats = ((evidence.abnormal - middle) / scale).max(0)
        return rises


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
        return evidence.generator.random(evidence.normal.shape[1])


def _largest(rows: Floats, middle: Floats, spread: Floats) -> Floats:
    largest: Floats = (np.abs(rows - middle) / np.where(spread > 0, spread, 1.0)).max(0)
    return largest
