"""Planted incidents: what was planted is there, in the data and in the warehouse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distaff_data.datasets.incidents import Case, Incidents
from distaff_data.errors import InputError
from distaff_data.planted.incidents import FAULTS, planted_incidents
from distaff_data.planted.samples import sample
from distaff_data.tables.incidents import load_incidents
from distaff_data.workspace import Workspace

SMALL: dict[str, Any] = {"n_cases": 10, "n_entities": 5, "n_normal": 300, "n_fault": 150}


@pytest.fixture(scope="module")
def planted() -> Incidents:
    return planted_incidents(**SMALL, seed=4)


def parts(case: Case) -> tuple[Any, Any]:
    row = case.onset_row
    assert row is not None
    return case.values[:row], case.values[row:]


def test_the_same_seed_plants_the_same_and_another_does_not(planted: Incidents) -> None:
    again, other = planted_incidents(**SMALL, seed=4), planted_incidents(**SMALL, seed=5)
    assert np.array_equal(planted.cases[3].values, again.cases[3].values)
    assert planted.truth == again.truth
    assert not np.array_equal(planted.cases[3].values, other.cases[3].values)


def test_every_kind_of_fault_occurs_and_names_its_metric(planted: Incidents) -> None:
    assert {case.group for case in planted.cases} == set(FAULTS)
    for case in planted.cases:
        assert case.root_columns[0] in case.columns[1:]
        assert case.roots == (case.root_columns[0].partition("|")[0],)


def test_a_visible_shift_moves_the_kpi_and_an_invisible_fault_does_not() -> None:
    parameters = SMALL | {"n_cases": 20}
    for share, visible in ((0.0, True), (1.0, False)):
        for case in planted_incidents(**parameters, invisible_share=share).cases:
            if case.group == "shift":
                normal, faulty = parts(case)
                moved = abs(faulty[30:, 0].mean() - normal[:, 0].mean()) / normal[:, 0].std()
                assert case.visible is visible
                assert moved > 1.5 if visible else moved < 1.0


def test_a_frozen_metric_stands_still_once_it_has_built_up(planted: Incidents) -> None:
    frozen = [case for case in planted.cases if case.group == "freeze"]
    for case in frozen:
        root = case.columns.index(case.root_columns[0])
        tail = parts(case)[1][20:, root]
        assert np.ptp(tail) < 1e-6 * np.ptp(case.values[:, root])


def test_the_graph_is_acyclic_connected_and_has_one_sink(planted: Incidents) -> None:
    columns = planted.cases[0].columns
    for case in planted.cases:
        after = [e for e in planted.truth if e.case == case.name and e.state != "gone"]
        place = {column: i for i, column in enumerate(columns)}
        assert all(place[e.source] > place[e.target] for e in after)
        assert {e.source for e in after} == set(columns[1:]), "all but the KPI cause something"


def test_edges_that_change_leave_the_failing_metric(planted: Incidents) -> None:
    changed = [e for e in planted.truth if e.state != "kept"]
    roots = {case.name: case.root_columns[0] for case in planted.cases}
    assert {e.state for e in changed} == {"gone", "new"}
    assert all(e.source == roots[e.case] for e in changed)


def test_the_normal_state_follows_the_stored_edges(planted: Incidents) -> None:
    """Regression of every metric on all others at all lags finds the kept edges strongest."""
    case = planted.cases[0]
    normal = parts(case)[0]
    x = (normal - normal.mean(0)) / normal.std(0)
    edges = {(e.source, e.target, e.lag) for e in planted.truth if e.case == case.name and e.state != "new"}
    hits = []
    for i, target in enumerate(case.columns[:-1]):
        causes = {(s, lag) for s, t, lag in edges if t == target}
        past = {(column, lag): np.roll(x[:, j], lag)[2:] for j, column in enumerate(case.columns) for lag in (0, 1, 2)}
        names = [key for key in past if case.columns.index(key[0]) > i]  # an effect says as much about its cause
        found = np.linalg.lstsq(np.stack([past[n] for n in names], 1), x[2:, i], rcond=None)[0]
        best = [names[k] for k in np.argsort(-np.abs(found))[: len(causes)]]
        hits += [key in causes for key in best]
    assert np.mean(hits) > 0.8


def test_lost_measurements_are_missing() -> None:
    values = np.stack([case.values for case in planted_incidents(**SMALL, missing=0.1).cases])
    assert np.isnan(values).mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *[("n_cases", 0), ("n_entities", 1), ("metrics_per_entity", 0), ("n_lags", 0), ("n_normal", 5), ("n_fault", 5)],
        *[("lagged_share", 1.5), ("ramp_share", -1), ("invisible_share", float("nan")), ("missing", 0.5)],
        *[("edges_per_metric", -1), ("changed_edges", -1), ("season", -0.1), ("step", 0)],
    ],
)
def test_a_parameter_out_of_range_is_refused(parameter: str, value: float) -> None:
    with pytest.raises(InputError) as caught:
        planted_incidents(**{**SMALL, parameter: value})
    assert caught.value.column == parameter


def test_a_sample_comes_back_from_the_warehouse_as_it_was_made(workspace: Workspace) -> None:
    parameters = SMALL | {"missing": 0.05}
    report = sample(workspace, "planted-incidents", name="p", seed=4, **parameters)
    made, read = planted_incidents(**parameters, seed=4), load_incidents(workspace.warehouse, "p")
    assert report.as_dict()["cases"] == len(read.cases) == 10
    for before, after in zip(made.cases, read.cases, strict=True):
        np.testing.assert_array_equal(before.values, after.values)
        np.testing.assert_array_equal(before.times, after.times)
        plain = [{k: v for k, v in vars(case).items() if k not in ("values", "times")} for case in (before, after)]
        assert plain[0] == plain[1]
    assert sorted(map(str, made.truth)) == sorted(map(str, read.truth))
    one = load_incidents(workspace.warehouse, "p", "c003")
    assert [case.name for case in one.cases] == ["c003"]
    np.testing.assert_array_equal(one.cases[0].values, made.cases[2].values)
