"""Where the vectors and prototypes of DGVAE begin: at a spectral co-clustering of items and words by the people they share.

From random vectors, cold memberships make a random partition of the items, which training then lives with: each factor has
a code of its own for every person, so that nothing ever asks for a factor's items to be alike. From here, factors begin as
groups that the same people take (Dhillon, KDD 2001, https://doi.org/10.1145/502512.502550): both matrices are scaled to
D_r^-1/2 B D_c^-1/2 and laid side by side, and their leading singular vectors, less the mean place, which tells nothing,
place items and words in one space. Spherical k-means there gives the prototypes, the same in both halves, so that factor k
has items and words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distaff_data.datasets.content import Weighted
from distaff_graph.dgvae.network import Network


@torch.no_grad()
def start_together(network: Network, items: Weighted, words: Weighted | None, seed: int) -> None:
    """Set vectors, prototypes and the encoders' means of every half, each row as long as it was drawn.

    Args:
        network: Halves with factors.
        items: What people took, ``(n_users, n_items)``.
        words: Their documents, ``(n_users, n_words)``, where there is a half over words.
        seed: Of the decomposition and of k-means.
    """
    from scipy.sparse import hstack
    from sklearn.cluster import KMeans
    from sklearn.utils.extmath import randomized_svd

    halves = [network.rated] if network.written is None else [network.rated, network.written]
    sizes, dim = [len(half.vectors) for half in halves], network.rated.vectors.shape[1]
    parts = [_scaled(part.scipy()) for part in (items, words) if part is not None]
    joined, mass = hstack([part for part, _ in parts]).tocsr(), np.concatenate([sums for _, sums in parts])
    _, values, found = randomized_svd(joined, min(dim, min(joined.shape) - 1), random_state=seed)
    # A column without entries has no place, and k-means no weight for it.
    places = (found * values[:, None] / np.sqrt(np.where(mass > 0, mass, np.inf))).T
    for own in np.split(np.arange(len(mass)), np.cumsum(sizes)[:-1]):
        places[own] -= (mass[own] > 0)[:, None] * np.average(places[own], 0, mass[own])
    units = F.normalize(torch.from_numpy(np.pad(places, ((0, 0), (0, dim - places.shape[1])))).float())
    means = KMeans(network.rated.n_factors, n_init=4, random_state=seed).fit(units.numpy(), sample_weight=mass)
    for half, own in zip(halves, units.split(sizes), strict=True):
        assert half.prototypes is not None
        _turn(half.vectors, own)
        _turn(half.weight[:, :dim], own)
        _turn(half.prototypes, torch.from_numpy(means.cluster_centers_).float())


def _scaled(matrix: Any) -> tuple[Any, Any]:
    """D_r^-1/2 B D_c^-1/2, and the columns' sums."""
    from scipy.sparse import diags

    rows, cols = (np.asarray(matrix.sum(axis)).ravel() for axis in (1, 0))
    left, right = (diags(1 / np.sqrt(np.where(sums > 0, sums, 1.0))) for sums in (rows, cols))
    return left @ matrix @ right, cols / cols.sum()


def _turn(table: Tensor, towards: Tensor) -> None:
    """Turn rows in place, as long as they are; a row without a direction stays."""
    towards = towards.to(table)
    known = towards.any(1, keepdim=True)
    table.copy_(torch.where(known, table.norm(dim=1, keepdim=True) * F.normalize(towards), table))
