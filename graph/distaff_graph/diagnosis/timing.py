"""How long the watch looks and waits, in rows of a stream's step, from settings that people give in seconds.

The defaults are rows, since what tells an incident from noise is how many rows show it: a probe each 60 ms and a report
each hour have the same. Where a system's own times are known (a deployment takes ten minutes, a cycle forty seconds),
they are given in seconds and hold for any step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from distaff.incidents.base import DiagnoserConfig
from distaff.model.config import Listed

BASE = 200  # rows


class TriggeredConfig(DiagnoserConfig):
    """Settings of diagnosers that find onsets."""

    windows: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Listed] = Field(
        default=(), description="seconds over which the trigger takes means; none: 1, 3, 10 and 30 rows"
    )
    quiet: float = Field(
        default=0.0, ge=0, description="seconds in which nothing is out that end an incident; 0: 30 rows"
    )


class StreamConfig(TriggeredConfig):
    """Settings of diagnosers that follow a stream."""

    base: float = Field(default=0.0, ge=0, description="seconds of a stream that are normal at its start; 0: 200 rows")
    patience: float = Field(
        default=0.0, ge=0, description="seconds after which a state is the new normal; 0: ten bases"
    )


@dataclass(frozen=True)
class Timing:
    """Lengths in rows.

    Attributes:
        windows: Over which the trigger takes means, rising.
        quiet: Without a call, after which an incident is over.
        base: From which a stream learns what is normal, and after which it learns it again.
        patience: After which a state that has lasted is the new normal.
    """

    windows: tuple[int, ...] = (1, 3, 10, 30)
    quiet: int = 30
    base: int = BASE
    patience: int = 10 * BASE

    @classmethod
    def of(cls, config: DiagnoserConfig, step: float) -> Timing:
        """Return the lengths that settings have where rows are ``step`` seconds apart; no length is below one row."""

        def rows(seconds: float, default: int) -> int:
            return max(round(seconds / step), 1) if seconds and step > 0 else default

        plain = cls()
        if not isinstance(config, TriggeredConfig):
            return plain
        windows = tuple(sorted({rows(seconds, 1) for seconds in config.windows})) or plain.windows
        quiet = rows(config.quiet, plain.quiet)
        if not isinstance(config, StreamConfig):
            return cls(windows, quiet)
        base = rows(config.base, plain.base)
        return cls(windows, quiet, base, rows(config.patience, 10 * base))
