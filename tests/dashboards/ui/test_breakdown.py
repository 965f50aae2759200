import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distaff_dashboards.ui.breakdown import Floats, break_down, relevance, top_items

PROBABILITY = np.array([0.5, 0.3, 0.2, 0.0])
LIFT = np.array([1.0, 2.0, 8.0, 0.0])


def test_relevance_at_its_ends_is_log_lift_and_log_probability() -> None:
    assert relevance(PROBABILITY, LIFT, 0.0)[:3] == pytest.approx(np.log(LIFT[:3]))
    assert relevance(PROBABILITY, LIFT, 1.0)[:3] == pytest.approx(np.log(PROBABILITY[:3]))


def test_the_slider_moves_items_from_special_to_frequent() -> None:
    assert top_items(PROBABILITY, LIFT, 0.0, 3).tolist() == [2, 1, 0]
    assert top_items(PROBABILITY, LIFT, 1.0, 3).tolist() == [0, 1, 2]


def test_an_item_that_is_not_in_the_intent_comes_last() -> None:
    assert top_items(PROBABILITY, LIFT, 0.3, 4)[-1] == 3


@given(arrays(np.float64, (4, 6), elements=st.floats(-5, 5)), st.integers(1, 7))
def test_a_breakdown_adds_up_to_the_scores_and_names_three_intents_an_item(parts: Floats, columns: int) -> None:
    scores = parts.sum(1) + 0.5
    found = break_down(parts, scores, columns=columns)
    assert found.parts.sum(1) + found.other + found.rest == pytest.approx(scores, abs=1e-2)
    assert (np.count_nonzero(found.parts, axis=1) <= 3).all()
    assert len(found.intents) <= columns


def test_what_belongs_to_no_intent_is_the_rest() -> None:
    found = break_down(np.array([[1.0, 2.0]]), np.array([4.0]), columns=7)
    assert found.intents == [1, 0]
    assert found.rest.tolist() == [1.0]
    parts, other, rest = found.shares()
    assert parts.tolist() == [[0.5, 0.25]]
    assert other.tolist() == [0.0]
    assert rest.tolist() == [0.25]


def test_rounding_of_an_additive_model_is_no_rest() -> None:
    found = break_down(np.array([[1.0, 2.0]]), np.array([3.0 + 1e-6]), columns=7)
    assert found.rest.tolist() == [0.0]


def test_shares_of_a_score_of_zero_are_zero() -> None:
    parts, other, rest = break_down(np.zeros((1, 2)), np.zeros(1), columns=7).shares()
    assert parts.shape == (1, 0)
    assert other.tolist() == rest.tolist() == [0.0]
