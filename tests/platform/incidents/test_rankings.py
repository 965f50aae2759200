"""Measures of rankings against values worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from distaff.incidents.rankings import Cause, Diagnosis, ranked, score_cases, score_ranking, score_trigger
from distaff.incidents.tables import cause_rows
from distaff_data.datasets.incidents import Case


def case(name: str, **fields: object) -> Case:
    return Case(name, ("a|x", "b|x", "b|y"), np.arange(10.0), np.zeros((10, 3)), **fields)  # type: ignore[arg-type]


def diagnosis(name: str, columns: str, alarms: tuple[float, ...] = ()) -> Diagnosis:
    causes = tuple(Cause(column, -float(place)) for place, column in enumerate(columns.split()))
    return Diagnosis(name, causes, alarms[0] if alarms else None, alarms)


def test_two_true_causes_on_ranks_2_and_4() -> None:
    values = score_ranking(["a", "b", "c", "d", "e"], ["b", "d"])
    assert [values[f"ac@{k}"] for k in (1, 3, 5)] == [0, 1, 1]
    assert [values[f"pr@{k}"] for k in (1, 3, 5)] == [0, 0.5, 1]
    assert values["avg@5"] == pytest.approx(4 / 5)
    assert values["map@3"] == pytest.approx((0 + 1 / 2 + 1 / 2) / 3)
    assert values["map@5"] == pytest.approx((0 + 1 / 2 + 1 / 2 + 1 + 1) / 5)
    assert values["mrr"] == 0.5


def test_a_cause_that_is_not_ranked_counts_nothing_and_a_short_ranking_is_allowed() -> None:
    assert set(score_ranking(["a"], ["z"]).values()) == {0.0}
    assert score_ranking(["z"], ["z"])["avg@5"] == 1.0


@pytest.mark.parametrize("truth", [["b"], ["b", "c"], ["a", "d", "z"]])
def test_what_is_tied_counts_as_the_mean_over_all_orders(truth: list[str]) -> None:
    ranking = [["a"], ["b", "c", "d", "e"], ["f", "g"]]
    orders = [
        [*first, *middle, *last]
        for first, middle, last in itertools.product(*(itertools.permutations(group) for group in ranking))
    ]
    every = [score_ranking(order, truth) for order in orders]
    for name, value in score_ranking(ranking, truth).items():
        assert value == pytest.approx(np.mean([values[name] for values in every])), name


def test_equal_scores_have_equal_ranks_and_their_names_order() -> None:
    causes = ranked(
        [Cause("b|x", 0.3), Cause("c|x", 0.1 + 0.2), Cause("a|x", 0.3), Cause("a|y", 1.0), Cause("d|x", 0.1)]
    )
    found = Diagnosis("1", causes, 0.0)
    assert found.columns == ["a|y", "a|x", "b|x", "c|x", "d|x"]
    assert [row["rank"] for row in cause_rows(found)] == [1, 2, 2, 2, 5]
    assert found.tied("entity") == [["a"], ["b", "c"], ["d"]]
    assert found.tied("metric") == [["a|y"], ["a|x", "b|x", "c|x"], ["d|x"]]


def test_an_entity_ranks_where_its_best_metric_does_and_invisible_cases_are_left_out() -> None:
    cases = [case("1", roots=("b",), root_columns=("b|y",)), case("2", roots=("a",), visible=False), case("3")]
    found = [diagnosis(c.name, "b|x a|x b|y") for c in cases]
    entity, metric = (score_cases(cases, found, level) for level in ("entity", "metric"))
    assert entity is not None
    assert metric is not None
    assert (entity.cases, entity.means()["ac@1"]) == (("1",), 1.0)
    assert metric.means()["mrr"] == pytest.approx(1 / 3)
    assert score_cases(cases[2:], found[2:], "entity") is None


def test_the_interval_holds_the_mean_and_shrinks_to_it_when_all_cases_agree() -> None:
    cases = [case(str(i), roots=("a" if i % 2 else "b",)) for i in range(40)]
    scores = score_cases(cases, [diagnosis(c.name, "a|x b|x") for c in cases], "entity")
    assert scores is not None
    low, high = scores.interval("ac@1")
    assert 0.3 < low < 0.5 < high < 0.7
    assert scores.interval("ac@3") == (1.0, 1.0)


def test_triggers_are_detected_missed_or_false() -> None:
    cases = [case(str(i), onset=5.0) for i in range(4)]
    alarms = [(5.0,), (9.0,), (), (2.0, 6.0)]
    found = [diagnosis(c.name, "a|x", a) for c, a in zip(cases, alarms, strict=True)]
    score = score_trigger(cases, found, [3600.0] * 4)
    assert (score.detected, score.missed, score.false_alarms, score.median_delay_s) == (2, 1, 1, 2.0)
    assert score.false_alarms_per_day == pytest.approx(6.0)
