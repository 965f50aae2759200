"""Counts and times of answers, in the text format that Prometheus reads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds


class Telemetry:
    """How many answers of each kind were given, and how long they took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Counter[tuple[str, int]] = Counter()
        self._within: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def count(self, asked: str, status: int, seconds: float) -> None:
        """Count an answer."""
        with self._lock:
            self._answers[asked, status] += 1
            within = self._within.setdefault(asked, [0] * (len(_BOUNDS) + 1))
            within[bisect_left(_BOUNDS, seconds)] += 1
            self._seconds[asked] = self._seconds.get(asked, 0.0) + seconds

    def text(self, beside: Mapping[str, tuple[str, str, float]], served: Mapping[str, str]) -> str:
        """Return everything as text.

        Args:
            beside: Further numbers by name: type, meaning, value.
            served: Runs by the names under which they are served.
        """
        lines = ["# HELP distaff_answers_total Answers by what was asked.", "# TYPE distaff_answers_total counter"]
        with self._lock:
            lines += [
                f'distaff_answers_total{{asked="{asked}",status="{status}"}} {n}'
                for (asked, status), n in sorted(self._answers.items())
            ]
            lines += ["# HELP distaff_answer_seconds Time to an answer.", "# TYPE distaff_answer_seconds histogram"]
            for asked, within in sorted(self._within.items()):
                total = 0
                for bound, n in zip((*_BOUNDS, "+Inf"), within, strict=True):
                    total += n
                    lines.append(f'distaff_answer_seconds_bucket{{asked="{asked}",le="{bound}"}} {total}')
                lines.append(f'distaff_answer_seconds_sum{{asked="{asked}"}} {self._seconds[asked]:.6f}')
                lines.append(f'distaff_answer_seconds_count{{asked="{asked}"}} {total}')
        lines += ["# HELP distaff_served The run that a name stands for.", "# TYPE distaff_served gauge"]
        lines += [f'distaff_served{{name="{name}",run="{run}"}} 1' for name, run in sorted(served.items())]
        for name, (kind, meaning, value) in beside.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
