"""An encoder and a decoder of windows that hold a line and one season, with the season in polar form.

A season has a size, a share at each frequency, and a direction: how its sines and cosines are spread over the channels, the
same at every frequency. Size and shares come from the latents that are numbers, the direction from those that are angles, so
that one latent can hold amplitude, another period and a third phase. In Cartesian form amplitude and phase are a pair of
latents that no penalty takes apart: sine and cosine times a Rayleigh amplitude are independent Gaussians.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distaff_timeseries.dts.layers import Waves

_LEAD = 16  # outputs of the encoder that are linear in the leading season's direction
_LEAST = 1e-3  # norm below which a direction is none


class SeasonEncoder(nn.Module):
    """A network of the line, the powers, the leading season's size and direction, and shares measured.

    The leading season is the mean over frequencies of the window's sines and cosines, weighted by the squares of their
    powers. Its direction goes into the result linearly as well: that is what an angle is read from.
    """

    def __init__(self, n_channels: int, length: int, hidden: int, width: int) -> None:
        super().__init__()
        self.waves = Waves(length)
        n_features = (2 + 2 + self.waves.n_waves + 1) * n_channels + 1
        self.out = nn.Sequential(
            nn.Linear(n_features, 2 * hidden),
            nn.ELU(),
            nn.Linear(2 * hidden, 2 * hidden),
            nn.ELU(),
            nn.Linear(2 * hidden, width - _LEAD),
            nn.ELU(),
        )
        self.lead = nn.Linear(2 * n_channels, _LEAD, bias=False)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return ``(b, width)`` of values and mask ``(b, T, C)``."""
        sizes = self.waves.sizes(values)
        direction, size = self._leading(sizes[:, 2:].unflatten(1, (2, -1)))
        measured = mask.to(values.dtype).mean(1, keepdim=True)
        features = torch.cat([sizes[:, :2], direction, self.waves.log_power(sizes), measured], 1).flatten(1)
        return torch.cat([self.out(torch.cat([features, size.log()], 1)), self.lead(direction.flatten(1))], 1)

    @staticmethod
    def _leading(seasons: Tensor) -> tuple[Tensor, Tensor]:
        """Return direction ``(b, 2, C)`` of norm 1 and size ``(b, 1)``, from sines and cosines ``(b, 2, T // 2, C)``."""
        weight = seasons.square().sum((1, 3)).square()
        share = weight / weight.sum(1, keepdim=True).clamp(min=1e-6)
        leading = (seasons * share[:, None, :, None]).sum(2)
        size = leading.flatten(1).norm(dim=1, keepdim=True).clamp(min=_LEAST)
        return leading / size.unsqueeze(2), size


class SeasonDecoder(nn.Module):
    """A line and a season. Without angles the direction comes from all latents.

    Args:
        n_channels: C.
        length: T.
        hidden: Half the width of the network that chooses the frequencies.
        latent_dim: Latents that are numbers.
        n_angles: Latents that are angles, given as their cosines and sines after the numbers.
    """

    def __init__(self, n_channels: int, length: int, hidden: int, latent_dim: int, n_angles: int) -> None:
        super().__init__()
        self.n_channels, self.latent_dim, self.n_angles, self.waves = n_channels, latent_dim, n_angles, Waves(length)
        self.trend = nn.Linear(latent_dim, 2 * n_channels)
        self.size = nn.Linear(latent_dim, 1)
        self.share = nn.Sequential(
            nn.Linear(latent_dim, 2 * hidden), nn.ELU(), nn.Linear(2 * hidden, self.waves.n_waves)
        )
        # No bias with angles: a direction that no angle turns would be learned first.
        self.direction = nn.Linear(2 * n_angles or latent_dim, 2 * n_channels, bias=not n_angles)

    def forward(self, z: Tensor, values: Tensor | None = None) -> Tensor:
        """Return means ``(b, T, C)`` from latents ``(b, latent_dim + 2 * n_angles)``."""
        trend = self.trend(z[:, : self.latent_dim]).unflatten(1, (2, self.n_channels))
        return torch.einsum("bkc,kt->btc", torch.cat([trend, self._season(z).flatten(1, 2)], 1), self.waves.basis)

    def power(self, z: Tensor) -> Tensor:
        """Return the season's power at each frequency, in the units of :meth:`Waves.log_power`, ``(b, T // 2, C)``."""
        return self._season(z).square().sum(1) * (self.waves.basis.shape[1] / 2)

    def _season(self, z: Tensor) -> Tensor:
        """Return sines and cosines, ``(b, 2, T // 2, C)``."""
        numbers = z[:, : self.latent_dim]
        direction = self.direction(z[:, self.latent_dim :] if self.n_angles else numbers)
        direction = direction / direction.norm(dim=1, keepdim=True).clamp(min=_LEAST) * self.n_channels**0.5
        strength = nn.functional.softplus(self.size(numbers)) * torch.softmax(self.share(numbers), 1)
        season: Tensor = strength[:, None, :, None] * direction.unflatten(1, (2, 1, self.n_channels))
        return season
