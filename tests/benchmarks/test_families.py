"""Planted services, processes and machines: what is said of them holds, and one thing fails."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.families")


@pytest.mark.parametrize("kind", ["services", "process", "machine"])
def test_cases_have_their_shape_and_the_same_seed_gives_the_same(families: ModuleType, kind: str) -> None:
    shape = families.Shape(n_cases=7, n_normal=80, n_fault=40, step=0.5, missing=0.1)
    data, again = (getattr(families, kind)(shape, seed=3) for _ in range(2))
    for case, other in zip(data.cases, again.cases, strict=True):
        assert case.values.shape == (120, len(case.columns))
        assert case.onset_row == 80
        assert case.step == 0.5
        assert set(case.roots) <= set(case.entities)
        assert np.isnan(case.values).mean() == pytest.approx(0.1, abs=0.03)
        np.testing.assert_array_equal(case.values, other.values)
    names = {end for edge in data.edges for end in (edge.source, edge.target)}
    assert names <= {*data.cases[0].entities, *data.cases[0].columns}


def test_the_kpi_of_services_is_inside_outside_or_none(families: ModuleType) -> None:
    def kpis(kpi: str) -> set[str | None]:
        cases = families.services(families.Shape(n_cases=3, n_normal=40, n_fault=20, kpi=kpi), seed=1).cases
        return {None if case.kpi is None else case.columns[case.kpi] for case in cases}

    assert kpis("inside") == {"service00|latency"}
    assert kpis("outside") == {"users|latency"}
    assert kpis("none") == {None}


def test_a_crash_stops_the_service_and_its_callers_see_errors(families: ModuleType) -> None:
    data = families.services(families.Shape(n_cases=14, n_normal=200, n_fault=60), seed=2)
    for case in (case for case in data.cases if case.group == "crash"):
        (root,) = case.roots

        def change(name: str, case=case) -> float:  # type: ignore[no-untyped-def]
            values = case.values[:, case.columns.index(name)]
            return float(values[200:].mean() - values[:200].mean()) / max(float(values[:200].mean()), 0.1)

        assert change(f"{root}|requests") < -0.9
        assert change(f"{root}|cpu") < -0.5
        callers = [
            edge.target for edge in data.edges if edge.source == root
        ]  # causes run from the called to the caller
        assert callers
        assert all(change(f"{caller}|errors") > 1 for caller in callers)


def test_alarms_of_a_machine_never_ring_before_the_onset_and_the_kpi_rings_after(families: ModuleType) -> None:
    data = families.machine(families.Shape(n_cases=20, n_normal=80, n_fault=40), seed=4)
    rang = []
    for case in data.cases:
        alarms = [i for i, name in enumerate(case.columns) if name.startswith("alarm")]
        assert not case.values[:80, alarms].any()
        rang.append(bool(case.values[80:, case.kpi].any()))
    assert np.mean(rang) > 0.7
