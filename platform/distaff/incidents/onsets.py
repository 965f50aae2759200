"""The rows of a case: which are normal, where the trigger is on, and the row of an onset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Case
from distaff_data.errors import InputError


def normal_rows(case: Case) -> tuple[Sequence[str], Floats]:
    """Return the names of a case's metrics, and their values in the rows before the trigger is on, ``(T, M)``."""
    return case.columns, case.values[: trigger_start(case)]


def trigger_start(case: Case) -> int:
    """Return the row from which the trigger is on: the first 60 % of the rows before the onset are its base.

    Where no onset is known, the first 30 % of all rows are.
    """
    before = case.onset_row
    return max(int(0.6 * before), 1) if before else max(int(0.3 * len(case.times)), 1)


def seconds_before_onset(case: Case) -> float:
    """Return for how many seconds before the onset the trigger is on."""
    return ((len(case.times) if case.onset_row is None else case.onset_row) - trigger_start(case)) * case.step


def by_name(case: Case) -> Case:
    """Return a case with its metrics in the order of their names: the order of columns shall tell a model nothing."""
    order = sorted(range(len(case.columns)), key=case.columns.__getitem__)
    if order == list(range(len(order))):
        return case
    columns = tuple(case.columns[i] for i in order)
    kpi = None if case.kpi is None else order.index(case.kpi)
    return replace(case, columns=columns, values=np.ascontiguousarray(case.values[:, order]), kpi=kpi)


def row_of(case: Case, at: float | None) -> int:
    """Return the first row from a time on, or from the case's onset where there is none.

    Raises:
        InputError: No onset is known, or it leaves no row on one side.
    """
    onset = case.onset if at is None else at
    if onset is None:
        raise InputError(f"case {case.name!r} has no known onset; name a time, or use onset=detected", column="onset")
    row = int(np.searchsorted(case.times, onset))
    if not 0 < row < len(case.times):
        span = f"after {case.times[0]:.15g} and up to {case.times[-1]:.15g}"
        raise InputError(f"the onset of case {case.name!r} leaves no rows on one side; it lies {span}", value=onset)
    return row
