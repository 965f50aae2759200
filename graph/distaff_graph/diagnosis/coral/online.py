"""CORAL on a stream: rows as they come, an alarm, rankings until they stand still, and a new base after that.

Everything held is bounded and can be saved: the tidying and trigger states, the core, and rows that wait. A row waits while
it may turn out to belong to an incident (:attr:`~distaff_graph.diagnosis.trigger.Trigger.suspect`), so that no such
row is ever taken as normal, or while too few are there to be a base. Fed the same rows in the same batches, a
restored stream gives what an uninterrupted one gives.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from distaff.incidents.rankings import Diagnosis, ranked
from distaff_data.arrays import Floats
from distaff_data.datasets.dependencies import remarks
from distaff_data.datasets.imputation import Imputer
from distaff_data.datasets.incidents import Topology
from distaff_graph.diagnosis.coral.named import make_core, named_causes, named_edges
from distaff_graph.diagnosis.trigger import Trigger

_MOST_BATCHES = 50  # of one incident, if its ranking never comes to rest (CORAL's own limit)
_MOST_WAITING = 600  # rows


class CORALStream:
    """Diagnoses metrics as they come.

    Args:
        topology: Metrics, KPI and what is known of dependencies.
        base: Rows from which normal is learned, at the start and after each incident.
        learner: How the graph is learned, linear or neural.
        seed: Seed of the neural learner's draws.
    """

    def __init__(self, topology: Topology, *, base: int = 200, learner: str = "linear", seed: int = 0) -> None:
        self.topology, self.base = topology, base
        self._given = bool(topology.prior().known.any())
        self._core = make_core(topology, learner, seed=seed)
        self._trigger = Trigger(topology.kpi)
        self._tidy: Imputer | None = None
        self._waiting: Floats = np.zeros((0, len(topology.columns)))
        self._clock = np.zeros(6)  # last time, step, start of the incident, its alarm, batches of it, converged

    @property
    def last_time(self) -> float | None:
        """Time of the latest row taken; None before the first."""
        return None if self._clock[1] == 0 else float(self._clock[0])

    @property
    def converged(self) -> bool:
        """True where the latest diagnosis was the last of its incident."""
        return bool(self._clock[5])

    def update(self, times: Floats, rows: Floats) -> Diagnosis | None:
        """Return the diagnosis after the next raw rows ``(n, M)`` at ``times``, at least two in the first batch.

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
            if len(self._waiting) >= self.base:
                self._tidy = Imputer.of(self._waiting)
                self._rebase(self._tidy.apply(self._waiting))
            return None
        rows = self._tidy.apply(rows)
        return self._advance(rows) if self._core.triggered else self._look_out(times, rows)

    def state(self) -> dict[str, Floats]:
        """Return everything that the next update needs, by name."""
        owners = {"trigger": self._trigger.state(), "core": self._core.state()}
        if self._tidy is not None:
            owners["tidy"] = self._tidy.state()
        state = {f"{owner}/{name}": value for owner, tensors in owners.items() for name, value in tensors.items()}
        return state | {"waiting": self._waiting, "clock": self._clock}

    def load_state(self, tensors: Mapping[str, Floats]) -> None:
        """Go on from what :meth:`state` gave."""

        def state_of(owner: str) -> dict[str, Floats]:
            return {key.removeprefix(owner): value for key, value in tensors.items() if key.startswith(owner)}

        self._waiting, self._clock = np.array(tensors["waiting"]), np.array(tensors["clock"])
        self._trigger.load_state(state_of("trigger/"))
        self._core.load_state(state_of("core/"))
        self._tidy = Imputer.restored(tidy) if (tidy := state_of("tidy/")) else None

    def _rebase(self, rows: Floats) -> None:
        """Begin a new normal state with complete rows."""
        self._trigger.rebase(rows)
        self._core.add_normal(rows)
        self._waiting = rows[:0]

    def _look_out(self, times: Floats, rows: Floats) -> Diagnosis | None:
        """Return the first diagnosis of an incident that begins in complete rows, while none is on."""
        if not self._trigger.armed:  # after an incident a new base comes first
            self._waiting = np.vstack([self._waiting, rows])
            if len(self._waiting) >= self.base:
                self._rebase(self._waiting)
            return None
        alarm = self._trigger.update(rows)
        before, joined = len(self._waiting), np.vstack([self._waiting, rows])
        cut = len(joined) - self._trigger.suspect if alarm is None else before + alarm.start
        cut = min(max(cut, len(joined) - _MOST_WAITING, 0), len(joined))
        self._core.add_normal(joined[:cut])
        self._waiting = joined[cut:]
        if alarm is None:
            return None
        self._core.trigger()
        start = times[0] + (cut - before) * self._clock[1]
        self._clock[2:6] = start, times[alarm.row], 0, 0
        return self._advance(self._waiting)

    def _advance(self, rows: Floats) -> Diagnosis:
        """Return the diagnosis after complete rows of the incident that is on."""
        assessment = self._core.advance(rows)
        start, alarm = float(self._clock[2]), float(self._clock[3])
        self._clock[4] += 1
        self._clock[5] = assessment.converged or self._clock[4] >= _MOST_BATCHES
        rows_since = 1 + max((cause.onset for cause in assessment.causes if cause.onset is not None), default=0)
        times = [start + row * float(self._clock[1]) for row in range(int(rows_since))]
        edges = named_edges(self.topology.columns, assessment)
        diagnosis = Diagnosis(
            f"incident-{alarm:.0f}",
            ranked(named_causes(self.topology.columns, assessment, times)),
            alarm,
            (alarm,),
            edges,
            "given" if self._given else "learned" if edges else "none",
            remarks(self.topology),
        )
        self._waiting = rows[:0]
        if self.converged:
            self._core.add_normal(rows[:0])
            self._trigger = Trigger(self.topology.kpi)
        return diagnosis
