"""Steering a model in memory: weights of factors, and both lists side by side."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from distaff.recommenders.base import Recommender
from distaff.recommenders.steer import steer, weighed
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError, UnsupportedError
from distaff_graph.controls.ease import EASE
from distaff_graph.controls.nmf import NMF

HISTORY = ("train", "valid")


@pytest.fixture(scope="module")
def nmf() -> Recommender:
    return NMF(n_intents=2).fit(checkerboard())


def test_taking_away_ones_own_intent_turns_the_list_over(nmf: Recommender) -> None:
    intents = nmf.intents()
    user = nmf.data.user_ids[0].as_py()
    own = int(intents.users[0].argmax())
    same = steer(nmf, user)
    assert same.before["item_id"].to_list() == same.after["item_id"].to_list()
    assert same.churn == 0.0
    assert same.changes()["changes"] == [0] * same.after.height
    other = steer(nmf, user, factors={own: 0.0}, k=3, exclude=HISTORY)
    assert other.hits_before == 2
    # A user of one block has nothing of the other one: what is left is equal, and of equal items the first come first.
    assert other.after["score"].to_list() == [0.0] * 3
    assert other.after["item_id"].to_list() == ["1", "3", "4"]
    assert other.side_by_side().columns == ["rank", "before", "after", "change"]
    up = steer(nmf, user, factors={own: 0.5, 1 - own: 2.0}, k=5, exclude=HISTORY).changes()
    before, after = up["before"], up["after"]
    assert up["changes"] == [before.index(i) - rank if i in before else None for rank, i in enumerate(after)]
    assert up["left"] == [item for item in before if item not in after]


@pytest.mark.parametrize("weights", [{7: 1.0}, {0: -1.0}, {0: float("nan")}])
def test_weights_that_cannot_be_are_refused(nmf: Recommender, weights: dict[int, float]) -> None:
    with pytest.raises(InputError):
        steer(nmf, nmf.data.user_ids[0].as_py(), factors=weights)
    with pytest.raises(InputError, match="not in the data"):
        steer(nmf, "nobody", factors={0: 1.0})


def test_unsteered_lists_are_those_that_are_recommended(nmf: Recommender) -> None:
    user = nmf.data.user_ids[3].as_py()
    listed = nmf.recommend([user], 4).select("rank", "item_id", "score")
    steered = steer(nmf, user, k=4)
    assert steered.before.equals(listed)
    assert steered.after.drop("rank_before").equals(listed)


def test_both_lists_side_by_side_are_as_long_as_the_longer_one_and_show_titles(nmf: Recommender) -> None:
    user = nmf.data.user_ids[0].as_py()
    steered = steer(nmf, user, factors={0: 3.0}, k=6)
    titles = {item: f"The {item}" for item in nmf.data.item_ids.to_pylist()}
    table = steered.side_by_side(titles)
    assert table["rank"].to_list() == list(range(1, table.height + 1))
    assert table["before"].to_list() == [titles[item] for item in steered.before["item_id"]]
    assert table["after"].to_list() == [titles[item] for item in steered.after["item_id"]]
    assert table.schema["change"] == pl.Int64


def test_a_model_without_factors_or_words_cannot_be_steered_by_them(nmf: Recommender) -> None:
    user = nmf.data.user_ids[0].as_py()
    with pytest.raises(UnsupportedError, match="no intents"):
        steer(EASE().fit(checkerboard()), user, factors={0: 0.0})
    with pytest.raises(UnsupportedError, match="knows no words"):
        steer(nmf, user, words={"noir": 1.0})


def test_weighing_leaves_the_scores_it_was_given_alone() -> None:
    scores, parts = torch.tensor([[3.0, 5.0]]), torch.tensor([[1.0, 4.0], [2.0, 1.0]])
    weights = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
    assert weighed(scores, weights, lambda factor: parts[factor : factor + 1]).tolist() == [[4.0, 2.0]]
    assert scores.tolist() == [[3.0, 5.0]]
