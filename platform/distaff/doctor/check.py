"""The result of one check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from distaff_data.errors import first_line, redacted


@dataclass(frozen=True)
class Check:
    """One check: ``state`` is ``ok``, ``fixed`` or ``problem``."""

    check: str
    state: str
    detail: str


def guarded(check: str, look: Callable[[], list[Check]]) -> list[Check]:
    """Return the findings of a check; whatever it dies of is a finding too, and the other checks go on."""
    try:
        return look()
    except Exception as error:  # a damaged file may bring up anything
        return [Check(check, "problem", f"{type(error).__name__}: {redacted(first_line(error))[:300]}")]
