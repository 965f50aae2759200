"""Distaff's diagnosers in RCAEval's loop: a function of a frame and an onset that gives ranked columns.

RCAEval (Pham et al., ASE 2024) calls ``f(data, inject_time, dataset=..., **kwargs)`` with a frame of a ``time`` column and
one column ``service_metric`` each, and reads ``{"ranks": [...]}``, columns from most to least blamed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from distaff.incidents.base import Diagnoser
from distaff_data.datasets.incidents import Case


class Frame(Protocol):
    """The part of a pandas frame that is used."""

    columns: Any

    def __getitem__(self, key: str) -> Any:
        """Return a column."""


def method(model: str = "coral", *, onset: str = "given") -> Callable[..., dict[str, list[str]]]:
    """Return a diagnoser as a method for RCAEval's loop.

    Args:
        model: Registry name of a diagnoser.
        onset: ``given`` takes RCAEval's ``inject_time``, ``detected`` does not look at it.

    Raises:
        InputError: There is no such diagnoser.
    """
    diagnoser = Diagnoser.named(model)(onset=onset)

    def ranks(
        data: Frame, inject_time: float, dataset: str | None = None, sli: str | None = None, **_: object
    ) -> dict[str, list[str]]:
        names = [str(name) for name in data.columns if name != "time"]
        full = {f"{name.partition('_')[0]}|{name.partition('_')[2] or 'value'}": name for name in names}
        values = np.stack([np.asarray(data[name], dtype=np.float64) for name in names], axis=1)
        kpi = names.index(sli) if sli in names else None
        case = Case(dataset or "rcaeval", tuple(full), np.asarray(data["time"], dtype=np.float64), values, kpi=kpi)
        diagnosis = diagnoser.diagnose_case(case, at=float(inject_time) if onset == "given" else None)
        return {"ranks": [full[column] for column in diagnosis.columns]}

    return ranks
