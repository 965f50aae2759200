"""The estimator of series: inputs, intervals, classes, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from layouts import array_layouts, frame_layouts

from distaff.series.heads.classify import Method, fit_classifier
from distaff.series.heads.sgd import SGDSettings
from distaff.series.intervals import calibrate
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.ingest.frames import from_frame, series_of
from distaff_data.planted.series import planted_series
from distaff_data.splits.series import divide
from distaff_timeseries.controls.pca import PCA
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.controls.seasonal_naive import SeasonalNaive


def noise(n: int, n_channels: int = 2) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(n, n_channels))


def test_frames_and_arrays_give_the_same_series() -> None:
    values = noise(30)
    columns = {"time": np.arange(30), "a": values[:, 0], "b": values[:, 1]}
    frames = [pl.DataFrame(columns), pytest.importorskip("pandas").DataFrame(columns)]
    for frame in frames:
        data = series_of(frame, None, split=None, seed=0)
        assert data.channels == ("a", "b")
        assert torch.equal(data.values, torch.from_numpy(values).float())
    assert torch.equal(series_of(values, None, split=None, seed=0).values, data.values)


def test_frames_with_entities_and_gaps() -> None:
    frame = pl.DataFrame(
        {
            "t": [0, 1, 3, 0, 1],
            "who": ["b", "b", "b", "a", "a"],
            "x": [1.0, 2, 4, 5, None],
            "kind": ["u", "u", "u", "v", "v"],
        }
    )
    data = from_frame(frame, time="t", entity="who", label="kind")
    assert data.values.flatten().tolist() == [1, 2, 0, 4, 5, 0]
    assert data.lengths.tolist() == [4, 2]
    assert data.classes == ("u", "v")
    with pytest.raises(InputError, match="row of this entity"):
        from_frame(pl.DataFrame({"time": [0, 0], "x": [1, 2]}))
    with pytest.raises(InputError, match="no numbers"):
        from_frame(pl.DataFrame({"time": [0, 1], "x": ["a", "b"]}))


def test_forecasts_are_the_same_bit_for_bit_whatever_the_layout_of_the_series() -> None:
    walk = np.random.default_rng(3).integers(-9, 10, size=(90, 2)).cumsum(0).astype(float)
    expected = RawRidge(seq_len=8, horizons=(3,)).fit(walk, device="cpu")
    forecast = expected.forecast(3).drop("channel")
    for name, layout in {**array_layouts(walk), **frame_layouts(walk), "lists": walk.tolist()}.items():
        model = RawRidge(seq_len=8, horizons=(3,)).fit(layout, device="cpu")
        assert pl.DataFrame(model.forecast(3)).drop("channel").equals(forecast), name
        assert expected.forecast(3, series=layout).drop("channel").equals(forecast), name


@pytest.mark.parametrize("what", ["text", [["a", "b"]], np.ones((2, 2, 2, 2))])
def test_other_things_are_refused(what: object) -> None:
    with pytest.raises(InputError):
        RawRidge().fit(what, device="cpu")


def test_intervals_are_the_order_statistics_of_validation_errors_in_units_of_their_window() -> None:
    data = divide(Series.from_rows(noise(250), [250]), "rows:100,100,50")
    model = SeasonalNaive(seq_len=4, season=1, horizons=(2,)).fit(data, device="cpu")
    scaled = model.scaler_for(data, data.entity_of_row(), of="rows").apply(data.values, data.mask)
    found = calibrate(model, 2)
    starts = range(96, 195)
    windows = torch.stack([scaled[s : s + 4] for s in starts])
    spread = scaled[:100].std(0, correction=0)
    units = spread ** (1 - found.exponent) * windows.std(1, correction=0).clamp(min=0.01) ** found.exponent
    for step in (1, 2):
        errors = torch.stack([(scaled[s + 3 + step] - scaled[s + 3]).abs() for s in starts]) / units
        rank = int(np.ceil((len(starts) + 1) * 0.8))
        torch.testing.assert_close(found.first(0.8)[0, step - 1], errors.sort(0).values[rank - 1])
    assert bool(found.first(0.995).isinf().all())  # 99 windows cannot tell
    with pytest.raises(InputError, match="between 0 and 1"):
        model.forecast(2, coverage=1.0)


def test_forecast_is_in_own_units_and_new_histories_are_welcome(tmp_path: Path) -> None:
    t = np.arange(300.0)[:, None]
    values = 1000 + 50 * np.sin(2 * np.pi * t / 10) + np.array([0, 500])
    model = RawRidge(seq_len=20, horizons=(5,)).fit(values, device="cpu")
    found = model.forecast(8)  # longer than the horizons it is measured at
    expected = 1000 + 50 * np.sin(2 * np.pi * np.arange(300, 308)[:, None] / 10) + np.array([0, 500])
    assert found["value"].to_numpy().reshape(8, 2) == pytest.approx(expected, abs=0.5)
    assert found["step"].to_list() == [s for s in range(1, 9) for _ in range(2)]
    low, value, high = (found[name].to_numpy() for name in ("low", "value", "high"))
    assert (low <= value).all()
    assert (value <= high).all()
    fresh = model.forecast(1, series=values[:45])
    assert fresh["value"].to_numpy() == pytest.approx(values[45], abs=0.5)
    model.save(tmp_path / "m")
    assert SeriesModel.load(tmp_path / "m").forecast(8).equals(found)
    with pytest.raises(InputError, match="2 channels"):
        model.forecast(series=values[:45, :1])
    with pytest.raises(InputError, match="looks back on"):
        model.forecast(series=values[:15])


def test_classes_of_windows_told_apart_by_their_level() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, size=150)
    x = rng.normal(size=(150, 6, 2)) * 0.1 + codes[:, None, None]
    model = PCA(n_components=2).fit(x, [f"k{code}" for code in codes], device="cpu")
    found = model.measure()
    assert [m.split for m in found] == ["valid", "test"]
    assert found[1].metrics["accuracy"] == 1
    table = model.predict(x[:10])
    assert table["predicted"].to_list() == [f"k{code}" for code in codes[:10]]
    assert table["probability"].min() > 0.5
    assert SeriesModel.chance(model.data, "test")["accuracy"] < 0.6


@pytest.mark.parametrize("method", ["logistic", "ridge", "sgd"])
def test_two_classes_and_a_class_that_training_lacks(method: Method) -> None:
    x = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]]).repeat(10, 1)
    codes = torch.tensor([0, 0, 2, 2]).repeat(10)
    found = fit_classifier((x, codes), (x, codes), 3, method)
    probabilities = found.probabilities(x)
    assert torch.equal(probabilities.argmax(1), codes)
    assert bool((probabilities[:, 1] == 0).all())
    with pytest.raises(InputError, match="one class"):
        fit_classifier((x, torch.zeros(40, dtype=torch.long)), (x, codes), 3)


def test_descent_of_classes_ends_where_logistic_regression_has_its_optimum() -> None:
    rng = np.random.default_rng(2)
    codes = torch.from_numpy(rng.integers(0, 3, size=300))
    x = torch.from_numpy(rng.normal(size=(300, 4))).float() + 0.7 * codes.unsqueeze(1)
    nothing = (x[:0], codes[:0])
    how = SGDSettings(lr=0.003, epochs=100, dropout=0.0)
    found = fit_classifier((x, codes), nothing, 3, "sgd", how).probabilities(x)
    expected = fit_classifier((x, codes), nothing, 3, "logistic").probabilities(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)
    short = fit_classifier((x, codes), nothing, 3, "sgd", SGDSettings(lr=0.01, epochs=1)).probabilities(x)
    assert float((short - expected).abs().max()) > 0.1


@pytest.mark.parametrize(("n", "width"), [(80, 6), (20, 50)])
def test_ridge_of_classes_is_least_squares_with_a_penalty(n: int, width: int) -> None:
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(0, 3, size=n))
    x = torch.from_numpy(rng.normal(size=(n, width))).float() + codes.unsqueeze(1)
    nothing = (torch.zeros(0, width), torch.zeros(0, dtype=torch.long))
    found = fit_classifier((x, codes), nothing, 3, "ridge")
    scaled = ((x - x.mean(0)) / x.std(0)).double()
    targets = 2 * torch.nn.functional.one_hot(codes, 3).double() - 1
    gram = scaled.T @ scaled
    mean = (gram if width < n else scaled @ scaled.T).diagonal().mean()
    weights = torch.linalg.solve(gram + 1e-2 * mean * torch.eye(width), scaled.T @ (targets - targets.mean(0)))
    expected = torch.softmax(scaled @ weights + targets.mean(0), 1)
    torch.testing.assert_close(found.probabilities(x).double(), expected, rtol=1e-3, atol=1e-4)


def test_validation_chooses_a_ridge_s_penalty_and_temperature() -> None:
    rng = np.random.default_rng(1)
    codes = torch.from_numpy(rng.integers(0, 2, size=600))
    x = torch.from_numpy(rng.normal(size=(600, 40))).float()
    x[:, 0] += 3 * codes
    train, valid = (x[:60], codes[:60]), (x[60:], codes[60:])
    chosen = fit_classifier(train, valid, 2, "ridge").probabilities(valid[0])
    fixed = fit_classifier(train, (x[:0], codes[:0]), 2, "ridge").probabilities(valid[0])

    def loss(probabilities: torch.Tensor) -> float:
        return float(-probabilities.gather(1, valid[1].unsqueeze(1)).log().mean())

    assert loss(chosen) < loss(fixed)
    for other in (0.7, 1.4):  # no other temperature would have been better
        assert loss(torch.softmax(other * chosen.log(), 1)) > loss(chosen)


def test_models_of_one_length_refuse_another() -> None:
    model = PCA(n_components=2).fit(planted_series(n_windows=40, n_steps=8).series(), device="cpu")
    with pytest.raises(UnsupportedError, match="knows windows of 8 rows"):
        model.transform(length=7)


def test_what_a_model_cannot_do_it_says() -> None:
    windows = planted_series(n_windows=40, n_steps=8).series()
    labelled = PCA(n_components=2).fit(windows, device="cpu")
    with pytest.raises(UnsupportedError, match="nothing after it"):
        labelled.forecast()
    with pytest.raises(UnsupportedError, match="no vectors of time stamps"):
        labelled.transform(level="timestamp")
    with pytest.raises(InputError, match="instance or timestamp"):
        labelled.transform(level="window")
    plain = PCA(n_components=2, seq_len=8).fit(noise(100), device="cpu")
    with pytest.raises(UnsupportedError, match="no labels"):
        plain.predict()
    with pytest.raises(InputError, match="no training window of 80 rows"):
        PCA(seq_len=80).fit(noise(100), device="cpu")


def test_windows_of_unequal_length_are_encoded_with_their_missing_ends() -> None:
    rows = noise(30)
    data = Series.from_rows(rows, [4, 6] * 3, labels=["a", "b"] * 3, whole=True)
    model = RawRidge().fit(data, device="cpu")
    vectors = np.stack(model.transform(level="instance")["values"]).reshape(6, 2, 6)
    assert (vectors[0::2, :, 4:] == 0).all()
    assert (vectors[1::2] != 0).all()
