"""Rows as they come: the incident that a trigger finds in them, and a diagnoser that takes them one batch after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from distaff.incidents.rankings import Diagnosis
from distaff_data.arrays import Floats


@dataclass(frozen=True)
class Alarm:
    """An incident that a trigger found; rows count from the first of those it was given.

    Attributes:
        row: Row in which it was found.
        start: Row from which it may have begun; of a stream, negative before the present batch.
    """

    row: int
    start: int


class Stream(Protocol):
    """A diagnoser on rows as they come; see :meth:`distaff.incidents.base.Diagnoser.stream`."""

    @property
    def last_time(self) -> float | None:
        """Time of the latest row taken; None before the first."""

    @property
    def converged(self) -> bool:
        """True where the latest diagnosis was the last of its incident."""

    def update(self, times: Floats, rows: Floats, *, onset: float | None = None) -> Diagnosis | None:
        """Return the diagnosis of the incident that is on, if one is, after the next raw rows ``(n, M)`` at ``times``.

        Args:
            times: Of the rows, rising.
            rows: What was measured.
            onset: When an incident began, where something else tells; infinite while it tells of none. None where nothing
                does, and the rows have to.
        """

    def state(self) -> dict[str, Floats]:
        """Return everything that the next update needs, by name."""

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
