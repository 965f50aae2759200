"""A batch of 60 rows of 1,000 metrics in an incident, beside BARO's scorer run anew over 200 batches of history.

Every repetition begins in the same state, the second batch of an incident. ``metrics_100`` and ``metrics_10000`` are that
batch at other widths, ``late_...`` that after 200 others, which is to cost what an early one does; ``first_10000`` is the
batch in which the alarm goes off and the graph of the normal state is learned, ``watched_10000`` one before any incident.
``sockshop_case`` is one whole case.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from distaff.incidents.base import Diagnoser
from distaff.model.registry import model_class
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Topology
from distaff_graph.diagnosis.coral.online import CORALStream
from distaff_graph.diagnosis.timing import StreamConfig

PEER = "BARO's scorer over all history"
REPEATS = 5
ALSO = (
    "metrics_100",
    "metrics_10000",
    "late_100",
    "late_1000",
    "late_10000",
    "first_10000",
    "watched_10000",
    "sockshop_case",
)
ROWS, HISTORY, WARM_UP = 60, 200, 11  # enough to fill what is held of the normal state


class _Feed:
    """Batches of metrics that share a few slow movements; some of them fail when told to."""

    def __init__(self, n_metrics: int) -> None:
        self._rng = np.random.default_rng(0)
        self._load = self._rng.standard_normal((4, n_metrics))
        self.clock, self.failed = 0, False
        names = [f"service{i // 4:05}|{('cpu', 'memory', 'latency', 'errors')[i % 4]}" for i in range(n_metrics)]
        self.stream = CORALStream(Topology(tuple(names), 0), config=StreamConfig(base=4.0 * ROWS))

    def batch(self) -> tuple[Floats, Floats]:
        """Return times and rows of the next batch."""
        times = self.clock + np.arange(ROWS, dtype=np.float64)
        self.clock += ROWS
        slow = np.sin(times[:, None] / np.array([30.0, 47.0, 90.0, 140.0]))
        rows = slow @ self._load + 0.5 * self._rng.standard_normal((ROWS, self._load.shape[1]))
        if self.failed:
            rows[:, : self._load.shape[1] // 20] += 12
        return times, rows


Timed = tuple[Callable[[], object], Callable[..., object]]


def _at(n_metrics: int, *, before: int = WARM_UP, during: int = 1, incident: bool = True) -> Timed:
    feed = _Feed(n_metrics)
    for _ in range(before):
        feed.stream.update(*feed.batch())
    feed.failed = incident
    for _ in range(during):
        feed.stream.update(*feed.batch())
    state, clock = feed.stream.state(), feed.clock

    def prepare() -> tuple[Floats, Floats]:
        feed.stream.load_state(state)
        feed.clock = clock
        return feed.batch()

    return prepare, lambda batch: feed.stream.update(*batch)


def ours(data: Path) -> Timed:
    return _at(1000)


def metrics_100(data: Path) -> Timed:
    return _at(100)


def metrics_10000(data: Path) -> Timed:
    return _at(10_000)


def late_100(data: Path) -> Timed:
    return _at(100, before=HISTORY)


def late_1000(data: Path) -> Timed:
    return _at(1000, before=HISTORY)


def late_10000(data: Path) -> Timed:
    return _at(10_000, before=HISTORY)


def first_10000(data: Path) -> Timed:
    return _at(10_000, during=0)


def watched_10000(data: Path) -> Timed:
    return _at(10_000, incident=False)


def sockshop_case(data: Path) -> Callable[[], object]:
    from benchmarks.incidents import read

    case = read(data, "sockshop").cases[0]
    model = model_class("coral")()
    assert isinstance(model, Diagnoser)
    return lambda: model.diagnose_case(case)


def peer(data: Path) -> Callable[[], object]:
    feed = _Feed(1000)
    history = np.vstack([feed.batch()[1] for _ in range(HISTORY)])

    def score() -> Floats:
        low, middle, high = np.quantile(history[:-ROWS], [0.25, 0.5, 0.75], axis=0)
        scores: Floats = ((history[-ROWS:] - middle) / (high - low)).max(0)
        return scores

    return score
