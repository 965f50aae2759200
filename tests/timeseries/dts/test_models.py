"""DTS, VAE, beta-VAE and beta-TCVAE as models of series."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distaff.model.fitting import fit
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.series import planted_series
from distaff_data.splits.series import divide
from distaff_timeseries.dts.autoencoder import Autoencoder, Sizes
from distaff_timeseries.dts.base import VariationalModel, WindowBatch
from distaff_timeseries.dts.bottleneck import QuantisedBottleneck
from distaff_timeseries.dts.models import DTS, VAE, BetaTCVAE, BetaVAE

SMALL: dict[str, Any] = {"hidden": 8, "max_epochs": 2, "batch_size": 32}


def windows(n: int = 90, n_steps: int = 20, **knobs: Any) -> Series:
    return planted_series(n_windows=n, n_steps=n_steps, n_channels=2, seed=3, **knobs).series()


def one_batch(model: VariationalModel, data: Series) -> WindowBatch:
    """Build without training, and take the first batch."""
    from distaff.model.base import Session
    from distaff_data.datasets.series import Scaler

    model.scaler, model.device = Scaler.of(data), torch.device("cpu")
    session = Session(0, model.device)
    model.network = model.build(data, session.generator(), model.device)
    return next(iter(model.batches(data, session.generator(1))))


def autoencoder(**settings: Any) -> Autoencoder:
    torch.manual_seed(0)
    plain: dict[str, Any] = {
        "latent_dim": 3,
        "encoder": "conv",
        "decoder": "conv",
        "hidden": 8,
        "teacher_forcing": False,
        "noise": "predicted",
        "n_values": None,
        "commitment": 1.0,
        "spectrum": 0.0,
    }
    return Autoencoder(Sizes(2, settings.pop("length", 19)), **(plain | settings))


@pytest.mark.parametrize("encoder", ["conv", "wave", "lstm"])
@pytest.mark.parametrize("decoder", ["conv", "wave", "lstm"])
@pytest.mark.parametrize("length", [1, 2, 19, 32])
def test_every_architecture_gives_windows_of_their_own_shape(encoder: str, decoder: str, length: int) -> None:
    net = autoencoder(encoder=encoder, decoder=decoder, length=length, spectrum=1.0 if length > 1 else 0.0)
    values, mask = torch.randn(4, length, 2), torch.ones(4, length, 2, dtype=torch.bool)
    posterior = net.posterior(values, mask)
    assert posterior.mean.shape == (4, 3)
    assert net.decoder(posterior.z).shape == values.shape
    assert bool(net.log_likelihood(posterior.z, values, mask).isfinite().all())


@pytest.mark.parametrize("noise", ["fixed", "learned", "predicted"])
@pytest.mark.parametrize("spectrum", [0.0, 1.0])
def test_ignored_values_have_no_gradient_and_missing_ones_change_nothing(noise: str, spectrum: float) -> None:
    net = autoencoder(noise=noise, spectrum=spectrum)
    values = torch.randn(3, 19, 2)
    mask = torch.rand(3, 19, 2) > 0.3
    values = torch.where(mask, values, 0.0)
    z = torch.randn(3, 3)
    target = values.clone().requires_grad_()
    likelihood = net.log_likelihood(z, target, mask)
    likelihood.sum().backward()
    assert target.grad is not None
    assert bool((target.grad[~mask] == 0).all())
    other = net.log_likelihood(z, torch.where(mask, values, 77.0), mask)
    torch.testing.assert_close(other, likelihood.detach())
    assert net.log_likelihood(z, values, torch.zeros_like(mask)).tolist() == [0.0, 0.0, 0.0]


def test_likelihood_is_that_of_a_gaussian() -> None:
    net = autoencoder()
    z, values = torch.randn(2, 3), torch.randn(2, 19, 2)
    mean, std = net.decoder(z), torch.exp(0.5 * net.noise_logvar(z)).unsqueeze(1)
    expected = torch.distributions.Normal(mean, std.expand_as(mean)).log_prob(values).sum((1, 2))
    torch.testing.assert_close(net.log_likelihood(z, values, torch.ones_like(values, dtype=torch.bool)), expected)


def test_wave_decoder_can_say_any_window() -> None:
    net = autoencoder(decoder="wave", length=16)
    basis = net.decoder.waves.basis.double()  # type: ignore[union-attr]
    assert int(torch.linalg.matrix_rank(basis, rtol=1e-6)) == 16


@pytest.mark.parametrize("make", [VAE, BetaVAE, BetaTCVAE, DTS])
def test_objective_is_the_weighted_decomposition(make: type[VariationalModel]) -> None:
    data = windows()
    model = make(**SMALL, warmup=0)
    batch = one_batch(model, data)
    torch.manual_seed(1)
    posterior = model.autoencoder.posterior(batch.values, batch.mask)
    found = {name: value.item() for name, value in model.objective(batch, posterior, 90).items()}
    assert posterior.logvar is not None
    divergence = 0.5 * (
        posterior.z.square() - posterior.logvar - (posterior.z - posterior.mean).square() * torch.exp(-posterior.logvar)
    )
    plain = divergence.sum(1).mean().item()
    if make is VAE:
        assert found["information"] + found["total_correlation"] + found["dimension"] == pytest.approx(plain, rel=1e-4)
    if make is BetaVAE:
        total = found["information"] + found["total_correlation"] + found["dimension"]
        assert total == pytest.approx(4 * plain, rel=1e-4)
    if make is DTS:
        assert found["information"] == 0.0  # alpha = 1 gives all of it back


def test_rewarded_information_counts_up_to_what_a_batch_can_show() -> None:
    data = windows()
    model = DTS(**SMALL, alpha=1.5, warmup=0)
    batch = one_batch(model, data)
    mean = 50 * torch.randn(len(batch.values), 10)
    logvar = torch.full_like(mean, -9.0).requires_grad_()
    posterior = model.autoencoder.posterior(batch.values, batch.mask)
    sharp = type(posterior)(mean, logvar, mean, mean.new_zeros(()))
    rewarded = model.objective(batch, sharp, 1000)["information"]
    assert rewarded.item() == pytest.approx(-0.5 * math.log(len(mean)))


def test_free_bits_cost_nothing() -> None:
    data = windows()
    model = VAE(**SMALL, warmup=0, free_bits=100.0)
    batch = one_batch(model, data)
    posterior = model.autoencoder.posterior(batch.values, batch.mask)
    assert model.objective(batch, posterior, 90)["dimension"].item() == pytest.approx(10 * 100.0)


def test_penalties_grow_over_the_warmup() -> None:
    data = windows()
    model = BetaVAE(**{**SMALL, "max_epochs": 10}, warmup=0.5)
    batch = one_batch(model, data)
    torch.manual_seed(0)
    first = model.losses(batch)["dimension"].item()
    assert first == 0.0
    model.network.steps.fill_(5 * 2)  # half of ten epochs of two steps
    torch.manual_seed(0)
    half = model.losses(batch)["dimension"].item()
    model.network.steps.fill_(20)
    torch.manual_seed(0)
    assert model.losses(batch)["dimension"].item() == pytest.approx(half)
    assert half != 0.0


def test_quantised_latents_take_few_values_and_pass_gradients_straight_through() -> None:
    torch.manual_seed(0)
    net = QuantisedBottleneck(5, 3, 4, 1.0)
    hidden = torch.randn(200, 5, requires_grad=True)
    found = net(hidden)
    assert found.logvar is None
    assert all(len(column.unique()) <= 4 for column in found.mean.T)
    torch.testing.assert_close(found.z, found.mean)
    raw = torch.tanh(net.head(hidden))
    nearest = (raw.unsqueeze(2) - net.codebook).abs().min(2).values
    torch.testing.assert_close(found.commitment, 2 * nearest.square().sum(1).mean())
    direct = torch.autograd.grad(raw.sum(), hidden, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(found.z.sum(), hidden)[0], direct)


def test_quantised_model_learns_and_uses_its_codes() -> None:
    data = windows(200)
    model = DTS(**{**SMALL, "max_epochs": 8}, segments="free:4", bottleneck="quantized", n_values=5, encoder="wave")
    epochs: list[Any] = []
    model.fit(data, device="cpu", report=epochs.append)
    assert epochs[-1].losses["reconstruction"] < epochs[0].losses["reconstruction"]
    codes = model.latents(*model.take(model._windows, torch.arange(60)))
    assert float(codes.variances.max()) == 0.0
    assert max(len(column.unique()) for column in codes.means.T) <= 5


def test_a_teacher_forced_decoder_runs_alone_as_it_runs_told() -> None:
    net = autoencoder(decoder="lstm", teacher_forcing=True)
    z = torch.randn(2, 3)
    alone = net.decoder(z)
    torch.testing.assert_close(net.decoder(z, alone), alone, rtol=1e-4, atol=1e-5)


def test_told_the_value_before_an_lstm_vae_loses_its_latents_and_dts_keeps_them() -> None:
    """A slow walk: the value before tells almost all of the next, so that a penalised latent is not worth its price."""
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(300, 16, 1)).cumsum(1) * 0.3 + rng.normal(size=(300, 1, 1))
    data = divide(Series.from_windows(walks), "random:0.9,0.05,0.05")
    settings = {"encoder": "lstm", "decoder": "lstm", "teacher_forcing": True, "noise": "fixed", "hidden": 16}
    settings |= {"max_epochs": 25, "patience": 25, "lr": 5e-3, "batch_size": 64}
    most = []
    for model in (VAE(**settings, latent_dim=4), DTS(**settings, segments="free:4")):
        model.fit(data, device="cpu")
        codes = model.latents(*model.take(model._windows, torch.arange(200)))
        most.append(float(codes.means.var(0).max()))
    assert most[0] < 0.05
    assert most[1] > 0.3


@pytest.mark.parametrize("make", [VAE, BetaVAE, BetaTCVAE, DTS])
def test_a_saved_model_embeds_and_decodes_as_before(make: type[VariationalModel], tmp_path: Path) -> None:
    data = windows(missing=0.2)
    models = [make(**SMALL).fit(data, seed=5, device="cpu") for _ in range(2)]
    assert models[0].transform().equals(models[1].transform())
    models[0].measure()
    models[0].save(tmp_path / "m")
    loaded = SeriesModel.load(tmp_path / "m")
    assert isinstance(loaded, VariationalModel)
    assert isinstance(models[0], VariationalModel)
    assert loaded.transform().equals(models[0].transform())
    assert loaded.transform().equals(models[0].transform())
    assert loaded.predict().equals(models[0].predict())
    z = torch.randn(3, 10)
    assert torch.equal(loaded.decode(z), models[0].decode(z))
    with pytest.raises(UnsupportedError):
        loaded.transform(level="timestamp")


class _StoppedError(Exception):
    pass


def test_resumed_ends_like_one_that_never_stopped(tmp_path: Path) -> None:
    data = windows()
    settings = {**SMALL, "max_epochs": 4, "segments": "class:2,free:4"}

    def stop(epoch: Any) -> None:
        if epoch.epoch == 3:
            raise _StoppedError

    whole, resumed = DTS(**settings), DTS(**settings)
    fit(whole, data, seed=2, device="cpu")
    with pytest.raises(_StoppedError):
        fit(DTS(**settings), data, seed=2, device="cpu", report=stop, folder=tmp_path)
    fit(resumed, data, seed=2, device="cpu", folder=tmp_path, resume=True)
    for name, value in whole.encoder_state().items():
        assert torch.equal(value, resumed.encoder_state()[name]), name


def test_forecasts_come_from_latents_too() -> None:
    t = np.arange(300)[:, None]
    data = divide(Series.from_rows(np.sin(2 * np.pi * t / 12), [300]), "ratio:0.6,0.2,0.2")
    model = VAE(**SMALL, seq_len=24, horizons=(6,), latent_dim=4).fit(data, device="cpu")
    assert model.forecast(6).height == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"segments": "class:4,weather:2"}, "weather"),
        ({"segments": "class:4,class:2"}, "two segments"),
        ({"teacher_forcing": True}, "decoder=lstm"),
        ({"alpha": -1}, "alpha"),
        ({"n_values": 1}, "n_values"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DTS(**settings)


def test_a_segment_needs_a_concept_that_the_data_has() -> None:
    with pytest.raises(InputError, match="no two groups"):
        DTS(**SMALL, segments="class:2,group:2").fit(windows(), device="cpu")
