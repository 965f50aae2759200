import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from distaff_dashboards.ui.breakdown import break_down, contribution_matrix


def test_a_table_of_contributions_becomes_a_matrix_of_items_by_factors() -> None:
    table = pl.DataFrame(
        {"score": [-2.0, -2.0, 4.0, 4.0], "factor": [0, 1, 0, 1], "part": [-0.5, -1.5, 2.0, 1.0]},
        {"score": pl.Float32, "factor": pl.Int64, "part": pl.Float32},
    )
    parts, scores = contribution_matrix(table)
    assert parts.tolist() == [[-0.5, -1.5], [2.0, 1.0]]
    assert scores.tolist() == [-2.0, 4.0]
    assert break_down(*contribution_matrix(table.clear()), columns=7).factors == []


@given(arrays(np.float64, (4, 6), elements=st.floats(-5, 5)), st.integers(1, 7))
def test_a_breakdown_adds_up_to_the_scores_and_names_three_intents_an_item(
    parts: NDArray[np.float64], columns: int
) -> None:
    scores = parts.sum(1) + 0.5
    found = break_down(parts, scores, columns=columns)
    assert found.named.sum(1) + found.other + found.rest == pytest.approx(scores, abs=1e-2)
    assert (np.count_nonzero(found.named, axis=1) <= 3).all()
    assert len(found.factors) <= columns


def test_what_belongs_to_no_intent_is_the_rest() -> None:
    found = break_down(np.array([[1.0, 2.0]]), np.array([4.0]), columns=7)
    assert found.factors == [1, 0]
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
