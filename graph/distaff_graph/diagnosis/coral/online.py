"""CORAL on a stream: rows as they come, an alarm, rankings until they stand still, and the next incident after that.

Everything held is bounded and can be saved: the tidying and trigger states, the core, and rows that wait. A row waits while
it may turn out to belong to an incident (:attr:`~distaff_graph.diagnosis.watch.Watch.suspect`), so that no such
row is ever taken as normal, or while too few are there to be a base. After an incident it waits until things are back;
rows up to then are thrown away, so that no fault is learned as normal however long it lasts. Fed the same rows in the same
batches, a restored stream gives what an uninterrupted one gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from distaff.incidents.cause_sets import cause_set, tells_shares
from distaff.incidents.rankings import Diagnosis, ranked
from distaff.incidents.streams import Alarm
from distaff_data.arrays import Floats
from distaff_data.datasets.dependencies import remarks
from distaff_data.datasets.imputation import Imputer
from distaff_data.datasets.incidents import Topology
from distaff_graph.diagnosis.coral.named import LEAST_SHARE, CoreSettings, make_core, named_causes, named_edges
from distaff_graph.diagnosis.seasons import Seasons
from distaff_graph.diagnosis.timing import StreamConfig, Timing
from distaff_graph.diagnosis.watch import Watch

_MOST_BATCHES = 50  # of one incident, if its ranking never comes to rest (CORAL's own limit)
_MOST_WAITING = 600  # rows
_CLOCK = 9  # numbers of which the clock is made


class CORALStream:
    """Diagnoses metrics as they come.

    Args:
        topology: Metrics, KPI and what is known of dependencies.
        settings: The choices about its core; the defaults when None.
        config: How long it looks and waits; the defaults when None.
        seed: Seed of the neural learner's draws.
    """

    def __init__(
        self,
        topology: Topology,
        settings: CoreSettings | None = None,
        *,
        config: StreamConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.topology, self._config = topology, config or StreamConfig()
        self._given = bool(topology.prior().known.any())
        self._core = make_core(topology, settings, seed=seed)
        self._watch = Watch(topology.kpi)  # with the lengths of its step from the first base on
        self._seasons = Seasons(len(topology.columns))
        self._tidy: Imputer | None = None
        self._waiting: Floats = np.zeros((0, len(topology.columns)))
        # Last time, step, start of the incident, its alarm, batches of it, converged, rows since the base, rows it has
        # been waited for an end, step of the base.
        self._clock = np.zeros(_CLOCK)

    @property
    def _timing(self) -> Timing:
        """Lengths in rows of the step that the base had; a batch with gaps in it changes none of them."""
        return Timing.of(self._config, float(self._clock[8] or self._clock[1]))

    @property
    def last_time(self) -> float | None:
        """Time of the latest row taken; None before the first."""
        return None if self._clock[1] == 0 else float(self._clock[0])

    @property
    def converged(self) -> bool:
        """True where the latest diagnosis was the last of its incident."""
        return bool(self._clock[5])

    def update(self, times: Floats, rows: Floats, *, onset: float | None = None) -> Diagnosis | None:
        """Return the diagnosis after the next raw rows ``(n, M)`` at ``times``, at least two in the first batch.

        Args:
            times: Of the rows, rising.
            rows: What was measured.
            onset: When an incident began, where something else tells; infinite while it tells of none. The watch decides
                when None.

        Returns:
            The diagnosis of the incident that is on, or None where there is none.
        """
        if not len(rows):
            return None
        if len(times) > 1:
            self._clock[1] = float(np.median(np.diff(times)))
        self._clock[0] = times[-1]
        if self._tidy is None:
            self._waiting = np.vstack([self._waiting, rows])
            if len(self._waiting) >= self._timing.base:
                self._tidy = Imputer.of(self._waiting)
                first = self._tidy.apply(self._waiting)
                self._seasons.learn(times[-1] + self._clock[1] * np.arange(1 - len(first), 1), first)
                self._begin(first)
            return None
        complete = self._tidy.apply(rows)
        level = self._seasons.without(times, complete)
        if self._core.triggered or self._clock[7]:
            # That days are alike is seen by two of them, whatever else happens in them.
            if not self._seasons.known and self._seasons.learn(times, complete):
                self._restart()
                return None
            if self._core.triggered:
                return self._advance(level, self._watch.over(level))
            self._wait(level)
            return None
        if not self._watch.armed:
            self._waiting = np.vstack([self._waiting, level])
            if len(self._waiting) >= self._timing.base:
                self._begin(self._waiting)
            found = None
        else:
            found = self._look_out(times, level, onset)
        if (found is None or not self._seasons.known) and self._seasons.learn(times, complete):
            self._restart()
        return found

    def state(self) -> dict[str, Floats]:
        """Return everything that the next update needs, by name."""
        owners = {"watch": self._watch.state(), "core": self._core.state(), "seasons": self._seasons.state()}
        if self._tidy is not None:
            owners["tidy"] = self._tidy.state()
        state = {f"{owner}/{name}": value for owner, tensors in owners.items() for name, value in tensors.items()}
        return state | {"waiting": self._waiting, "clock": self._clock}

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""

        def state_of(owner: str) -> dict[str, Floats]:
            return {key.removeprefix(owner): value for key, value in tensors.items() if key.startswith(owner)}

        self._waiting, clock = np.array(tensors["waiting"]), np.array(tensors["clock"])
        self._clock = np.concatenate([clock, np.zeros(_CLOCK - len(clock))])  # 0.2 had one entry less
        self._keep_time()
        self._watch.load_state(state_of("watch/"))
        self._core.load_state(state_of("core/"))
        self._seasons.load_state(state_of("seasons/"))
        self._tidy = Imputer.restored(tidy) if (tidy := state_of("tidy/")) else None

    def _begin(self, rows: Floats) -> None:
        """Begin a new normal state with complete rows; the one before is forgotten."""
        self._clock[8] = self._clock[1]
        self._keep_time()
        self._core.forget()
        self._core.add_normal(rows)
        self._watch.rebase(rows)
        self._waiting = rows[:0]
        self._clock[6:8] = 0

    def _keep_time(self) -> None:
        """Take the lengths of the base's step; the watch has no base then."""
        self._watch = Watch(self.topology.kpi, self._timing)
        self._core.memory = max(self._core.memory, self._timing.base)

    def _restart(self) -> None:
        """Learn anew what is normal, now that rows come without their season."""
        self._core.forget()
        self._keep_time()
        self._waiting = self._waiting[:0]
        self._clock[6:8] = 0

    def _wait(self, rows: Floats) -> None:
        """Wait until an incident is over: rows up to then are nobody's normal state."""
        self._clock[7] += len(rows)
        over = self._watch.over(rows)
        if over is not None:
            self._resume(rows[over + 1 :])
            return
        self._waiting = np.vstack([self._waiting, rows])[-self._timing.base :]
        if self._clock[7] >= self._timing.patience:
            self._begin(self._waiting)

    def _resume(self, rows: Floats) -> None:
        """Look out again, by what was normal before the incident; ``rows`` came after its end."""
        self._core.add_normal(rows)
        self._watch.rebase(self._core.normal)
        self._waiting = rows[:0]
        self._clock[7] = 0

    def _look_out(self, times: Floats, rows: Floats, onset: float | None) -> Diagnosis | None:
        """Return the first diagnosis of an incident that begins in complete rows, while none is on."""
        alarm = self._watch.update(rows)
        if onset is not None:
            at = int(np.searchsorted(times, onset))
            alarm = None if at == len(times) else Alarm(at, at)
        before, joined = len(self._waiting), np.vstack([self._waiting, rows])
        cut = len(joined) - self._watch.suspect if alarm is None else before + alarm.start
        cut = min(max(cut, len(joined) - _MOST_WAITING, 0), len(joined))
        self._core.add_normal(joined[:cut])
        self._waiting = joined[cut:]
        if alarm is None:
            self._clock[6] += len(rows)
            # A base that was bad or is outlived by drift heals: it is learned again from the latest quiet rows.
            if self._clock[6] >= self._timing.base and not self._crowded():
                self._watch.rebase(self._core.normal)
                self._clock[6] = 0
            return None
        self._core.trigger()
        start = times[0] + (cut - before) * self._clock[1]
        self._clock[2:6] = start, times[alarm.row], 0, 0
        return self._advance(self._waiting)

    def _crowded(self) -> bool:
        """Tell whether so many rows are suspect that something may be about to begin."""
        return len(self._waiting) > self._timing.base // 4

    def _advance(self, rows: Floats, over: int | None = None) -> Diagnosis:
        """Return the diagnosis after complete rows of the incident that is on, which is over in the row ``over``."""
        assessment = self._core.advance(rows if over is None else rows[: over + 1])
        start, alarm = float(self._clock[2]), float(self._clock[3])
        self._clock[4] += 1
        self._clock[5] = assessment.converged or over is not None or self._clock[4] >= _MOST_BATCHES
        rows_since = 1 + max((cause.onset for cause in assessment.causes if cause.onset is not None), default=0)
        times = [start + row * float(self._clock[1]) for row in range(int(rows_since))]
        edges = named_edges(self.topology.columns, assessment)
        diagnosis = Diagnosis(
            f"incident-{_shown(alarm)}",
            ranked(named_causes(self.topology.columns, assessment, times)),
            alarm,
            (alarm,),
            edges,
            "given" if self._given else "learned" if edges else "none",
            remarks(self.topology),
        )
        tells = tells_shares(self._core.normal, diagnosis.graph)
        diagnosis = replace(diagnosis, likely=cause_set(diagnosis, LEAST_SHARE) if tells else ())
        self._waiting = rows[:0]
        if over is not None:
            self._resume(rows[over + 1 :])
        elif self.converged:
            self._core.add_normal(rows[:0])
            self._clock[7] = 1
        return diagnosis


def _shown(time: float) -> str:
    """Return a time to the microsecond, with as many digits as it has: two incidents of one second are two."""
    return f"{time:.6f}".rstrip("0").rstrip(".")
