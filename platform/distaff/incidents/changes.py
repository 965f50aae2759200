"""What changed shortly before an incident: evidence of its own, beside the ranking and not in it.

An entity that is changed all day has a change before any time. Each change therefore comes with the chance that one of its
entity lies so close before a time that is drawn at random from the span of all changes and the case: 1 - (1 - lead / span)^n
for n changes of that entity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distaff_data.datasets.incidents import Case
from distaff_data.ingest.changes import SystemChange


@dataclass(frozen=True)
class RecentChange:
    """A change shortly before an onset.

    Attributes:
        change: The change.
        lead: Seconds from it to the onset.
        chance: The probability that the entity has one so close before any time.
    """

    change: SystemChange
    lead: float
    chance: float

    def sentence(self) -> str:
        """Return it in words."""
        chance = "less than 0.01" if self.chance < 0.01 else f"{self.chance:.2f}"
        return f"{self.change.entity}: {self.change.what}, {self.lead:.6g} s before (by chance: {chance})"


def recent_changes(
    changes: Sequence[SystemChange], case: Case, onset: float, within: float
) -> tuple[RecentChange, ...]:
    """Return the changes up to ``within`` seconds before the onset, the least likely by chance first."""
    if not changes:
        return ()
    span = max(float(case.times[-1]), changes[-1].time) - min(float(case.times[0]), changes[0].time)
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.entity] = counts.get(change.entity, 0) + 1
    found = [
        RecentChange(change, lead, 1 - (1 - min(lead / span, 1.0)) ** counts[change.entity] if span > 0 else 1.0)
        for change in changes
        if 0 <= (lead := onset - change.time) <= within
    ]
    return tuple(sorted(found, key=lambda recent: (recent.chance, recent.lead, recent.change.entity)))
