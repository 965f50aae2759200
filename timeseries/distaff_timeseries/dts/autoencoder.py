"""A variational autoencoder of series: encoder, bottleneck, decoder, and the likelihood of what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from distaff_timeseries.dts.bottleneck import GaussianBottleneck, Posterior, QuantisedBottleneck, on_circle
from distaff_timeseries.dts.layers import (
    QUIET,
    ConvDecoder,
    ConvEncoder,
    LstmDecoder,
    LstmEncoder,
    WaveDecoder,
    WaveEncoder,
    Waves,
)
from distaff_timeseries.dts.seasons import SeasonDecoder, SeasonEncoder

Noise = Literal["fixed", "learned", "predicted"]
CoderArchitecture = Literal["conv", "wave", "season", "lstm"]

_WIDTH = 128  # of the vector that encoders end in
_LOG_POWER_VARIANCE = math.pi**2 / 6  # of the logarithm of an exponential variable, as the power of noise is
_NOISE_POWER = 2 * math.exp(-0.5772156649015329)  # of noise of variance 1 at a frequency; its geometric mean
_NOISE = (-5.0, 2.0)  # logarithm of the noise variance in scaled units: a deviation from 0.08 to 2.7


@dataclass(frozen=True)
class Sizes:
    """The sizes that follow from a dataset: channels C and rows of a window T."""

    n_channels: int
    length: int


def gaussian_log_likelihood(mean: Tensor, logvar: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return the log-likelihood of measured values, summed over each window, ``(b,)``; missing ones have no gradient.

    Args:
        mean: ``(b, T, C)``.
        logvar: Logarithm of the noise variance of each window and channel, ``(b, C)`` or ``(b, 1)``.
        values: ``(b, T, C)``.
        mask: bool ``(b, T, C)``.
    """
    away = torch.where(mask, mean - values, 0.0).square()
    spread = logvar.unsqueeze(1)
    each = -0.5 * (math.log(2 * math.pi) + spread + away * torch.exp(-spread))
    return torch.where(mask, each, 0.0).sum((1, 2))


class Autoencoder(nn.Module):
    """Windows to latents and back.

    Args:
        sizes: Of the data.
        latent_dim: K.
        encoder: CoderArchitecture.
        decoder: CoderArchitecture.
        hidden: Channels of convolutions, or the LSTMs' state.
        teacher_forcing: Whether an LSTM decoder is given the value before.
        noise: Whose the variance of the likelihood is: 1 for all, a learned one for each channel, or one for each window and
            channel that is predicted from the latents.
        n_values: Values of a quantised latent; None for Gaussian latents.
        commitment: Weight of what rounding costs.
        spectrum: Weight of the likelihood of the window's log power spectrum, beside that of its values.
        n_angles: How many latents, the last ones, are angles.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        latent_dim: int,
        encoder: CoderArchitecture,
        decoder: CoderArchitecture,
        hidden: int,
        teacher_forcing: bool,
        noise: Noise,
        n_values: int | None,
        commitment: float,
        spectrum: float,
        n_angles: int = 0,
    ) -> None:
        super().__init__()
        self.sizes = sizes
        n_channels, length = sizes.n_channels, sizes.length
        self.encoder: nn.Module = (
            LstmEncoder(n_channels, hidden, _WIDTH)
            if encoder == "lstm"
            else {"conv": ConvEncoder, "wave": WaveEncoder, "season": SeasonEncoder}[encoder](
                n_channels, length, hidden, _WIDTH
            )
        )
        self.bottleneck: nn.Module = (
            GaussianBottleneck(_WIDTH, latent_dim, n_angles)
            if n_values is None
            else QuantisedBottleneck(_WIDTH, latent_dim, n_values, commitment)
        )
        self.n_angles, n_numbers = n_angles, latent_dim - n_angles
        self.decoder: nn.Module
        if decoder == "lstm":
            self.decoder = LstmDecoder(
                n_channels, length, hidden, latent_dim + n_angles, teacher_forcing=teacher_forcing
            )
        elif decoder == "season":
            self.decoder = SeasonDecoder(n_channels, length, hidden, n_numbers, n_angles)
        else:
            kind = {"conv": ConvDecoder, "wave": WaveDecoder}[decoder]
            self.decoder = kind(n_channels, length, hidden, latent_dim + n_angles)
        self.spectrum_weight, self.waves = spectrum, Waves(length)
        self.spectrum: nn.Module | None = None
        if spectrum > 0 and decoder != "season":
            n_powers = self.waves.n_waves * n_channels
            self.spectrum = nn.Sequential(nn.Linear(n_numbers, 2 * hidden), nn.ELU(), nn.Linear(2 * hidden, n_powers))
        self.noise: nn.Module | None = None
        self.own_noise: nn.Parameter | None = None
        if noise == "predicted":
            self.noise = nn.Sequential(nn.Linear(n_numbers, 64), nn.ELU(), nn.Linear(64, n_channels))
        elif noise == "learned":
            self.own_noise = nn.Parameter(torch.zeros(n_channels))

    def posterior(self, values: Tensor, mask: Tensor) -> Posterior:
        """Return the posterior of windows ``(b, T, C)``."""
        posterior: Posterior = self.bottleneck(self.encoder(values, mask))
        return posterior

    def decode(self, z: Tensor, values: Tensor | None = None) -> Tensor:
        """Return means ``(b, T, C)`` of latents ``(b, K)``; see :class:`~distaff_timeseries.dts.layers.Decoder`."""
        means: Tensor = self.decoder(on_circle(z, self.n_angles), values)
        return means

    def log_likelihood(self, z: Tensor, values: Tensor, mask: Tensor, values_share: float = 1.0) -> Tensor:
        """Return log p(x|z) of measured values, summed over each window, ``(b,)``; missing ones have no gradient.

        Where it counts, the spectrum of a channel does so when all of the channel was measured, and the values may count
        for less.
        """
        likelihood = gaussian_log_likelihood(self.decode(z, values), self.noise_logvar(z), values, mask)
        if self.spectrum_weight == 0:
            return likelihood
        target = self.waves.log_power(self.waves.sizes(values))
        whole = mask.all(1, keepdim=True).expand_as(target)
        spread = target.new_full((len(z), 1), math.log(_LOG_POWER_VARIANCE))
        spectral = gaussian_log_likelihood(self._log_power(z), spread, target, whole)
        return values_share * likelihood + self.spectrum_weight * spectral

    def _log_power(self, z: Tensor) -> Tensor:
        """Return log powers of windows that have these latents, ``(b, T // 2, C)``: of season and noise, or a network's.

        Angles turn waves, and have no part in it nor in the noise.
        """
        if isinstance(self.decoder, SeasonDecoder):
            noise = _NOISE_POWER * self.noise_logvar(z).exp()
            return torch.log(self.decoder.power(on_circle(z, self.n_angles)) + noise.unsqueeze(1) + QUIET)
        assert self.spectrum is not None
        log_power: Tensor = self.spectrum(self._numbers(z)).unflatten(1, (self.waves.n_waves, self.sizes.n_channels))
        return log_power

    def _numbers(self, z: Tensor) -> Tensor:
        return z[:, : z.shape[1] - self.n_angles]

    def noise_logvar(self, z: Tensor) -> Tensor:
        """Return the logarithm of the noise variance of each window and channel, ``(b, C)``."""
        low, high = _NOISE
        if self.noise is not None:
            return low + (high - low) * torch.sigmoid(self.noise(self._numbers(z)))
        if self.own_noise is not None:
            return (low + (high - low) * torch.sigmoid(self.own_noise)).expand(len(z), -1)
        return z.new_zeros(len(z), 1)
