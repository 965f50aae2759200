"""The bottleneck between encoder and decoder: a Gaussian posterior, or latents rounded to a few values each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_LOGVAR = (-9.0, 3.0)  # a posterior outside is numerically a point, or wider than any prior needs
_ANGLE_LOGVAR = (-9.0, 0.0)  # an angle that is drawn more widely turns nothing, and would never come back
_FIRST_LOGVAR = -3.0  # of an angle before training


@dataclass(frozen=True)
class Posterior:
    """The posterior of the latents of b windows.

    Attributes:
        mean: ``(b, K)``; quantised latents themselves, angles between -pi and pi.
        logvar: Logarithm of the variance; None for quantised latents, which are certain.
        z: A draw in training, ``mean`` where there is nothing to draw.
        commitment: What rounding costs, a scalar; 0 for Gaussian ones.
    """

    mean: Tensor
    logvar: Tensor | None
    z: Tensor
    commitment: Tensor


def on_circle(z: Tensor, n_angles: int) -> Tensor:
    """Return latents ``(b, K)`` as a decoder reads them, ``(b, K + n_angles)``: the last ones as their cosines and sines."""
    if n_angles == 0:
        return z
    numbers, angles = z.split((z.shape[1] - n_angles, n_angles), 1)
    return torch.cat([numbers, angles.cos(), angles.sin()], 1)


class GaussianBottleneck(nn.Module):
    """Mean and variance of each latent; drawn with the reparametrisation of Kingma and Welling (2014).

    Args:
        width: Of what is read.
        latent_dim: K.
        n_angles: How many latents, the last ones, are angles: their mean is the direction of a point in the plane.
    """

    def __init__(self, width: int, latent_dim: int, n_angles: int = 0) -> None:
        super().__init__()
        self.sizes = (latent_dim - n_angles, n_angles, n_angles, latent_dim - n_angles, n_angles)
        self.head = nn.Linear(width, 2 * latent_dim + n_angles)
        if n_angles:
            with torch.no_grad():
                self.head.bias[-n_angles:] += _FIRST_LOGVAR

    def forward(self, hidden: Tensor) -> Posterior:
        """Return the posterior from ``(b, width)``."""
        numbers, cosines, sines, spread, turn = self.head(hidden).split(self.sizes, 1)
        mean = torch.cat([numbers, torch.atan2(sines, cosines)], 1)
        logvar = torch.cat([spread.clamp(*_LOGVAR), turn.clamp(*_ANGLE_LOGVAR)], 1)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        return Posterior(mean, logvar, z, mean.new_zeros(()))


class QuantisedBottleneck(nn.Module):
    """Latent quantisation (Hsu et al., NeurIPS 2023): each latent is the nearest of its own few learned values.

    What a latent can say is bounded by its codebook, so that the objective has no divergence: only the pull of values
    towards codes and of codes towards values, with a strong weight decay on the networks around it. What is rounded lies
    between -1 and 1, where the values begin evenly spaced, so that none of them starts out of reach.
    """

    def __init__(self, width: int, latent_dim: int, n_values: int, weight: float) -> None:
        super().__init__()
        self.head = nn.Linear(width, latent_dim)
        self.weight = weight
        self.codebook = nn.Parameter(torch.linspace(-1.0, 1.0, n_values).repeat(latent_dim, 1))

    def forward(self, hidden: Tensor) -> Posterior:
        """Return the posterior from ``(b, width)``."""
        raw = torch.tanh(self.head(hidden))
        nearest = (raw.unsqueeze(2) - self.codebook).abs().argmin(2, keepdim=True)
        codes = self.codebook.expand(len(raw), -1, -1).gather(2, nearest).squeeze(2)
        commitment = (raw - codes.detach()).square().sum(1).mean() + (codes - raw.detach()).square().sum(1).mean()
        z = raw + (codes - raw).detach()  # straight through: the decoder's gradient reaches the encoder as if unrounded
        return Posterior(codes.detach(), None, z, self.weight * commitment)
