"""Anomaly scores: which rows are scored, by what, and what their p-values mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.series.anomalies import row_scores
from distaff.series.forecasting import Encoding
from distaff.series.levels import levels, rows_apart, stillness
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.splits.series import divide
from distaff_timeseries.controls.pca import PCA
from distaff_timeseries.controls.seasonal_naive import SeasonalNaive
from distaff_timeseries.dts.models import BetaVAE
from distaff_timeseries.timedrl.model import TimeDRL


class Zero(SeriesModel):
    """Expects 0, the training mean, everywhere."""

    name: ClassVar[str] = "zero"

    def _fit_encoder(self, data: Series, session: Session) -> None:
        pass

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        raise NotImplementedError

    def reconstruct(self, values: Tensor, mask: Tensor) -> Tensor:
        return torch.zeros_like(values)

    def forecast_windows(self, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        return values.new_zeros(len(values), horizon, values.shape[2])

    def prepare_forecasts(self, horizon: int) -> None:
        pass

    def encoder_state(self) -> dict[str, Tensor]:
        return {}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        pass


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2))


def two_entities() -> Series:
    rows = noise(73)
    rows[5, 0] = np.nan
    rows[9] = np.nan
    return divide(Series.from_rows(rows, [33, 40]), "ratio:0.6,0.2,0.2")


def test_scores_are_mean_squares_of_what_was_measured_and_every_row_has_one() -> None:
    data = two_entities()
    model = Zero(seq_len=7).fit(data, device="cpu")  # 33 and 40 rows: the last window of each reaches back
    found = row_scores(model, data, "reconstruction")
    scaled = model.scaler_for(data, data.entity_of_row(), of="rows").apply(data.values, data.mask)
    expected = scaled.square().sum(1) / data.mask.sum(1).clamp(min=1)
    assert found.rows.tolist() == [row for row in range(73) if row != 9]
    torch.testing.assert_close(found.values.float(), expected[found.rows])


def test_forecasts_score_the_rows_that_have_a_window_before_them() -> None:
    data = two_entities()
    model = Zero(seq_len=7).fit(data, device="cpu")
    found = row_scores(model, data, "forecast")
    assert found.rows.tolist() == [*range(7, 9), *range(10, 33), *range(40, 73)]
    with pytest.raises(InputError, match="no entity has 51 rows"):
        row_scores(Zero(seq_len=50).fit(noise(200), device="cpu"), data, "forecast")


def test_p_values_are_ranks_among_validation_rows() -> None:
    data = two_entities()
    table = Zero(seq_len=7).fit(data, device="cpu").anomalies()
    rows = [row for row in range(73) if row != 9]
    scores, p = table["score"].to_numpy(), table["p_value"].to_numpy()
    valid = scores[[data.splits[row] == 1 for row in rows]]
    for score, own in zip(scores[::7], p[::7], strict=True):
        assert own == pytest.approx((1 + (valid >= score).sum()) / (1 + len(valid)))
    assert table["entity"].to_list()[0] == "1"
    assert table["time"].to_list()[:3] == [0, 1, 2]


def test_of_exchangeable_rows_a_share_p_has_a_p_value_up_to_p_and_a_spike_the_least() -> None:
    model = Zero(seq_len=10).fit(divide(Series.from_rows(noise(4000), [4000]), "rows:1000,2000,1000"), device="cpu")
    fresh = noise(2000, seed=1)
    p = model.anomalies(fresh, by="reconstruction")["p_value"].to_numpy()  # levels are of rows that overlap
    for level in (0.01, 0.1, 0.5):
        assert float((p <= level).mean()) == pytest.approx(level, abs=0.035)
    fresh[777, 1] = 40
    table = model.anomalies(fresh)
    assert table["p_value"][777] == pytest.approx(1 / 2001)
    assert int(table["score"].to_numpy().argmax()) == 777


def test_windows_are_scored_where_an_entity_is_one() -> None:
    data = divide(Series.from_rows(noise(60), [4, 6] * 6, whole=True), "random:0.5,0.3,0.2")
    model = Zero().fit(data, device="cpu")
    table = model.anomalies()
    scaled = model.scaler_for(data, data.entity_of_row(), of="rows").apply(data.values, data.mask).square()
    expected = [float(part.mean()) for part in scaled.split(data.lengths.tolist())]
    assert table["score"].to_numpy() == pytest.approx(expected, abs=1e-5)
    with pytest.raises(UnsupportedError, match="nothing after it"):
        model.anomalies(by="forecast")


def test_what_cannot_be_scored_is_refused() -> None:
    everything = divide(Series.from_rows(noise(50), [50]), "ratio:0.6,0.2,0.2")
    with pytest.raises(InputError, match="no validation rows"):
        Zero(seq_len=5).fit(divide(Series.from_rows(noise(50), [50]), "ratio:0.8,0.0,0.2"), device="cpu").anomalies()
    with pytest.raises(InputError, match="by reconstruction or by forecast"):
        Zero(seq_len=5).fit(everything, device="cpu").anomalies(by="guess")
    naive = SeasonalNaive(seq_len=5, season=1).fit(everything, device="cpu")
    with pytest.raises(UnsupportedError, match="does not reconstruct"):
        naive.anomalies(by="reconstruction")
    assert naive.anomalies().height == 45  # what it can: forecasts


def waves(n: int = 600) -> np.ndarray:
    t = np.arange(n)[:, None]
    rows: np.ndarray = np.sin(2 * np.pi * t / np.array([12, 20])) + 0.1 * noise(n)
    return rows


@pytest.mark.parametrize(
    "model",
    [
        PCA(n_components=6, seq_len=24),
        BetaVAE(seq_len=24, latent_dim=6, beta=0.01, hidden=16, max_epochs=30, lr=1e-2, batch_size=64),
        TimeDRL(seq_len=24, patch_len=6, stride=3, d_model=8, n_layers=1, max_epochs=8, lr=1e-2),
    ],
)
def test_a_bent_wave_surprises(model: Any, tmp_path: Path) -> None:
    rows = waves()
    model.fit(rows, device="cpu")
    rows[300:306, 0] += 3 * (-1.0) ** np.arange(6)  # a shape that the training rows never had
    p = model.anomalies(rows)["p_value"].to_numpy()
    assert p[300:306].max() < 0.05
    model.save(tmp_path / "m")
    assert SeriesModel.load(tmp_path / "m").anomalies(rows)["p_value"].to_numpy() == pytest.approx(p)


def autoregressive(n: int, seed: int) -> np.ndarray:
    """Return a daily wave under autoregressive noise, and a random walk."""
    rng = np.random.default_rng(seed)
    shocks, rows = rng.normal(size=n), np.zeros(n)
    for row in range(1, n):
        rows[row] = 0.6 * rows[row - 1] + 0.5 * shocks[row]
    return np.stack([np.sin(2 * np.pi * np.arange(n) / 24) + rows, rng.normal(size=n).cumsum()], 1)


def test_a_level_shift_is_flagged_all_along_and_a_dead_sensor_until_it_lives_again() -> None:
    shares: dict[str, list[float]] = {"shift": [], "dead": [], "quiet": []}
    for seed in range(3):
        rows = autoregressive(3000, seed)
        data = divide(Series.from_rows(rows, [3000]), "rows:1500,900,600")
        model = SeasonalNaive(seq_len=48, horizons=(1,)).fit(data, device="cpu")
        shifted, dead = rows.copy(), rows.copy()
        shifted[2600:2700, 0] += 10 * rows[:1500, 0].std()
        dead[2600:2700, 0] = dead[2600, 0]
        times = slice(2620 - 48, 2700 - 48)  # the first window has no forecast; its first rows count as getting there
        for name, broken in (("shift", shifted), ("dead", dead)):
            shares[name].append(float((model.anomalies(broken)["p_value"].to_numpy()[times] < 0.01).mean()))
        p = model.anomalies(rows)["p_value"].to_numpy()[2400 - 48 :]
        shares["quiet"].append(float((p < 0.05).mean()))
        error = model.anomalies(shifted, by="forecast")["p_value"].to_numpy()[times]
        assert (error < 0.01).mean() < 0.5  # the error alone sees the edges
    assert min(shares["shift"]) > 0.95
    assert min(shares["dead"]) > 0.95
    assert np.mean(shares["quiet"]) < 0.1


def test_levels_and_stillness_are_those_of_a_slow_search() -> None:
    data = two_entities()
    model = Zero(seq_len=8).fit(data, device="cpu")
    apart = rows_apart(model)
    scaled = model.scaler_for(data, data.entity_of_row(), of="rows").apply(data.values, data.mask)
    x = torch.where(data.mask, scaled, torch.nan).double().numpy()[33:]
    away = np.full(40, np.nan)
    for row in range(40):
        before = [x[row - k * apart, 1] for k in range(1, 21) if row - k * apart >= 0]
        before = sorted(value for value in before if np.isfinite(value))
        if len(before) >= 5:
            away[row] = x[row, 1] - before[(len(before) - 1) // 2]
    found, still = levels(model, data)[33:, 1].numpy(), stillness(model, data)[33:, 1].numpy()
    for row in range(40):
        last = away[max(0, row - 5) : row + 1]
        last = last[np.isfinite(last)]
        assert np.isnan(found[row]) == (len(last) < 3)
        if len(last) >= 3:
            assert found[row] == pytest.approx(last.mean() ** 2)
        assert np.isnan(still[row]) == (row < 11)
        if row >= 11:
            assert still[row] == pytest.approx(1 / x[row - 11 : row + 1, 1].var())
