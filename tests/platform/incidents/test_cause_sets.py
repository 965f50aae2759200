"""Sets of likely causes: the conformal quantile by hand, coverage on exchangeable cases, and saying that nothing is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from distaff.incidents.cause_sets import (
    cause_set,
    coverage,
    least_share,
    share_of_systems,
    shares,
    tells_shares,
    with_cause_sets,
)
from distaff.incidents.rankings import Cause, Diagnosis, ranked
from distaff_data.datasets.incidents import Case


def _case(name: str, n_entities: int, root: int) -> Case:
    columns = tuple(f"e{i}|x" for i in range(n_entities))
    return Case(name, columns, np.arange(2.0), np.zeros((2, n_entities)), roots=(f"e{root}",))


def _drawn(n_cases: int, n_entities: int, seed: int) -> tuple[list[Case], list[Diagnosis]]:
    """Return cases whose true cause scores higher by a draw, and their rankings."""
    rng = np.random.default_rng(seed)
    cases, diagnoses = [], []
    for number in range(n_cases):
        case = _case(f"{number}", n_entities, int(rng.integers(n_entities)))
        scores = rng.exponential(size=n_entities)
        scores[int(case.roots[0][1:])] += rng.exponential(3.0)
        causes = [Cause(column, float(score)) for column, score in zip(case.columns, scores, strict=True)]
        cases.append(case)
        diagnoses.append(Diagnosis(case.name, ranked(causes), 0.0))
    return cases, diagnoses


def test_shares_are_of_the_best_metric_of_each_entity() -> None:
    causes = (Cause("a|x", 4.0), Cause("b|x", 3.0), Cause("a|y", 2.0), Cause("b|y", 1.0))
    assert shares(Diagnosis("1", causes, 0.0)) == {"a": 1.0, "b": 0.75}
    assert shares(Diagnosis("1", (Cause("a|x", 0.0),), 0.0)) == {}


def test_the_least_share_is_the_conformal_quantile() -> None:
    assert least_share([0.5] * 8) == 0.0  # nine cases are needed to speak of nine in ten
    assert least_share([0.9, 0.3, *[1.0] * 7]) == 0.3
    assert least_share([0.1 * i for i in range(1, 20)]) == pytest.approx(0.2)


def test_sets_hold_the_cause_in_nine_of_ten_exchangeable_cases() -> None:
    held = [coverage(cases, with_cause_sets(cases, diagnoses))
            for cases, diagnoses in (_drawn(40, 20, seed) for seed in range(40))]  # fmt: skip
    values = [found["coverage"] for found in held if found]
    assert len(values) == 40
    assert np.mean(values) == pytest.approx(0.925, abs=0.025)  # of 39 others: at least 0.9, at most 0.9 + 1 / 40
    assert 0 < np.mean([found["told"] for found in held if found]) <= 1


def test_a_case_has_no_part_in_its_own_set() -> None:
    cases, diagnoses = _drawn(12, 6, 0)
    before = with_cause_sets(cases, diagnoses)[3].likely
    other = next(entity for entity in cases[3].entities if entity not in cases[3].roots)
    cases[3] = _case("3", 6, int(other[1:]))
    assert with_cause_sets(cases, diagnoses)[3].likely == before


def test_few_known_causes_leave_the_share_to_the_model() -> None:
    cases, diagnoses = _drawn(9, 6, 0)
    assert all(d.likely is None for d in with_cause_sets(cases, diagnoses))
    by_model = [replace(d, likely=cause_set(d, 0.8)) for d in diagnoses]
    assert with_cause_sets(cases, by_model) == tuple(by_model)


def test_a_set_of_most_entities_is_said_to_tell_nothing() -> None:
    flat = Diagnosis("1", tuple(Cause(f"e{i}|x", 1.0 - 0.01 * i) for i in range(6)), 0.0)
    assert cause_set(flat, 0.98) == ("e0", "e1", "e2")
    assert cause_set(flat, 0.97) == ()
    assert coverage([_case("1", 6, 5)], [replace(flat, likely=cause_set(flat, 0.97))]) is not None


def test_the_share_of_systems_is_reached_by_nine_in_ten_causes_of_nine_in_ten_systems() -> None:
    easy, hard = [1.0] * 20, [0.05 * i for i in range(1, 21)]
    assert share_of_systems([easy] * 10) == 1.0
    assert share_of_systems([*[easy] * 10, hard]) == 1.0  # one system of eleven may be held less often
    assert share_of_systems([*[easy] * 9, hard, hard]) == pytest.approx(0.1)
    assert share_of_systems([hard] * 3) == pytest.approx(0.1)


def test_shares_of_other_systems_tell_nothing_of_a_log_of_states_without_a_graph() -> None:
    rng = np.random.default_rng(0)
    states = rng.integers(2, size=(60, 8)).astype(float) * 3.0 + 1.0
    levels = rng.standard_normal((60, 8))
    states[5:9, 2] = np.nan
    assert not tells_shares(states, "learned")
    assert not tells_shares(np.hstack([states, np.ones((60, 30))]), "none")  # what rests says nothing of the others
    assert tells_shares(states, "given")
    assert tells_shares(levels, "none")
    assert tells_shares(np.hstack([states, levels]), "learned")  # half of them
    assert not tells_shares(np.hstack([states, levels[:, :7]]), "learned")
    assert not tells_shares(np.ones((60, 8)), "none")  # nothing was seen to vary
    assert tells_shares(rng.permutation(levels.T).T, "none") == tells_shares(levels, "none")
