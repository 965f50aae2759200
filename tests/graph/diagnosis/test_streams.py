"""Streams of planted faults: long ones, second ones, drift, bad bases and daily cycles."""

from __future__ import annotations

import numpy as np
import pytest

from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Topology
from distaff_graph.diagnosis.coral.online import CORALStream

BATCH = 60


def system(rows: int, seed: int = 0) -> Floats:
    """Eight metrics of which the third acts on the second, and that on the first, the KPI, a row later each."""
    noise = np.random.default_rng(seed).standard_normal((rows, 8))
    values = noise.copy()
    for row in range(1, rows):
        values[row] = 0.3 * values[row - 1] + noise[row]
    values[1:, 0] += 0.5 * values[:-1, 1]
    values[1:, 1] += 0.5 * values[:-1, 2]
    return values


def fail(values: Floats, start: int, rows: int) -> None:
    for late, (metric, height) in enumerate(((2, 8.0), (1, 6.0), (0, 5.0))):
        values[start + late : start + rows + late, metric] += height


def begun(values: Floats, step: float = 1.0) -> list[float]:
    """Rows in which a stream says that an incident began."""
    stream = CORALStream(Topology(tuple(f"e{i}|x" for i in range(8)), 0))
    times, found = step * np.arange(len(values), dtype=np.float64), []
    for start in range(0, len(values), BATCH):
        diagnosis = stream.update(times[start : start + BATCH], values[start : start + BATCH])
        if diagnosis is not None and diagnosis.trigger is not None and diagnosis.trigger / step not in found:
            found.append(diagnosis.trigger / step)
    return found


@pytest.mark.parametrize("length", [120, 600])
def test_every_fault_is_found_however_long_the_ones_before_lasted(length: int) -> None:
    starts = [600 + i * (length + 600) for i in range(5)]
    values = system(starts[-1] + length + 600)
    for start in starts:
        fail(values, start, length)
    found = begun(values)
    assert len(found) == 5
    assert all(0 <= row - start <= 15 for row, start in zip(found, starts, strict=True))


def test_drift_and_calm_give_no_alarm() -> None:
    values = system(4000, 3)
    assert begun(values) == []
    assert begun(values + np.arange(4000)[:, None] * np.linspace(-0.004, 0.004, 8)) == []


def test_a_bad_base_heals() -> None:
    values = system(4000, 5)
    fail(values, 50, 100)
    fail(values, 2500, 200)
    found = begun(values)
    assert found
    assert 0 <= found[-1] - 2500 <= 15


def test_daily_cycles_give_no_alarm_once_two_days_agree_and_hide_no_fault() -> None:
    minutes = 1440
    values = system(5 * minutes, 1)
    values += 4 * np.sin(2 * np.pi * np.arange(len(values))[:, None] / minutes + np.arange(8) / 3)
    start = 4 * minutes + 500
    fail(values, start, 120)
    found = [row for row in begun(values, 60.0) if row > 2.5 * minutes]
    assert len(found) == 1
    assert 0 <= found[0] - start <= 15
