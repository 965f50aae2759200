"""Encoders from windows to a vector, and decoders from latents to windows, by convolution or by LSTM.

Encoders see values, 0 where missing, beside the mask. Decoders give the mean of every value; none sees the mask.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn

_KERNEL = 5
QUIET = 1e-3  # power, in scaled units, below which a wave counts as absent
_DOWN = 8  # three convolutions of stride 2


class Waves(nn.Module):
    """A constant, a line from -1 to 1, and sines, then cosines of 1 to T / 2 cycles a window; nothing to learn.

    Attributes:
        basis: float32 ``(2 + 2 * (T // 2), T)``.
    """

    basis: Tensor
    _analysis: Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        self.n_waves = max(length // 2, 1)
        t = torch.arange(length, dtype=torch.float64)
        angle = 2 * torch.pi * torch.arange(1, self.n_waves + 1, dtype=torch.float64).unsqueeze(1) * t / length
        line = torch.stack([torch.ones_like(t), 2 * t / max(length - 1, 1) - 1])
        wave = torch.cat([angle.sin(), angle.cos()])
        # Of the waves only what no line could say: a slope has power at every frequency.
        flat = wave - wave @ torch.linalg.pinv(line) @ line
        analysis = torch.cat([line, torch.where(wave.norm(dim=1, keepdim=True) > 1e-6, flat, 0.0)])
        self.register_buffer("basis", torch.cat([line, wave]).float(), persistent=False)
        length_of = analysis.norm(dim=1, keepdim=True)
        unit = torch.where(length_of > 1e-6, analysis / length_of.clamp(min=1e-6), 0.0)
        self.register_buffer("_analysis", unit.float(), persistent=False)

    def sizes(self, values: Tensor) -> Tensor:
        """Return products of windows ``(b, T, C)`` with the line, and of the rest with the waves, each of unit length.

        Returns:
            ``(b, 2 + 2 * (T // 2), C)``.
        """
        return torch.einsum("btc,kt->bkc", values, self._analysis)

    def log_power(self, sizes: Tensor) -> Tensor:
        """Return the logarithm of the power at each frequency, ``(b, T // 2, C)``, from what :meth:`sizes` gave."""
        sines, cosines = sizes[:, 2:].chunk(2, 1)
        return torch.log(sines.square() + cosines.square() + QUIET)


class ConvEncoder(nn.Module):
    """Three strided convolutions and a linear map of all that is left."""

    def __init__(self, n_channels: int, length: int, hidden: int, width: int) -> None:
        super().__init__()
        self.padded = -(-length // _DOWN) * _DOWN
        sizes = (2 * n_channels, hidden // 2, hidden, hidden)
        self.convolutions = nn.Sequential(
            *(
                layer
                for a, b in pairwise(sizes)
                for layer in (nn.Conv1d(a, b, _KERNEL, stride=2, padding=_KERNEL // 2), nn.ELU())
            )
        )
        self.out = nn.Sequential(nn.Linear(hidden * self.padded // _DOWN, width), nn.ELU())

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return ``(b, width)`` of values and mask ``(b, T, C)``."""
        x = torch.cat([values, mask.to(values.dtype)], 2).transpose(1, 2)
        x = nn.functional.pad(x, (0, self.padded - x.shape[2]))
        out: Tensor = self.out(self.convolutions(x).flatten(1))
        return out


class WaveEncoder(nn.Module):
    """A network of the window's products with a line and its Fourier waves, of their powers, and of shares measured.

    Power does not depend on phase: period, amplitude and noise can be seen in it whatever the phase.
    """

    def __init__(self, n_channels: int, length: int, hidden: int, width: int) -> None:
        super().__init__()
        self.waves = Waves(length)
        n_features = (2 + 3 * self.waves.n_waves + 1) * n_channels
        self.out = nn.Sequential(
            nn.Linear(n_features, 2 * hidden),
            nn.ELU(),
            nn.Linear(2 * hidden, 2 * hidden),
            nn.ELU(),
            nn.Linear(2 * hidden, width),
            nn.ELU(),
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return ``(b, width)`` of values and mask ``(b, T, C)``."""
        sizes = self.waves.sizes(values)
        measured = mask.to(values.dtype).mean(1, keepdim=True)
        out: Tensor = self.out(torch.cat([sizes, self.waves.log_power(sizes), measured], 1).flatten(1))
        return out


class LstmEncoder(nn.Module):
    """An LSTM's last state."""

    def __init__(self, n_channels: int, hidden: int, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2 * n_channels, hidden, batch_first=True)
        self.out = nn.Sequential(nn.Linear(hidden, width), nn.ELU())

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return ``(b, width)`` of values and mask ``(b, T, C)``."""
        states, _ = self.lstm(torch.cat([values, mask.to(values.dtype)], 2))
        out: Tensor = self.out(states[:, -1])
        return out


class Decoder(Protocol):
    """From latents ``(b, K)`` to means ``(b, T, C)``."""

    def __call__(self, z: Tensor, values: Tensor | None = None) -> Tensor:
        """Return means; only teacher forcing reads ``values``, ``(b, T, C)``."""


class ConvDecoder(nn.Module):
    """A linear map to an eighth of the window's rows, then three times twice as many and a convolution."""

    def __init__(self, n_channels: int, length: int, hidden: int, latent_dim: int) -> None:
        super().__init__()
        self.length, self.hidden = length, hidden
        self.rows = -(-length // _DOWN)
        self.into = nn.Sequential(
            nn.Linear(latent_dim, 2 * hidden), nn.ELU(), nn.Linear(2 * hidden, hidden * self.rows), nn.ELU()
        )
        sizes = (hidden, hidden, hidden // 2, hidden // 2)
        self.convolutions = nn.Sequential(
            *(
                layer
                for a, b in pairwise(sizes)
                for layer in (nn.Upsample(scale_factor=2), nn.Conv1d(a, b, _KERNEL, padding=_KERNEL // 2), nn.ELU())
            ),
            nn.Conv1d(sizes[-1], n_channels, 1),
        )

    def forward(self, z: Tensor, values: Tensor | None = None) -> Tensor:
        """Return means ``(b, T, C)``."""
        x = self.into(z).unflatten(1, (self.hidden, self.rows))
        out: Tensor = self.convolutions(x)[:, :, : self.length]
        return out.transpose(1, 2)


class WaveDecoder(nn.Module):
    """A line and the window's own Fourier waves: one network says how strong each is, another which way it goes.

    A trend and seasons, as in N-BEATS (Oreshkin et al. 2020) and TimeVAE (Desai et al. 2021). With all T / 2 frequencies
    there is nothing that it cannot say. Strength and direction are multiplied, so that latents that choose the frequency
    need not be those that hold phase and amplitude.
    """

    def __init__(self, n_channels: int, length: int, hidden: int, latent_dim: int) -> None:
        super().__init__()
        self.n_channels, self.waves = n_channels, Waves(length)
        self.trunk = nn.Sequential(
            nn.Linear(latent_dim, 2 * hidden), nn.ELU(), nn.Linear(2 * hidden, 2 * hidden), nn.ELU()
        )
        self.strength = nn.Linear(2 * hidden, self.waves.n_waves)
        self.direction = nn.Linear(2 * hidden + latent_dim, len(self.waves.basis) * n_channels)

    def forward(self, z: Tensor, values: Tensor | None = None) -> Tensor:
        """Return means ``(b, T, C)``."""
        hidden = self.trunk(z)
        strength = torch.sigmoid(self.strength(hidden))
        strength = torch.cat([strength.new_ones(len(z), 2), strength, strength], 1).unsqueeze(2)
        sizes = self.direction(torch.cat([hidden, z], 1)).unflatten(1, (-1, self.n_channels)) * strength
        return torch.einsum("bkc,kt->btc", sizes, self.waves.basis)


class LstmDecoder(nn.Module):
    """An LSTM that is given the latents at every step, and with teacher forcing the value before as well.

    Given the value before, it can do without the latents: that is how an LSTM autoencoder loses them.
    """

    def __init__(self, n_channels: int, length: int, hidden: int, latent_dim: int, *, teacher_forcing: bool) -> None:
        super().__init__()
        self.length, self.n_channels, self.teacher_forcing = length, n_channels, teacher_forcing
        self.start = nn.Linear(latent_dim, 2 * hidden)
        self.lstm = nn.LSTM(latent_dim + (n_channels if teacher_forcing else 0), hidden, batch_first=True)
        self.out = nn.Linear(hidden, n_channels)

    def forward(self, z: Tensor, values: Tensor | None = None) -> Tensor:
        """Return means ``(b, T, C)``; with teacher forcing and no values, from its own means."""
        h, c = (state.unsqueeze(0).contiguous() for state in torch.tanh(self.start(z)).chunk(2, 1))
        inputs = z.unsqueeze(1).expand(-1, self.length, -1)
        if self.teacher_forcing:
            if values is None:
                return self._alone(z, h, c)
            before = nn.functional.pad(values[:, :-1], (0, 0, 1, 0))
            inputs = torch.cat([inputs, before], 2)
        states, _ = self.lstm(inputs, (h, c))
        out: Tensor = self.out(states)
        return out

    def _alone(self, z: Tensor, h: Tensor, c: Tensor) -> Tensor:
        value, rows = z.new_zeros(len(z), self.n_channels), []
        for _ in range(self.length):
            state, (h, c) = self.lstm(torch.cat([z, value], 1).unsqueeze(1), (h, c))
            value = self.out(state[:, 0])
            rows.append(value)
        return torch.stack(rows, 1)
