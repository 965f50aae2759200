"""Backtests: the forecasts that a model would have made, beside what came, under the intervals that it gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from distaff.series.backtesting import backtest, coverage_on_test, origins
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.series import planted_series
from distaff_data.splits.series import divide
from distaff_timeseries.controls.pca import PCA
from distaff_timeseries.controls.raw_ridge import RawRidge


def fitted(n: int = 600) -> RawRidge:
    """Two entities of white noise around 50, with a value missing among the second one's test rows."""
    values = 50 + np.random.default_rng(3).normal(size=(2 * n, 2))
    values[2 * n - 2, 1] = np.nan
    data = divide(Series.from_rows(values, [n, n], entities=["a", "b"]), "ratio:0.4,0.3,0.3")
    return RawRidge(seq_len=6, horizons=(4,)).fit(data, device="cpu")


def until(data: Series, entity: int, row: int) -> Series:
    """Return the same series, of which one entity ends before a row, and the others are as they were."""
    kept = (data.entity_of_row() != entity) | (torch.arange(len(data.values)) < row)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(data.entity_of_row()[kept]).cumsum(0)])
    parts = {name: getattr(data, name)[kept] for name in ("values", "mask", "times", "splits")}
    return replace(data, offsets=offsets, **parts)


@pytest.mark.parametrize("place", [2, 100])
def test_a_backtest_is_the_forecast_of_the_history_up_to_there_beside_what_came(place: int) -> None:
    model = fitted()
    windows = origins(model, 4, entity="b")
    assert len(windows) == 180 - 4 + 1
    found = backtest(model, windows.where(torch.tensor([place])), 0.8)
    start = int(windows.starts[place])
    values = torch.where(model.data.mask, model.data.values, torch.nan)
    torch.testing.assert_close(found.actual[0], values[start + 6 : start + 10])
    then = RawRidge(seq_len=6, horizons=(4,)).fit(until(model.data, 1, start + 6), device="cpu")
    table = then.forecast(4, coverage=0.8).filter(entity="b")
    for name in ("value", "low", "high"):
        expected = table[name].to_numpy().reshape(4, 2)
        assert getattr(found, name)[0].numpy() == pytest.approx(expected, abs=1e-3)


def test_intervals_hold_their_share_of_exchangeable_test_rows() -> None:
    model = fitted(1500)
    shares, n = coverage_on_test(model, 4, 0.8)
    assert n == 2 * (450 - 3)
    assert shares.numpy() == pytest.approx(0.8, abs=0.03)
    whole = backtest(model, origins(model, 4), 0.8)
    inside = (whole.actual >= whole.low) & (whole.actual <= whole.high)
    missing = whole.actual.isnan()
    assert int(missing.sum()) == 2  # of the last two windows
    torch.testing.assert_close(whole.covered()[1], inside[..., 1].sum() / (~missing[..., 1]).sum())
    assert shares.numpy() == pytest.approx(whole.covered().numpy(), abs=1e-3)  # the same intervals, one by one


def test_what_cannot_be_backtested_is_said() -> None:
    model = fitted()
    with pytest.raises(InputError, match="no such entity"):
        origins(model, 4, entity="c")
    assert len(origins(model, 500)) == 0
    shares, n = coverage_on_test(model, 300, 0.8)
    assert n == 0
    assert bool(shares.isnan().all())
    windows = PCA(n_components=2).fit(planted_series(n_windows=40, n_steps=8).series(), device="cpu")
    with pytest.raises(UnsupportedError, match="nothing after it"):
        origins(windows, 2)


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    model, other = fitted(), fitted()
    first = model.forecast(2)
    longer = model.forecast(9)
    shorter = model.forecast(1)
    assert other.forecast(1).equals(shorter)
    assert other.forecast(9).equals(longer)
    assert other.forecast(2).equals(first)
    assert model.forecast(2).equals(first)
    assert model.intervals(2) is model.intervals(2)  # computed once
