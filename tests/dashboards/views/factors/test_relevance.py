"""Relevance of items to a factor, as the Factor page and the Words page rank them."""

import polars as pl
import pytest
import torch

from distaff.recommenders import relevance as platform
from distaff_dashboards.views.factors.relevance import DEFAULT_WEIGHT, most_relevant

MEMBERS = pl.DataFrame(
    {"item_id": ["a", "b", "c", "d"], "probability": [0.5, 0.3, 0.2, 0.0], "lift": [1.0, 2.0, 8.0, 0.0]}
)


def items(weight: float, n: int) -> str:
    return "".join(most_relevant(MEMBERS, weight, n)["item_id"])


def test_relevance_is_the_platforms() -> None:
    assert DEFAULT_WEIGHT == platform.LAMBDA
    for weight in (0.0, 0.3, 1.0):
        ranked = most_relevant(MEMBERS, weight, 3)
        probability, lift = (torch.tensor(ranked[column].to_list()) for column in ("probability", "lift"))
        assert ranked["relevance"].to_list() == pytest.approx(platform.relevance(probability, lift, weight).tolist())


def test_the_slider_moves_items_from_special_to_frequent() -> None:
    assert items(0.0, 3) == "cba"
    assert items(1.0, 3) == "abc"


def test_an_item_that_is_not_in_the_factor_comes_last() -> None:
    assert items(0.3, 4)[-1] == "d"
    assert most_relevant(MEMBERS.clear(), 0.3, 4).is_empty()
