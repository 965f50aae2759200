"""Memory of incidents: it helps where the same cause leaves the same pattern, and not where causes are shuffled."""

from __future__ import annotations

import numpy as np
import pytest

from distaff.incidents.memory import Past, learning_curve, likeness
from distaff.incidents.rankings import Cause, Diagnosis, ranked
from distaff_data.datasets.incidents import Case

N = 6


def _incidents(n_cases: int, *, repeats: bool, seed: int) -> tuple[list[Case], list[Diagnosis]]:
    """Return incidents whose ranking knows nothing; each cause has a pattern of its own if they repeat."""
    rng = np.random.default_rng(seed)
    columns = tuple(f"e{i}|x" for i in range(N))
    patterns = rng.exponential(5.0, (N, N))
    cases, diagnoses = [], []
    for number in range(n_cases):
        root = number % N
        pattern = patterns[root] if repeats else rng.exponential(5.0, N)
        own = pattern * rng.uniform(0.9, 1.1, N)
        causes = [Cause(c, float(s), own=float(o)) for c, s, o in zip(columns, rng.random(N), own, strict=True)]
        cases.append(Case(f"{number}", columns, np.arange(2.0), np.zeros((2, N)), roots=(f"e{root}",)))
        diagnoses.append(Diagnosis(f"{number}", ranked(causes), 0.0))
    return cases, diagnoses


def test_likeness_is_the_cosine_of_patterns_less_their_mean() -> None:
    _, diagnoses = _incidents(5, repeats=False, seed=0)
    own = np.array([[next(c.own for c in d.causes if c.column == f"e{i}|x") for i in range(N)] for d in diagnoses])
    log = np.log1p(own.astype(float))
    log -= log.mean(0)
    expected = np.array([[a @ b / np.sqrt(a @ a * (b @ b)) for b in log] for a in log])
    np.testing.assert_allclose(likeness(diagnoses), expected, atol=1e-12)


def test_memory_of_the_same_cause_helps_and_shuffled_causes_do_not() -> None:
    past = Past.of(*_incidents(36, repeats=True, seed=1))
    curve = {row["seen"]: row for row in learning_curve(past)}
    assert curve[0]["ac@1"] == curve[0]["shuffled"]
    assert curve[1]["ac@1"] > curve[0]["ac@1"] + 0.1
    assert curve[5]["ac@1"] > curve[5]["shuffled"] + 0.2
    assert past.nearest(0)[0][2] == ("e0",)


def test_memory_of_incidents_without_a_pattern_is_worth_what_shuffled_causes_are() -> None:
    curves = [learning_curve(Past.of(*_incidents(36, repeats=False, seed=seed)))[-1] for seed in range(8)]
    differences = [row["ac@1"] - row["shuffled"] for row in curves]
    assert np.mean(differences) == pytest.approx(0, abs=0.08)


def test_an_incident_has_no_part_in_its_own_ranking() -> None:
    cases, diagnoses = _incidents(12, repeats=True, seed=2)
    past = Past.of(cases, diagnoses)
    others = [past.roots[i] if i else ("e5",) for i in range(12)]  # the first one's own cause is another
    assert past.ranked(0, range(1, 12), past.roots) == past.ranked(0, range(1, 12), others)
    names = [name for name, *_ in past.nearest(0, k=11)]
    assert sorted(names, key=int) == [str(i) for i in range(1, 12)]
