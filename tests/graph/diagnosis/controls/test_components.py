"""PRISM and epsilon-diagnosis against slow references and cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from distaff_data.datasets.incidents import Case
from distaff_graph.diagnosis.controls.components import PRISM
from distaff_graph.diagnosis.controls.scores import EpsilonDiagnosis
from distaff_graph.diagnosis.energy import energy_coefficient
from distaff_graph.diagnosis.kinds import insides

COLUMNS = ("a|cpu", "a|latency", "b|mem_usage", "b|latency", "b|errors", "front|latency")


def incident(moves: dict[str, float]) -> Case:
    values = np.random.default_rng(0).standard_normal((150, len(COLUMNS)))
    for column, height in moves.items():
        values[100:, COLUMNS.index(column)] += height
    return Case("1", COLUMNS, np.arange(150.0), values, 100.0, COLUMNS.index("front|latency"))


def test_names_of_resources_are_inside() -> None:
    names = ("x|cpu", "x|container_memory_bytes", "x|disk_io", "x|socket", "x|p99-latency", "x|errors", "x|value")
    assert insides(names).tolist() == [True, True, True, True, False, False, False]


def test_a_component_that_suffers_more_but_outside_only_is_not_blamed() -> None:
    case = incident({"a|cpu": 12.0, "a|latency": 12.0, "b|latency": 60.0})
    assert PRISM().diagnose_case(case).entities == ["a", "b"]


def test_prism_is_what_loops_over_components_give() -> None:
    case = incident({"a|cpu": 4.0, "b|errors": 9.0, "b|mem_usage": 3.0, "a|latency": 7.0})
    scores = {}
    for entity in ("a", "b"):
        total = 0.0
        for inside in (True, False):
            largest = 0.0
            for i, column in enumerate(COLUMNS):
                if column.startswith(entity) and (("cpu" in column) or ("mem" in column)) == inside:
                    normal = case.values[:100, i]
                    for value in case.values[100:, i]:
                        largest = max(largest, abs(value - normal.mean()) / normal.std())
            total += math.log(1 + largest)
        scores[entity] = total
    found = PRISM().diagnose_case(case)
    best = {entity: max(c.score for c in found.causes if c.column.startswith(entity)) for entity in ("a", "b")}
    assert best == pytest.approx(scores)
    assert len(found.causes) == 5


def test_the_energy_coefficient_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((9, 3)), rng.standard_normal((7, 3)) + np.array([0.0, 1.0, 5.0])
    for metric, value in enumerate(energy_coefficient(first, second)):
        x, y = first[:, metric], second[:, metric]
        xy = np.mean([abs(a - b) for a in x for b in y])
        xx, yy = (np.mean([abs(a - b) for a in s for b in s]) for s in (x, y))
        assert value == pytest.approx((2 * xy - xx - yy) / (2 * xy))
    assert energy_coefficient(np.ones((4, 1)), np.ones((3, 1))).tolist() == [0.0]
    assert energy_coefficient(np.zeros((4, 1)), np.ones((3, 1)))[0] == pytest.approx(1.0)


def test_epsilon_diagnosis_blames_what_is_furthest_apart_whatever_its_unit() -> None:
    case = incident({"b|mem_usage": 8.0, "a|cpu": 1.0})
    scaled = Case(**{**vars(case), "values": case.values * np.array([1e6, 1.0, 1e-6, 1.0, 1.0, 1.0])})
    assert EpsilonDiagnosis().diagnose_case(scaled).columns[0] == "b|mem_usage"
