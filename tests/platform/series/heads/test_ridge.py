"""The ridge head: against scikit-learn, and moments against rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as Reference

from distaff.series.heads.ridge import PENALTIES, Moments, solve


def rows(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    y = x @ rng.normal(size=(5, 2)) + 3 + 0.5 * rng.normal(size=(n, 2))
    return torch.from_numpy(np.c_[x, np.ones(n)]), torch.from_numpy(y)


def moments(x: torch.Tensor, y: torch.Tensor) -> Moments:
    sums = Moments.empty(x.shape[1], y.shape[1], torch.device("cpu"))
    for part in torch.arange(len(x)).split(7):
        sums.add(x[part], y[part])
    return sums


def test_solution_and_choice_are_those_of_scikit_learn_tried_at_every_penalty() -> None:
    (x, y), (vx, vy) = rows(40, 1), rows(30, 1)
    train, valid = moments(x, y), moments(vx, vy)
    size = float((x[:, :-1] ** 2).sum(0).mean())

    def tried(penalties: Sequence[float]) -> tuple[float, float, np.ndarray]:
        fits = [Reference(alpha=p * size, fit_intercept=False).fit(x, y) for p in penalties]
        return min(
            (float(((f.predict(vx) - vy.numpy()) ** 2).sum()), p, f.coef_.T)
            for f, p in zip(fits, penalties, strict=True)
        )

    decade = tried(PENALTIES)
    error, _, weights = min(decade, tried([decade[1] / 10**0.5, decade[1] * 10**0.5]), key=lambda one: one[0])
    found = solve(train, valid)
    assert found.numpy() == pytest.approx(weights, abs=1e-5)
    assert valid.error(found.double()) == pytest.approx(error, rel=1e-5)


def test_dependent_features_are_solved_with_a_penalty_that_can() -> None:
    x, y = rows(30, 2)
    x = torch.cat([x[:, :1], x], 1)
    found = solve(moments(x, y), moments(x, y))
    assert bool(found.isfinite().all())
    assert float(((x @ found.double() - y) ** 2).mean()) < 0.5


def test_features_that_tell_nothing_stay_out_and_those_that_do_join_with_a_penalty_of_their_own() -> None:
    rng = np.random.default_rng(5)
    n, split = 400, 250
    first, second, ones = rng.normal(size=(n, 2)), rng.normal(size=(n, 40)), np.ones((n, 1))
    noise = 0.5 * rng.normal(size=(n, 1))
    x = torch.from_numpy(np.c_[first, second, ones])
    own = torch.tensor([0, 1, 42])
    for share in (0.0, 1.0):
        y = torch.from_numpy(first @ [[1.0], [-2.0]] + share * second[:, :5] @ np.ones((5, 1)) + noise)
        train, valid = moments(x[:split], y[:split]), moments(x[split:], y[split:])
        alone, joint = solve(train.among(own), valid.among(own)), solve(train, valid, n_window=2)
        if share:
            assert valid.error(joint.double()) < 0.5 * valid.among(own).error(alone.double())
        else:
            assert torch.equal(joint[own], alone)
            assert not bool(joint[2:-1].any())
    nothing = Moments.empty(43, 1, torch.device("cpu"))
    assert not bool(solve(train, nothing, n_window=2)[2:-1].any())  # without validation nothing says that they help
