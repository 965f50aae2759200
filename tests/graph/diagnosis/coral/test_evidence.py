"""What speaks against a metric by itself: each kind of evidence finds what the others miss, and nothing where nothing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from distaff_graph.diagnosis.coral.evidence import (
    EnergyDistances,
    Kinds,
    Weighed,
    earliness,
    evidence,
    followed_onsets,
)
from distaff_graph.diagnosis.energy import energy_coefficient

NOTHING = Weighed(level=False, distribution=False, order=False, remainder=False, components=False)


def test_onsets_that_another_row_follows_are_those_of_a_loop() -> None:
    beyond = np.random.default_rng(0).random((40, 50)) < 0.1
    for metric, found in enumerate(followed_onsets(beyond)):
        rows = [r for r in range(40) if beyond[r, metric] and beyond[r + 1 : r + 3, metric].any()]
        assert found == (rows[0] if rows else np.inf)
    assert np.isinf(followed_onsets(np.ones((1, 2), dtype=bool))).all()


def test_the_first_metric_counts_one_and_those_that_never_left_nothing() -> None:
    early = earliness(np.array([4.0, 5.0, np.inf]), np.array([4.0, 7.0, np.inf]))
    assert early.tolist() == pytest.approx([1.0, (1 / 2 + 1 / 4) / 2, 0.0])
    assert earliness(np.full(3, np.inf), np.full(3, np.inf)).tolist() == [0.0, 0.0, 0.0]


def test_a_change_of_spread_is_another_distribution_and_a_drift_that_goes_on_is_none() -> None:
    rng = np.random.default_rng(1)
    normal = rng.standard_normal((400, 40))
    rows = rng.standard_normal((100, 40))
    rows[:, 0] *= 8
    normal[:, 1] = np.cumsum(normal[:, 1])
    rows[:, 1] = normal[-1, 1] + np.cumsum(rows[:, 1])
    apart = EnergyDistances(normal).apart(rows)
    assert apart[0] > 1.5
    raw = energy_coefficient(normal, rows)
    assert raw[1] / apart[1] > 1.5 * raw[0] / apart[0]  # ever another, it has to be further away
    assert (apart[2:] < 1).mean() > 0.9  # of metrics that are what they were


def _kinds(n: int) -> Kinds:
    return Kinds.of(np.arange(n), np.arange(n))


def test_evidence_is_the_sum_of_logarithms_without_peers() -> None:
    pairs = ((3.0, 1.0), (-2.0, 0.5), (4.0, 1.0), (1.0, 0.2), (0.5, 7.0))
    extreme, level, apart, early, left = map(np.array, pairs)
    total = evidence(extreme, level, apart, early, left, _kinds(2), None, Weighed())
    expected = np.log1p(extreme) + np.log1p(np.abs(level)) + np.log1p(apart) + early + np.log1p(left) / 2
    np.testing.assert_allclose(total, expected)
    np.testing.assert_allclose(
        evidence(extreme, level, apart, early, left, _kinds(2), None, NOTHING), np.log1p(extreme)
    )


def test_a_latency_that_falls_speaks_half_as_much_as_one_that_rises() -> None:
    zeros = np.zeros(2)
    kinds = replace(_kinds(2), rising=np.array([True, True]))
    total = evidence(zeros, np.array([-5.0, 5.0]), zeros, zeros, zeros, kinds, None, replace(NOTHING, level=True))
    assert total.tolist() == pytest.approx([np.log(6) / 2, np.log(6)])


def test_an_entity_that_is_odd_inside_and_outside_comes_before_one_that_is_odder_outside_alone() -> None:
    extreme = np.array([5.0, 6.0, 6.5, 0.0, 900.0])  # a: inside, outside; b: outside, inside; the KPI of a
    kinds = Kinds(
        np.array([0, 0, 1, 1, 0]), np.arange(5), np.array([True, False, False, True, False]), np.zeros(5, bool)
    )
    zeros = np.zeros(5)
    alone = evidence(extreme, zeros, zeros, zeros, zeros, kinds, 4, NOTHING)
    both = evidence(extreme, zeros, zeros, zeros, zeros, kinds, 4, replace(NOTHING, components=True))
    assert alone[2] > alone[1]
    assert both[1] > both[2]
    assert both[1] == pytest.approx(np.log(7) + 0.25 * np.log(6))
    assert both[0] == pytest.approx(np.log(6) + 0.25 * np.log(7))  # not the KPI's, which is nobody's property
