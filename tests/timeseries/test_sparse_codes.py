"""Sparse codes: a planted dictionary is found, nothing is told from something, and a saved model codes as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distaff.factors.latents.ablations import ablations
from distaff.factors.latents.evidence import explain_series
from distaff.model.base import Session
from distaff.model.gradient import GradientConfig
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import with_future
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.ingest.frames import series_of
from distaff_data.splits.series import divide
from distaff_timeseries.sparse_autoencoder import SparseAutoencoder, fit_autoencoder, shuffled_columns
from distaff_timeseries.sparse_codes import SparseCodes

QUICK = GradientConfig(lr=1e-2, batch_size=256, max_epochs=60, eval_every=5, patience=3)


def dictionary(n: int = 1_500, width: int = 16, n_codes: int = 24, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Vectors that are sums of 2 of 24 directions, and the directions ``(D, K)``."""
    rng = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(width, n_codes, generator=rng), dim=0)
    chosen = torch.rand(n, n_codes, generator=rng).topk(2).indices
    amounts = torch.zeros(n, n_codes).scatter(1, chosen, 1 + torch.rand(n, 2, generator=rng))
    return amounts @ directions.T, directions


def fitted(vectors: Tensor, n_codes: int = 24, n_active: int = 2) -> SparseAutoencoder:
    session = Session(0, torch.device("cpu"))
    return fit_autoencoder(vectors[500:], vectors[:500], n_codes, n_active, QUICK, session, "codes")


def divided(values: np.ndarray, split: str) -> Series:
    """An array as a divided series."""
    return divide(series_of(values, None, split=None, seed=0), split)


def waves(n: int = 1_600, seed: int = 0) -> Series:
    """Two channels of two seasons, and noise."""
    rng, time = np.random.default_rng(seed), np.arange(n)
    first = np.sin(2 * np.pi * time / 12) + 0.3 * np.sin(2 * np.pi * time / 5)
    second = np.cos(2 * np.pi * time / 12)
    return divided(np.stack([first, second], 1) + 0.1 * rng.standard_normal((n, 2)), "ratio:0.6,0.2,0.2")


@pytest.fixture(scope="module")
def network() -> SparseAutoencoder:
    """An autoencoder of the dictionary's vectors."""
    return fitted(dictionary()[0])


@pytest.fixture(scope="module")
def model() -> SparseCodes:
    settings = {"base": "pca", "seq_len": 24, "horizons": (6,), "n_codes": 8, "n_active": 2, "max_epochs": 20}
    return SparseCodes(**settings).fit(waves(), seed=0, device="cpu")


def test_a_planted_dictionary_is_found(network: SparseAutoencoder) -> None:
    vectors, directions = dictionary()
    found = torch.nn.functional.normalize(network.directions.detach(), dim=0)
    assert network.explained(vectors[:500]) > 0.85
    assert float((found.T @ directions).amax(0).mean()) > 0.9


def test_few_codes_are_active_and_none_is_negative(network: SparseAutoencoder) -> None:
    codes = network.codes(dictionary(seed=1)[0])
    assert bool((codes >= 0).all())
    assert int((codes > 0).sum(1).max()) <= 2


def test_shuffled_columns_keep_each_column_and_lose_what_joins_them(network: SparseAutoencoder) -> None:
    vectors, _ = dictionary()
    shuffled = shuffled_columns(vectors, torch.Generator().manual_seed(0))
    assert torch.equal(shuffled.sort(0).values, vectors.sort(0).values)
    assert fitted(shuffled).explained(shuffled[:500]) < network.explained(vectors[:500]) - 0.2


def test_of_columns_that_nothing_joins_codes_explain_no_more_than_of_shuffled_ones() -> None:
    differences = []
    for seed in range(3):
        vectors = torch.randn(1_000, 12, generator=torch.Generator().manual_seed(seed))
        shuffled = shuffled_columns(vectors, torch.Generator().manual_seed(seed + 100))
        differences.append(fitted(vectors).explained(vectors[:500]) - fitted(shuffled).explained(shuffled[:500]))
    assert abs(float(np.mean(differences))) < 0.02


