"""Controls of series: closed forms and known answers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.series import planted_series
from distaff_data.splits.series import divide
from distaff_timeseries.controls.catch22 import Catch22
from distaff_timeseries.controls.minirocket import MiniRocket
from distaff_timeseries.controls.one_nn import OneNN
from distaff_timeseries.controls.pca import PCA
from distaff_timeseries.controls.raw_ridge import RawRidge
from distaff_timeseries.controls.seasonal_naive import SeasonalNaive
from distaff_timeseries.controls.series_ica import SeriesICA


def waves(n: int = 400, period: int = 12, noise: float = 0.0) -> Series:
    rng = np.random.default_rng(0)
    t = np.arange(n)[:, None]
    rows = 5 + np.sin(2 * np.pi * t / period + np.array([0, 1])) + noise * rng.normal(size=(n, 2))
    return divide(Series.from_rows(rows, [n]), "ratio:0.6,0.2,0.2")


def test_seasonal_naive_finds_the_season_and_repeats_it() -> None:
    model = SeasonalNaive(seq_len=48, horizons=(5, 20)).fit(waves(noise=0.05), device="cpu")
    assert model.season == 12
    clean = SeasonalNaive(seq_len=48, horizons=(20,)).fit(waves(), device="cpu")
    assert clean.measure()[1].metrics["mse"] == pytest.approx(0, abs=1e-9)
    found = clean.forecast(3)
    t = np.arange(400, 403)
    expected = 5 + np.sin(2 * np.pi * t[:, None] / 12 + np.array([0, 1]))
    assert found["value"].to_numpy().reshape(3, 2) == pytest.approx(expected, abs=1e-4)
    assert found["time"].to_list() == [400, 400, 401, 401, 402, 402]


def test_seasonal_naive_takes_the_latest_measured_value() -> None:
    model = SeasonalNaive(seq_len=9, season=3, horizons=(3,)).fit(waves(), device="cpu")
    values = torch.arange(9.0).view(1, 9, 1).repeat(1, 1, 2)
    mask = torch.ones_like(values, dtype=torch.bool)
    mask[0, 7, 0] = False  # place 1 of the last season: the season before has it
    assert model.forecast_windows(values * mask, mask, 4)[0].tolist() == [[6, 6], [4, 7], [8, 8], [6, 6]]


def test_seasonal_naive_refuses_labels_and_too_long_a_season() -> None:
    with pytest.raises(InputError, match="cannot tell the classes"):
        SeasonalNaive().fit(planted_series(n_windows=40, n_steps=8).series(), device="cpu")
    with pytest.raises(InputError, match="does not fit"):
        SeasonalNaive(seq_len=10, season=11).fit(waves(), device="cpu")
    model = SeasonalNaive(seq_len=24).fit(waves(), device="cpu")
    with pytest.raises(UnsupportedError):
        model.transform()


def test_raw_ridge_continues_a_wave_that_it_never_saw_so_far() -> None:
    metrics = RawRidge(seq_len=36, horizons=(6, 24)).fit(waves(800), device="cpu").measure()[1].metrics
    assert metrics["mse@24"] < 1e-4
    assert metrics["mse"] == pytest.approx((metrics["mse@6"] + metrics["mse@24"]) / 2)


def test_pca_finds_level_and_slope_but_not_the_regime() -> None:
    planted = planted_series(n_windows=800, seed=2)
    model = PCA(n_components=6).fit(planted.series(), device="cpu")
    table = model.transform()
    scores = np.stack(table["values"])
    design = np.c_[scores, np.ones(len(scores))]

    def explained(name: str) -> float:
        truth = planted.factors[name]
        fitted = design @ np.linalg.lstsq(design, truth, rcond=None)[0]
        return float(1 - ((truth - fitted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())

    assert explained("level") > 0.9
    assert explained("regime") < 0.1


def test_pca_scores_are_those_of_the_decomposition() -> None:
    data = planted_series(n_windows=60, n_steps=10, n_channels=2).series()
    model = PCA(n_components=3).fit(data, device="cpu")
    assert model.scaler is not None
    x = model.scaler.apply(data.values, data.mask).reshape(60, -1).double().numpy()
    train = (data.splits[data.offsets[:-1]] == 0).numpy()
    centred = x - x[train].mean(0)
    _, _, v = np.linalg.svd(centred[train], full_matrices=False)
    found = np.stack(model.transform()["values"])
    assert np.abs(found) == pytest.approx(np.abs(centred @ v[:3].T), abs=1e-4)


def labelled(n: int = 90) -> Series:
    return planted_series(n_windows=n, n_steps=24, n_channels=2, seed=3).series()


def test_one_nn_takes_the_class_of_the_nearest_training_window(tmp_path: Path) -> None:
    data = labelled()
    model = OneNN().fit(data, device="cpu")
    assert model.scaler is not None
    x = model.scaler.apply(data.values, data.mask).reshape(90, -1)
    train = torch.nonzero(data.splits[data.offsets[:-1]] == 0).flatten()
    expected = [data.classes[data.labels[train[(x[train] - own).square().sum(1).argmin()]]] for own in x]
    assert model.predict()["predicted"].to_list() == expected
    model.save(tmp_path / "m")
    assert SeriesModel.load(tmp_path / "m").predict().equals(model.predict())
    with pytest.raises(InputError, match="tells classes"):
        OneNN(seq_len=8).fit(waves(), device="cpu")


def test_the_head_of_one_nn_is_any_model_s_for_the_asking() -> None:
    table = PCA(n_components=4, classifier="nearest").fit(labelled(), device="cpu").predict()
    assert set(table["probability"].to_list()) == {1.0}
    train = [row for row in table.to_dicts() if row["split"] == "train"]
    assert all(row["predicted"] == row["label"] for row in train)  # each is its own nearest


def test_minirocket_tells_regimes_that_principal_components_miss(tmp_path: Path) -> None:
    data = labelled(300)
    model = MiniRocket(n_features=504).fit(data, device="cpu")
    own, linear = (m.measure()[1].metrics["accuracy"] for m in (model, PCA().fit(data, device="cpu")))
    assert own > linear + 0.1
    model.save(tmp_path / "m")
    assert SeriesModel.load(tmp_path / "m").transform().equals(model.transform())
    assert len(model.transform()["values"][0]) == 504


def test_catch22_is_the_library_on_every_channel() -> None:
    pycatch22 = pytest.importorskip("pycatch22")
    data = labelled(20)
    model = Catch22().fit(data, device="cpu")
    assert model.scaler is not None
    scaled = model.scaler.apply(data.values, data.mask).reshape(20, 24, 2).double().numpy()
    vectors = np.stack(model.transform()["values"])
    for window in (0, 7):
        expected = [pycatch22.catch22_all(scaled[window, :, c].tolist(), catch24=True)["values"] for c in range(2)]
        assert vectors[window] == pytest.approx(np.nan_to_num(np.concatenate(expected)), abs=1e-4)
    assert np.isfinite(np.stack(model.transform(np.ones((48, 2)))["values"])).all()


def test_catch22_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycatch22", None)
    with pytest.raises(InputError, match=r"pip install 'distaff\[catch22\]'"):
        Catch22().fit(labelled(), device="cpu")


def test_ica_finds_the_sources_of_a_mixture_up_to_order_and_sign() -> None:
    rng = np.random.default_rng(0)
    sources = rng.laplace(size=(1500, 2))
    windows = np.einsum("ns,stc->ntc", sources, rng.normal(size=(2, 5, 2)))
    data = divide(Series.from_windows(windows), "random:0.8,0.1,0.1")
    found = np.stack(SeriesICA(n_components=2).fit(data, device="cpu").transform()["values"])
    alike = np.abs(np.corrcoef(found.T, sources.T)[:2, 2:])
    assert alike.max(0) == pytest.approx([1, 1], abs=0.02)
    plain = np.stack(PCA(n_components=2).fit(data, device="cpu").transform()["values"])
    assert np.abs(np.corrcoef(plain.T, sources.T)[:2, 2:]).max(0).min() < 0.95  # principal axes are others


def test_pca_and_ica_reconstruct_the_same_subspace() -> None:
    data = labelled()
    models = [kind(n_components=5).fit(data, device="cpu") for kind in (PCA, SeriesICA)]
    values, mask = models[0].take(slide(data, 24), torch.arange(9))
    first, second = (model.reconstruct(values, mask) for model in models)
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(models[0].reconstruct(first, mask), first, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("make", [PCA, SeriesICA, RawRidge])
def test_a_loaded_model_fits_the_head_that_the_saved_one_fits(make: type[SeriesModel], tmp_path: Path) -> None:
    model = make(seq_len=24, horizons=(6,)).fit(waves(noise=0.1), device="cpu")
    model.save(tmp_path / "m")
    loaded = SeriesModel.load(tmp_path / "m")
    assert loaded.forecast().equals(model.forecast())
    assert loaded.transform().equals(model.transform())
