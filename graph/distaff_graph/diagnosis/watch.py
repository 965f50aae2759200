"""The watch over rows of metrics: the trigger's sums and the crowd's count, whichever speaks first, and when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from distaff.incidents.base import Diagnoser
from distaff.incidents.streams import Alarm
from distaff.model.config import ModelConfig
from distaff_data.arrays import Bools, Floats
from distaff_graph.diagnosis.crowd import Crowd
from distaff_graph.diagnosis.timing import Timing, TriggeredConfig
from distaff_graph.diagnosis.trigger import Trigger


class Watch:
    """Both detectors over one base.

    Args:
        kpi: Position of the metric that shows incidents; None if there is none.
        timing: How long it looks and waits.
    """

    def __init__(self, kpi: int | None = None, timing: Timing | None = None) -> None:
        self.kpi, self.timing = kpi, timing or Timing()
        self._trigger, self._crowd = (
            Trigger(),
            Crowd(kpi, self.timing.windows),
        )  # the level of the KPI is the crowd's matter
        self._quiet = 0

    @property
    def armed(self) -> bool:
        """True once it has a base."""
        return self._trigger.armed or self._crowd.armed

    @property
    def suspect(self) -> int:
        """Number of the latest rows that would belong to an incident if the alarm went off now."""
        return max(self._trigger.suspect, self._crowd.suspect)

    def rebase(self, rows: Floats) -> None:
        """Learn what is normal from complete rows ``(n, M)``."""
        self._trigger.rebase(rows)
        self._crowd.rebase(rows)
        self._quiet = 0

    def update(self, rows: Floats) -> Alarm | None:
        """Return the first alarm in the next rows ``(n, M)``, None if there is none."""
        alarms = [alarm for alarm in (self._trigger.update(rows), self._crowd.update(rows)) if alarm is not None]
        return min(alarms, key=lambda alarm: (alarm.row, alarm.start)) if alarms else None

    def over(self, rows: Floats) -> int | None:
        """Return the row of the next ``(n, M)`` in which an incident is over; None while it is not."""
        if not len(rows):
            return None
        calls: Bools = np.asarray(self._crowd.calling(rows).any(axis=1), dtype=bool)
        for row, called in enumerate(calls):
            self._quiet = 0 if called else self._quiet + 1
            if self._quiet >= self.timing.quiet:
                self._quiet = 0
                return row
        return None

    def state(self) -> dict[str, Floats]:
        """Return the state, by name; its size does not depend on how many rows it has seen."""
        trigger = {f"trigger_{name}": value for name, value in self._trigger.state().items()}
        crowd = {f"crowd_{name}": value for name, value in self._crowd.state().items()}
        return trigger | crowd | {"quiet": np.array([self._quiet], float)}

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""
        for prefix, detector in (("trigger_", self._trigger), ("crowd_", self._crowd)):
            detector.load_state({n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)})
        self._quiet = int(tensors["quiet"][0]) if "quiet" in tensors else 0


class TriggeredDiagnoser(Diagnoser):
    """A diagnoser that finds onsets by :class:`Watch`."""

    Config: ClassVar[type[ModelConfig]] = TriggeredConfig

    def alarms(self, rows: Floats, start: int, kpi: int | None = None, *, step: float = 1.0) -> list[Alarm]:
        """Find every alarm; after one, it waits until things are back, and the rows that follow join the base."""
        alarms: list[Alarm] = []
        watch, base = Watch(kpi, Timing.of(self.config, step)), rows[:start]
        watch.rebase(base)
        begin = 0
        while (alarm := watch.update(rows[start:])) is not None:
            alarms.append(Alarm(start + alarm.row, max(start + alarm.start, begin + 1)))
            after = start + alarm.row + 1
            watch.rebase(base)
            over = watch.over(rows[after:])
            if over is None:
                break
            begin = start = after + over + 1
            watch.rebase(base)
        return alarms
