"""The ridge head: against scikit-learn, and moments against rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as Reference

from distaff.descent import Descent
from distaff.forecasting import descend_head, fit_head, measure
from distaff.ridge import PENALTIES, Moments, solve
from distaff_data.errors import InputError
from distaff_data.series import Series
from distaff_data.series_splits import divide
from distaff_data.windows import Windows, slide
from distaff_timeseries.controls.raw_ridge import RawRidge


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
        alone, joint = solve(train.among(own), valid.among(own)), solve(train, valid, beside=2)
        if share:
            assert valid.error(joint.double()) < 0.5 * valid.among(own).error(alone.double())
        else:
            assert torch.equal(joint[own], alone)
            assert not bool(joint[2:-1].any())
    nothing = Moments.empty(43, 1, torch.device("cpu"))
    assert not bool(solve(train, nothing, beside=2)[2:-1].any())  # without validation nothing says that they help


def walk(n: int = 160, n_channels: int = 2) -> Series:
    rng = np.random.default_rng(4)
    values = np.cumsum(rng.normal(size=(n, n_channels)), 0)
    return divide(Series.from_rows(values, [n]), "rows:100,30,30")


def test_a_head_for_several_horizons_is_the_heads_of_each_alone() -> None:
    model = RawRidge(seq_len=8, horizons=(3, 6)).fit(walk(), device="cpu")
    parts = (model.encode, model.take, model.device)
    both = fit_head(model.data, 8, (3, 6), *parts).weights
    short = fit_head(model.data, 8, (3,), *parts).weights
    torch.testing.assert_close(both[:, :3], short, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("forecaster", ["ridge", "sgd"])
def test_windows_outside_training_have_no_part_in_the_head(forecaster: str) -> None:
    data = walk()
    spoiled = Series.from_rows(np.where(np.arange(160)[:, None] < 130, data.values.numpy(), 1e3), [160])
    spoiled = divide(spoiled, "rows:100,30,30")
    settings = {"seq_len": 8, "horizons": (3, 6), "forecaster": forecaster, "head_epochs": 3}
    forecasts = [RawRidge(**settings).fit(d, device="cpu") for d in (data, spoiled)]
    window = torch.randn(1, 8, 2)
    mask = torch.ones_like(window, dtype=torch.bool)
    for model in forecasts:
        model.prepare_forecasts(6)
    assert torch.equal(*(model.predict(window, mask, 6) for model in forecasts))


def gaps(n: int = 160) -> Series:
    """Walks with a hole after some training windows."""
    data = walk(n)
    values = data.values.numpy().copy()
    values[50:53, 1] = np.nan
    return Series.from_rows(values, [n])


def test_descent_ends_where_least_squares_has_its_optimum() -> None:
    model = RawRidge(seq_len=4, horizons=(2, 3)).fit(divide(gaps(), "rows:160,0,0"), device="cpu")
    head = descend_head(
        model.data, 4, (2, 3), model.encode, model.take, model.device, Descent(lr=0.02, epochs=300, dropout=0.0)
    )
    windows = slide(model.data, 4, horizon=3, split="train")
    values, mask = model.take(
        Windows.of(model.data, windows.starts, windows.entities, 7, model.device), torch.arange(len(windows))
    )
    encoding = model.encode(values[:, :4], mask[:, :4])
    rows, wanted = encoding.rows().double(), encoding.outputs(values[:, 4:]).double()
    there = mask[:, 4:].transpose(1, 2).reshape(wanted.shape)
    for step in range(3):
        own = there[:, step]
        exact = torch.linalg.lstsq(rows[own], wanted[own, step]).solution
        best, found = (
            (rows[own] @ w - wanted[own, step]).square().sum() for w in (exact, head.weights[:, step].double())
        )
        assert best <= found < 1.03 * best


def test_more_epochs_of_a_descent_never_raise_the_validation_error() -> None:
    errors = []
    for epochs in (1, 3, 9):
        settings = {"forecaster": "sgd", "head_lr": 0.1, "head_epochs": epochs}
        model = RawRidge(seq_len=8, horizons=(2, 6), **settings).fit(walk(), device="cpu")
        errors.append(model.measure()[0].metrics["mse@6"])
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0]


def test_errors_are_those_of_a_loop_over_windows() -> None:
    data = walk()
    values = data.values.clone()
    mask = data.mask.clone()
    mask[140:143, 1] = False
    values[~mask] = 0
    data = Series.from_rows(torch.where(mask, values, torch.nan).numpy(), [160])
    data = divide(data, "rows:100,30,30")
    model = RawRidge(seq_len=8, horizons=(2, 5)).fit(data, device="cpu")
    test = model.measure()[1]
    assert model.scaler is not None
    scaled = model.scaler.apply(data.values, data.mask)
    for horizon in (2, 5):
        errors = []
        for start in slide(data, 8, horizon=horizon, split="test").starts.tolist():
            window, there = scaled[None, start : start + 8], data.mask[None, start : start + 8]
            away = model.predict(window, there, horizon)[0] - scaled[start + 8 : start + 8 + horizon]
            errors.append(away[data.mask[start + 8 : start + 8 + horizon]])
        assert test.metrics[f"mse@{horizon}"] == pytest.approx(float(torch.cat(errors).square().mean()), rel=1e-5)
        assert test.metrics[f"mae@{horizon}"] == pytest.approx(float(torch.cat(errors).abs().mean()), rel=1e-5)
    assert len(test.units) == len(slide(data, 8, horizon=5, split="test"))


def test_horizons_that_no_training_window_has_are_refused() -> None:
    with pytest.raises(InputError, match="followed by 95 complete ones"):
        RawRidge(seq_len=8, horizons=(3, 95)).fit(walk(), device="cpu").measure()


def test_a_split_without_windows_has_no_errors() -> None:
    model = RawRidge(seq_len=8, horizons=(3,)).fit(walk(), device="cpu")
    assert measure(model.data, "test", 8, (31,), model.predict, model.take, model.device) is None
