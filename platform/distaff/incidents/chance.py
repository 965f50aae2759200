"""How likely rows that are called an incident are, if nothing happened: a p-value for each metric, and for a case.

If a system behaves after a moment as before it, any of its rows is as likely to be the largest as any other. Of n rows
before and m after, the chance that k or more of those after exceed all before is

    m! (n + m - k)! / ((m - k)! (n + m)!),

whatever the distribution. Rows that follow one another are alike, so that n, m and k count as many rows as are worth one
that stands alone: the most that means of blocks of the normal rows vary beyond what means of independent rows would. A walk
is worth two or three rows however long it is, and says nothing.

A metric's p-value is that of both its sides. A case's is the least of its metrics, times their number, or that of the sum
of all deviations, which many metrics move that are each out by little; both taken twice. Medians and scales of that sum are
of all rows, since normal rows are never as far from their own median as others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import gammaln

from distaff.incidents.rankings import Diagnosis
from distaff_data.arrays import Floats

ORDINARY = 0.05  # p-value from which a case may be none
UNSURE = (
    "the rows from the onset on are no further out than chance may put them (p of 0.05 or more): there may be no incident, "
    "or too few rows to tell, and the ranking supposes that there is one"
)
"""The warning of a case that may be none."""
_CLIP = 10.0  # deviations that a value counts in the sum at most
_RESOLVED, _SHORT = 8, 4  # blocks; rows of one: by fewer and longer ones, rows may be alike for twice as long


def with_chances(diagnosis: Diagnosis, columns: Sequence[str], normal: Floats, abnormal: Floats) -> Diagnosis:
    """Return a diagnosis with its p-values, and a warning where nothing may have happened.

    Args:
        diagnosis: Of the case.
        columns: Its metrics.
        normal: Complete rows before the onset ``(n, M)``.
        abnormal: Those from the onset on ``(m, M)``.
    """
    chances = dict(zip(columns, metric_chances(normal, abnormal).tolist(), strict=True))
    causes = tuple(replace(cause, p_value=chances[cause.column]) for cause in diagnosis.causes)
    p_value = case_chance(normal, abnormal)
    told = () if p_value < ORDINARY else (UNSURE,)
    return replace(diagnosis, causes=causes, p_value=p_value, warnings=diagnosis.warnings + told)


def metric_chances(normal: Floats, abnormal: Floats) -> Floats:
    """Return the p-value of each metric ``(M,)`` by complete normal rows ``(n, M)`` and those of the incident ``(m, M)``."""
    alike = rows_alike(normal)
    sides = [(abnormal > normal.max(0)).sum(0), (abnormal < normal.min(0)).sum(0)]
    least = np.minimum(*(_at_least(count / alike, len(normal) / alike, len(abnormal) / alike) for count in sides))
    both: Floats = np.minimum(2 * least, 1.0)
    return both


def case_chance(normal: Floats, abnormal: Floats) -> float:
    """Return the p-value of a case by complete normal rows ``(n, M)`` and those of the incident ``(m, M)``."""
    total = _deviations(np.vstack([normal, abnormal])).sum(1, keepdims=True)
    before, after = total[: len(normal)], total[len(normal) :]
    alike = rows_alike(before)
    together = _at_least((after > before.max()).sum(0) / alike, len(before) / alike, len(after) / alike)
    alone = metric_chances(normal, abnormal).min() * normal.shape[1]
    return min(2 * float(min(alone, together[0])), 1.0)


def rows_alike(rows: Floats) -> Floats:
    """Return how many rows of each metric are worth one that stands alone, ``(M,)``, at least 1; of rows ``(n, M)``."""
    variance = rows.var(0)
    alike, length = np.ones(rows.shape[1]), 2
    while 2 * length <= len(rows):
        blocks = rows[len(rows) % length :].reshape(-1, length, rows.shape[1]).mean(1)
        share = np.divide(blocks.var(0, ddof=1), variance, out=np.zeros_like(variance), where=variance > 0)
        unresolved = length > max(len(rows) / _RESOLVED, _SHORT)
        alike = np.maximum(alike, length * share * (2 if unresolved else 1))
        length *= 2
    return alike


def _at_least(count: Floats, before: Floats, after: Floats) -> Floats:
    """Return the chance that so many or more of the rows after exceed all before; 1 of none."""
    logarithm = gammaln(after + 1) - gammaln(after - count + 1) + gammaln(before + after - count + 1)
    chance: Floats = np.exp(np.minimum(logarithm - gammaln(before + after + 1), 0.0))
    return chance


def _deviations(rows: Floats) -> Floats:
    """Return how far values are from their median, in robust scales, ``(n, M)``; 0 of a metric that never moves."""
    low, median, high = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
    scale = np.maximum((high - low) / 1.349, rows.std(0) / 2)
    moves = np.ptp(rows, axis=0) > 0
    away = np.abs(np.where(moves, rows - median, 0.0)) / np.where(moves, scale, 1.0)
    clipped: Floats = np.minimum(away, _CLIP)
    return clipped
