"""The three parts of the divergence of a variational autoencoder's latents, estimated from a mini-batch.

Averaged over data, the KL divergence from the posterior to the prior is a sum (Hoffman and Johnson 2016; Chen et al. 2018):

    E[KL(q(z|x) || p(z))] = I(x; z) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j)).

The aggregate q(z) is a mixture over all N windows, of which a batch holds M. Both estimators replace it by a weighted
mixture over the batch; whatever they get wrong, the three parts sum to ``log q(z|x) - log p(z)`` exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Estimator = Literal["weighted", "stratified"]

_LOG_2PI = math.log(2 * math.pi)
_TURNS = 2  # either way; beyond, a deviation of 1 has nothing left


@dataclass(frozen=True)
class Decomposition:
    """The parts in nats: means over the batch.

    Attributes:
        information: I(x; z), a scalar. At most log N by stratified sampling, log(N M) by weighted sampling.
        total_correlation: A scalar.
        dimension_kl: One number a latent, ``(K,)``.
    """

    information: Tensor
    total_correlation: Tensor
    dimension_kl: Tensor


def gaussian_log_density(x: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Return log densities, element by element, broadcast."""
    return -0.5 * (_LOG_2PI + logvar + (x - mean).square() * torch.exp(-logvar))


def log_density(x: Tensor, mean: Tensor, logvar: Tensor, n_angles: int = 0) -> Tensor:
    """Return log densities of latents ``(..., K)``; the last are angles, their Gaussian wound around the circle."""
    k = mean.shape[-1] - n_angles
    numbers = gaussian_log_density(x[..., :k], mean[..., :k], logvar[..., :k])
    if n_angles == 0:
        return numbers
    away = torch.remainder(x[..., k:] - mean[..., k:] + math.pi, 2 * math.pi) - math.pi
    turns = 2 * math.pi * torch.arange(-_TURNS, _TURNS + 1, device=x.device, dtype=x.dtype)
    wound = gaussian_log_density(away.unsqueeze(-1), turns, logvar[..., k:].unsqueeze(-1)).logsumexp(-1)
    return torch.cat([numbers, wound], -1)


def log_prior(z: Tensor, n_angles: int = 0) -> Tensor:
    """Return log densities of the prior, element by element: standard normal, and uniform for the last, angles."""
    numbers = z[:, : z.shape[1] - n_angles]
    return torch.cat([-0.5 * (_LOG_2PI + numbers.square()), z.new_full((len(z), n_angles), -_LOG_2PI)], 1)


def log_weights(m: int, n: int, estimator: Estimator, like: Tensor) -> Tensor:
    """Return the logarithm of the weight of window j of the batch in the mixture that stands for q(z_i), ``(M, M)``.

    ``weighted`` (minibatch-weighted sampling): 1 / (N M) for all; biased, by log M at worst where posteriors do not overlap.
    ``stratified``: a window's own posterior counts 1 / N, as it does among all windows, and the M - 1 others share what the
    N - 1 others hold: the mean of minibatch-stratified sampling over the orders of a batch. Unbiased for q(z), and exact
    when the batch is everything.

    Args:
        m: M, windows of the batch.
        n: N, windows of the data set, at least M.
        estimator: Which.
        like: Whose type and device the result has.
    """
    if estimator == "weighted":
        return like.new_full((m, m), -math.log(n * m))
    others = -math.inf if n == 1 or m == 1 else math.log((n - 1) / (n * (m - 1)))
    weights = like.new_full((m, m), others)
    return weights.fill_diagonal_(-math.log(n) if m > 1 else 0.0)


def decompose(
    z: Tensor, mean: Tensor, logvar: Tensor, n: int, estimator: Estimator = "stratified", n_angles: int = 0
) -> Decomposition:
    """Return estimates of the parts.

    Args:
        z: One draw of each window's posterior, ``(M, K)``.
        mean: Of the posteriors, likewise.
        logvar: Logarithms of their variances, likewise.
        n: N, windows of the data set.
        estimator: How the batch stands for the data set; see :func:`log_weights`.
        n_angles: How many latents, the last ones, are angles; their prior is uniform.
    """
    each = log_density(z.unsqueeze(1), mean.unsqueeze(0), logvar.unsqueeze(0), n_angles)  # (M draws, M windows, K)
    weights = log_weights(len(z), max(n, len(z)), estimator, z)
    aggregate = torch.logsumexp(each.sum(2) + weights, 1)
    marginals = torch.logsumexp(each + weights.unsqueeze(2), 1)
    posterior = log_density(z, mean, logvar, n_angles).sum(1)
    return Decomposition(
        (posterior - aggregate).mean(),
        (aggregate - marginals.sum(1)).mean(),
        (marginals - log_prior(z, n_angles)).mean(0),
    )
