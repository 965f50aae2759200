"""Settings in seconds: as many rows as the step makes of them, the same for the same system however often it is measured."""

from __future__ import annotations

import numpy as np
import pytest

from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Topology
from distaff_data.errors import InputError
from distaff_graph.diagnosis.controls.scores import BARO
from distaff_graph.diagnosis.coral.model import CORAL
from distaff_graph.diagnosis.coral.online import CORALStream
from distaff_graph.diagnosis.crowd import Crowd
from distaff_graph.diagnosis.timing import StreamConfig, Timing, TriggeredConfig

IN_SECONDS = StreamConfig(windows=(1.0, 3.0, 10.0, 30.0), quiet=30.0, base=200.0, patience=2000.0)


@pytest.mark.parametrize("step", [0.06, 1.0, 300.0])
def test_defaults_are_rows_of_any_step(step: float) -> None:
    assert Timing.of(StreamConfig(), step) == Timing.of(TriggeredConfig(), step) == Timing()


def test_seconds_are_rows_of_the_step_and_no_length_is_below_one() -> None:
    assert Timing.of(IN_SECONDS, 1.0) == Timing()
    assert Timing.of(IN_SECONDS, 0.5) == Timing((2, 6, 20, 60), 60, 400, 4000)
    assert Timing.of(IN_SECONDS, 60.0) == Timing((1,), 1, 3, 33)
    assert Timing.of(StreamConfig(base=50.0), 1.0).patience == 500
    assert Timing.of(StreamConfig(windows=(30, 1)), 1.0) == Timing.of(StreamConfig(windows=(1, 30, 30)), 1.0)


@pytest.mark.parametrize("setting", ["windows=0", "windows=1,-3", "quiet=-1", "base=-1", "patience=nan"])
def test_lengths_that_are_none_are_refused(setting: str) -> None:
    name, value = setting.split("=")
    with pytest.raises(InputError, match=name):
        CORAL(**{name: value})


def test_an_alarm_of_a_diagnoser_comes_by_its_windows() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((500, 10))
    rows[400:, :6] += 5.0
    assert BARO().alarms(rows, 200)
    assert BARO(windows="1,3,10,30").alarms(rows, 200) == BARO().alarms(rows, 200)
    assert BARO(windows="60,180,600,1800").alarms(rows, 200, step=60.0) == BARO().alarms(rows, 200)
    soon, late = (Crowd(windows=windows) for windows in ((1,), (30,)))
    for crowd in (soon, late):
        crowd.rebase(rows[:380])
    first, second = soon.update(rows[380:]), late.update(rows[380:])
    assert first is not None
    assert second is not None
    assert first.row < second.row


def test_windows_too_long_for_the_base_leave_the_watch_to_the_other_detector() -> None:
    rows = np.random.default_rng(0).standard_normal((500, 10))
    rows[400:, :6] += 5.0 * np.sin(np.arange(100))[:, None]
    alarms = BARO(windows="100").alarms(rows, 200)
    assert alarms
    assert 400 <= alarms[0].row < 430


def _fed(stream: CORALStream, rows: Floats, step: float) -> list[tuple[str, bool]]:
    """Return the case of each diagnosis, and whether it was the last of its incident."""
    found = []
    for start in range(0, len(rows), 50):
        diagnosis = stream.update(step * np.arange(start, start + 50, dtype=np.float64), rows[start : start + 50])
        if diagnosis is not None:
            found.append((diagnosis.case, stream.converged))
    return found


def _with_faults(n_rows: int, *spans: tuple[int, int]) -> Floats:
    rows: Floats = np.random.default_rng(1).standard_normal((n_rows, 6))
    for start, end in spans:
        rows[start:end, :4] += 12.0
    return rows


def test_a_stream_begins_with_a_base_of_so_many_seconds() -> None:
    topology, rows = Topology(tuple(f"e{i}|x" for i in range(6)), 0), _with_faults(300, (100, 160))
    assert _fed(CORALStream(topology), rows, 60.0) == []  # 200 rows, and the fault among them
    assert len({case for case, _ in _fed(CORALStream(topology, config=StreamConfig(base=50 * 60.0)), rows, 60.0)}) == 1


def test_an_incident_is_over_after_so_many_quiet_seconds() -> None:
    topology, rows = Topology(tuple(f"e{i}|x" for i in range(6)), 0), _with_faults(900, (300, 330), (400, 430))
    cases = [{case for case, _ in _fed(CORALStream(topology, config=config), rows, 1.0)}
             for config in (StreamConfig(), StreamConfig(quiet=200.0))]  # fmt: skip
    assert len(cases[0]) == 2
    assert len(cases[1]) == 1  # a hundred quiet rows lie between


def test_a_state_of_so_many_seconds_is_the_new_normal() -> None:
    topology, rows = Topology(tuple(f"e{i}|x" for i in range(6)), 0), _with_faults(1800, (300, 1800))
    rows[1500:1560, :4] -= 24.0
    cases = [{case for case, _ in _fed(CORALStream(topology, config=config), rows, 1.0)}
             for config in (StreamConfig(), StreamConfig(patience=600.0))]  # fmt: skip
    assert len(cases[0]) == 1
    assert len(cases[1]) == 2


def test_a_restored_stream_keeps_its_lengths_whatever_gaps_a_batch_has() -> None:
    topology, rows = Topology(tuple(f"e{i}|x" for i in range(6)), 0), _with_faults(600, (420, 600))
    whole = CORALStream(topology, config=StreamConfig(base=100.0, windows=(2.0, 8.0)))
    _fed(whole, rows[:300], 1.0)
    gap = 300.0 + 10.0 * np.arange(50, dtype=np.float64)
    whole.update(gap, rows[300:350])
    again = CORALStream(topology, config=StreamConfig(base=100.0, windows=(2.0, 8.0)))
    again.load_state(whole.state())
    for start in range(350, 600, 50):
        times = gap[-1] + 1.0 + np.arange(start - 350, start - 300, dtype=np.float64)
        assert whole.update(times, rows[start : start + 50]) == again.update(times, rows[start : start + 50])
