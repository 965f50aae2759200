"""The lines of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One line: a question, the answer, and the figure that it rests on."""

    check: str
    verdict: Verdict
    figure: str


@dataclass(frozen=True)
class Audit:
    """All lines about a run or a dataset.

    Attributes:
        subject: What was asked about: a run's id or a dataset's name.
        dataset: The dataset.
        findings: The lines.
    """

    subject: str
    dataset: str
    findings: Sequence[Finding]

    @property
    def failed(self) -> bool:
        """Tell whether any line fails."""
        return any(finding.verdict == "fail" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``audit``."""
        lines = [asdict(finding) for finding in self.findings]
        return {"subject": self.subject, "dataset": self.dataset, "failed": self.failed, "findings": lines}


def decided(check: str, faults: Sequence[str], otherwise: str) -> Finding:
    """Return a line that fails with its faults, where there are any, and passes with a figure otherwise."""
    return Finding(check, "fail" if faults else "pass", "; ".join(faults) or otherwise)
