"""The number of intents: the planted one, one where there are none, and none that was not asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from distaff_data.datasets.interactions import Interactions
from distaff_graph.plait.mixture import fit_parts
from distaff_graph.plait.number import choose_mixture, held_out_likelihood
from distaff_graph.plait.pool import Jury


def _shop(n_categories: int, seed: int, *, n_users: int = 200, n_items: int = 60) -> Interactions:
    """Interactions of users who take items of a few categories, the first items of each more often."""
    rng = np.random.default_rng(seed)
    mixes = rng.dirichlet(np.full(n_categories, 0.25), n_users)
    place = np.arange(n_items) // n_categories
    rates = mixes[:, np.arange(n_items) % n_categories] / np.sqrt(place + 1.0)
    chances = 15.0 * rates / rates.sum(1, keepdims=True)
    users, items = np.nonzero(rng.random(rates.shape) < -np.expm1(-chances))
    parts = rng.choice(["train", "valid", "test"], len(users), p=[0.8, 0.1, 0.1])
    return Interactions.from_arrays(users.astype(str), items.astype(str), parts)


def _jury(data: Interactions) -> Jury:
    return Jury.of(data, 2000, torch.Generator().manual_seed(0))


def _chosen(data: Interactions, *numbers: int, seed: int = 0) -> tuple[int, dict[int, float]]:
    generator = torch.Generator().manual_seed(seed)
    mixture = choose_mixture(_jury(data), numbers, lambda k: fit_parts(data.train, k, generator))
    return mixture.n_intents, mixture.tried


@pytest.mark.parametrize("planted", [3, 5])
def test_the_planted_number_of_categories_is_found(planted: int) -> None:
    assert _chosen(_shop(planted, seed=1), 2, 4, 8)[0] == planted


def test_where_everyone_is_alike_there_is_one_intent() -> None:
    assert [_chosen(_shop(1, seed=seed), 2, 4)[0] for seed in (0, 1)] == [1, 1]


def test_a_number_that_was_given_is_not_judged() -> None:
    n_intents, tried = _chosen(_shop(3, seed=1), 4)
    assert (n_intents, tried) == (4, {})


def test_no_number_is_tried_twice_or_above_the_largest() -> None:
    fitted: list[int] = []

    def fit(k: int) -> Tensor:
        fitted.append(k)
        return torch.full((60, k), 1.0 / 60)

    mixture = choose_mixture(_jury(_shop(3, seed=1)), (8, 32), fit)
    assert max(fitted) == 32
    assert len(fitted) == len(set(fitted)) == len(mixture.tried)


def test_the_likelihood_is_of_held_out_items_by_their_users_intents() -> None:
    data = _shop(3, seed=1)
    jury = _jury(data)
    left = (data.n_items - jury.history.counts()).double()  # an item that was taken cannot be taken again
    by_chance = -float(left.log().mean())
    uniform = torch.full((data.n_items, 2), 1.0 / data.n_items)
    assert held_out_likelihood(jury, uniform) == pytest.approx(by_chance, abs=1e-5)
    generator = torch.Generator().manual_seed(0)
    assert held_out_likelihood(jury, fit_parts(data.train, 3, generator)) > by_chance + 0.3
