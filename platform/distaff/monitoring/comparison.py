"""One comparison of what came since a fit with what was there, and the margins below which a change is of no consequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MARGINS = {"total variation": 0.02, "psi": 0.05, "shift of the mean": 0.1, "ratio of the spreads": 0.1}
NOTHING_NEW = "nothing came since the fit"


@dataclass(frozen=True)
class DriftMeasure:
    """One comparison; field by field the table ``drifts``, less what is the same for all of a scoring."""

    part: str
    name: str
    measure: str
    value: float
    limit: float
    detail: str | None = None

    @property
    def drifted(self) -> bool:
        """True where the distance is larger than sampling explains, and large enough to matter."""
        return self.value > self.limit


def nothing_new(parts: Sequence[tuple[str, str]]) -> list[DriftMeasure]:
    """Return comparisons of parts, each with its measure, that had nothing to compare."""
    return [DriftMeasure(part, "", measure, 0.0, MARGINS[measure], NOTHING_NEW) for part, measure in parts]
