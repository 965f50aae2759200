"""Heads of forecasts: what they are fitted to, what chooses among them, and that errors are a loop's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distaff.series.forecasting import measure
from distaff.series.heads.forecast import fit_head, fit_head_by_sgd
from distaff.series.heads.sgd import SGDSettings
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide
from distaff_data.errors import InputError
from distaff_data.splits.series import divide
from distaff_timeseries.controls.raw_ridge import RawRidge


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
    assert torch.equal(*(model.forecast_windows(window, mask, 6) for model in forecasts))


def gaps(n: int = 160) -> Series:
    """Walks with a hole after some training windows."""
    data = walk(n)
    values = data.values.numpy().copy()
    values[50:53, 1] = np.nan
    return Series.from_rows(values, [n])


def test_descent_ends_where_least_squares_has_its_optimum() -> None:
    model = RawRidge(seq_len=4, horizons=(2, 3)).fit(divide(gaps(), "rows:160,0,0"), device="cpu")
    head = fit_head_by_sgd(
        model.data, 4, (2, 3), model.encode, model.take, model.device, SGDSettings(lr=0.02, epochs=300, dropout=0.0)
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
    scaled = model.scaler_for(data, data.entity_of_row(), of="rows").apply(data.values, data.mask)
    for horizon in (2, 5):
        errors = []
        for start in slide(data, 8, horizon=horizon, split="test").starts.tolist():
            window, there = scaled[None, start : start + 8], data.mask[None, start : start + 8]
            away = model.forecast_windows(window, there, horizon)[0] - scaled[start + 8 : start + 8 + horizon]
            errors.append(away[data.mask[start + 8 : start + 8 + horizon]])
        assert test.metrics[f"mse@{horizon}"] == pytest.approx(float(torch.cat(errors).square().mean()), rel=1e-5)
        assert test.metrics[f"mae@{horizon}"] == pytest.approx(float(torch.cat(errors).abs().mean()), rel=1e-5)
    assert len(test.units) == len(slide(data, 8, horizon=2, split="test"))  # all that some horizon is measured on
    assert float(test.per_unit["mse"].mean()) == pytest.approx(test.metrics["mse"], rel=1e-5)


def test_horizons_that_no_training_window_has_are_refused() -> None:
    with pytest.raises(InputError, match="followed by 95 complete ones"):
        RawRidge(seq_len=8, horizons=(3, 95)).fit(walk(), device="cpu").measure()


def test_a_split_without_windows_has_no_errors() -> None:
    model = RawRidge(seq_len=8, horizons=(3,)).fit(walk(), device="cpu")
    assert measure(model.data, "test", 8, (31,), model.forecast_after, model.take, model.device) is None