def test_codes_are_those_of_the_encoders_vectors_and_survive_saving(model: SparseCodes, tmp_path: Path) -> None:
    windows = with_future(model.data, model.length, 6, "test")
    values, mask = model.take(windows, torch.arange(20))
    values, mask = values[:, :24], mask[:, :24]
    codes = model.latents(values, mask).means
    assert torch.equal(model.encode(values, mask).instances[:, 0], codes)
    assert torch.equal(codes, model.network.codes(model.base.encode(values, mask).instances.flatten(1)))
    model.save(tmp_path / "model")
    again = SeriesModel.load(tmp_path / "model")
    assert isinstance(again, SparseCodes)
    assert torch.equal(again.latents(values, mask).means, codes)
    assert torch.equal(again.decode(codes), model.decode(codes))
    assert again.notes() == model.notes()


def test_an_encoder_is_read_from_its_folder_and_another_one_refused(model: SparseCodes, tmp_path: Path) -> None:
    model.base.save(tmp_path / "encoder")
    settings = {"seq_len": 24, "horizons": (6,), "n_codes": 8, "n_active": 2, "max_epochs": 20}
    again = SparseCodes(base=str(tmp_path / "encoder"), **settings).fit(model.data, seed=0, device="cpu")
    assert again.notes() == model.notes()
    with pytest.raises(InputError, match="seq_len=24"):
        SparseCodes(base=str(tmp_path / "encoder"), seq_len=16, horizons=(6,)).fit(model.data, device="cpu")
    with pytest.raises(InputError, match="other channels"):
        SparseCodes(base=str(tmp_path / "encoder"), **settings).fit(model.data.values[:, :1].numpy(), device="cpu")
    with pytest.raises(InputError, match="neither"):
        SparseCodes(base="no such thing", seq_len=24).fit(model.data, device="cpu")
    with pytest.raises(InputError, match="no encoder of series"):
        SparseCodes(base="popularity", seq_len=24).fit(model.data, device="cpu")


def test_the_evidence_of_latents_holds_for_codes(model: SparseCodes) -> None:
    report = explain_series(model).report
    assert len(report.factors) == 8
    assert any(factor.card is not None for factor in report.factors)


def test_an_ablation_is_what_forecasting_without_the_code_gives(model: SparseCodes) -> None:
    found = ablations(model, split="test")
    windows = with_future(model.data, model.length, 6, "test")
    values, mask = model.take(windows, torch.arange(len(windows)))
    history, future, known = values[:, :24], values[:, 24:], mask[:, :24]
    encoding, head = model.encode(history, known), model.heads.forecasters[6]
    stretch = (windows.starts // 30).unique(return_inverse=True)[1]

    def errors(instances: Tensor) -> Tensor:
        rows = torch.cat([instances, torch.ones(len(instances), 1)], 1) * encoding.scale
        return (encoding.futures(rows @ head.weights, 6) - future).square().mean((1, 2))

    codes = encoding.instances[:, 0]
    for k in range(8):
        without = codes.clone()
        without[:, k] = codes[:, k].mean()
        added = (errors(without) - errors(codes)).double()
        means = torch.stack([added[stretch == place].mean() for place in range(int(stretch.max()) + 1)])
        assert found[k].added == pytest.approx(float(means.mean()), rel=1e-3, abs=1e-6)
    assert max(found, key=lambda ablation: ablation.added).p_value < 0.05


def test_of_noise_no_code_is_worth_anything_to_a_forecast() -> None:
    false = 0
    for seed in range(20):
        noise = divided(np.random.default_rng(seed).standard_normal((700, 1)), "ratio:0.5,0.2,0.3")
        settings = {"base": "pca", "seq_len": 8, "horizons": (2,), "n_codes": 4, "n_active": 2, "max_epochs": 2}
        model = SparseCodes(**settings).fit(noise, seed=seed, device="cpu")
        false += any(ablation.p_value < 0.05 for ablation in ablations(model))
    assert false <= 3  # of 20 at .05: more in 1.6 % of runs


def test_heads_that_read_more_than_latents_are_refused(model: SparseCodes) -> None:
    patches = {"d_model": 8, "n_heads": 2, "n_layers": 1, "patch_len": 4, "stride": 4}
    encoder = SeriesModel.named("random_encoder")(seq_len=24, horizons=(6,), **patches)
    with pytest.raises(UnsupportedError, match="more than one vector"):
        ablations(encoder.fit(model.data, device="cpu"))
    with pytest.raises(InputError, match="stretches"):
        ablations(model, horizon=200)
