"""Factorisations of a table of vectors, E ~ S A^T, whose columns mean something one by one.

S holds how much of each factor a row has, A the direction of each. Three ways to choose them: semi-NMF, where S is not
negative; independent components; and the varimax rotation of the leading principal axes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff_data.errors import InputError

_FLAT = 1e-12  # share of the largest power below which a direction has none: rounding
_TINY = 1e-12
_STEPS = 300  # of semi-NMF
# Steps of a user's weights; a fixed number, so that they do not depend on who else is in the block.
_UPDATES = 300


@dataclass(frozen=True)
class Factorisation:
    """E ~ S A^T.

    Attributes:
        amounts: S, ``(n, K)``.
        axes: A, ``(d, K)``.
    """

    amounts: Tensor
    axes: Tensor


def semi_nmf(rows: Tensor, n_factors: int, seed: int) -> Factorisation:
    """Minimise |E - S A^T|^2 over S >= 0 (Ding, Li and Jordan, PAMI 2010, section 3).

    A is the least-squares solution given S, and S climbs by multiplicative updates; it starts from K-means, the memberships
    raised by 0.2 as its authors do.

    Args:
        rows: E, ``(n, d)``.
        n_factors: K.
        seed: Of K-means.
    """
    from sklearn.cluster import KMeans

    groups = KMeans(n_factors, n_init=4, random_state=seed).fit(rows.numpy()).labels_
    e = rows.double()
    amounts = F.one_hot(torch.from_numpy(groups).long(), n_factors).double() + 0.2
    for _ in range(_STEPS):
        axes = _axes(e, amounts)
        amounts = _multiplied(amounts, e @ axes, axes.T @ axes)
    axes = _axes(e, amounts)
    size = axes.norm(dim=0).clamp(min=_TINY)
    return Factorisation((amounts * size).float(), (axes / size).float())


def non_negative_weights(targets: Tensor, gram: Tensor) -> Tensor:
    """Return S >= 0, float32 ``(n, K)``, that minimises |E - S A^T|^2, from E A ``(n, K)`` and A^T A ``(K, K)``."""
    pull, inner = targets.double(), gram.double()
    scale = pull.abs().amax(1, keepdim=True).clamp(min=_TINY) / inner.diagonal().mean().clamp(min=_TINY)
    weights = scale.expand_as(pull)
    for _ in range(_UPDATES):
        weights = _multiplied(weights, pull, inner)
    return torch.where(targets.abs().amax(1, keepdim=True) > 0, weights, 0.0).float()


def independent_components(rows: Tensor, n_factors: int, seed: int, *, centred: bool = True) -> Factorisation:
    """Return FastICA of ``rows``, the columns of S turned so that their third moment is positive.

    Args:
        rows: E, ``(n, d)``.
        n_factors: K.
        seed: Of the start.
        centred: Take the mean away to find the axes. Rows of unit length that belong to one of K groups each then lie in
            K - 1 dimensions, and one axis is noise; without centring, every row is given with its negative.

    Raises:
        InputError: Fewer than two rows, or rows so much alike that they have no K directions.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    spread = (rows - rows.mean(0) if centred and len(rows) else rows).double()
    power = torch.linalg.eigvalsh(spread.T @ spread)
    if len(rows) < 2 or int((power > _FLAT * power.max()).sum()) < n_factors:
        raise InputError(
            f"the rows are too few, or too much alike, for {n_factors} independent components; ask for fewer"
        )
    fit = FastICA(n_factors, whiten="unit-variance", random_state=seed, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # where it stands then is still a rotation
        fit.fit((rows if centred else torch.cat([rows, -rows])).double().numpy())
    axes, unmixing = torch.from_numpy(fit.mixing_).float(), torch.from_numpy(fit.components_).float()
    amounts = rows @ unmixing.T
    sign = torch.where(amounts.pow(3).sum(0) < 0, -1.0, 1.0)
    return Factorisation(amounts * sign, axes * sign)


def rotated_axes(rows: Tensor, n_factors: int, seed: int) -> Factorisation:
    """Return the leading right singular vectors of ``rows`` ``(n, d)``, turned by varimax so that a row has few of them."""
    _, _, vt = torch.linalg.svd(rows.double(), full_matrices=False)
    axes = vt[:n_factors].T
    axes = axes @ varimax(rows.double() @ axes)
    amounts = rows.double() @ axes
    sign = torch.where(amounts.pow(3).sum(0) < 0, -1.0, 1.0)
    return Factorisation((amounts * sign).float(), (axes * sign).float())


def varimax(loadings: Tensor, *, max_iterations: int = 500, tolerance: float = 1e-6) -> Tensor:
    """Return the rotation that maximises the summed column variances of squared ``loadings @ R`` (Kaiser 1958).

    Ascends by the polar factor of the criterion's gradient until it gains less than ``tolerance`` of itself.

    Args:
        loadings: ``(n, k)``.
        max_iterations: Upper limit of steps.
        tolerance: When to stop.

    Returns:
        Orthogonal, float64 ``(k, k)``.
    """
    a = loadings.double()
    rotation = torch.eye(a.shape[1], dtype=torch.float64)
    reached = 0.0
    for _ in range(max_iterations):
        b = a @ rotation
        gradient = a.T @ (b.pow(3) - b * b.square().mean(0))
        u, values, vt = torch.linalg.svd(gradient)
        rotation = u @ vt
        value = float(values.sum())
        if value <= reached * (1.0 + tolerance):
            break
        reached = value
    return rotation


def _axes(e: Tensor, amounts: Tensor) -> Tensor:
    """Return A = E^T S (S^T S)^-1, by the pseudo-inverse, since two columns may fall together."""
    inverse: Tensor = torch.linalg.pinv(amounts.T @ amounts, hermitian=True)
    return e.T @ amounts @ inverse


def _multiplied(amounts: Tensor, pull: Tensor, gram: Tensor) -> Tensor:
    """Return S updated from E A and A^T A, each split into positive and negative parts; the squared error cannot grow."""
    up = pull.clamp(min=0) + amounts @ (-gram).clamp(min=0)
    down = (-pull).clamp(min=0) + amounts @ gram.clamp(min=0)
    return amounts * (up / down.clamp(min=_TINY)).sqrt()
