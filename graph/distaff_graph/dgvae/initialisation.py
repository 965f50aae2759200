"""The start of DGVAE's vectors and prototypes: a spectral co-clustering of items and words by the people they share.

From random vectors, cold memberships make a random partition of the items, which training then lives with: each factor has
a code of its own for every person, so that nothing ever asks for a factor's items to be alike. From here, factors begin as
groups that the same people take (Dhillon, KDD 2001, https://doi.org/10.1145/502512.502550): both matrices are scaled to
D_r^-1/2 B D_c^-1/2 and laid side by side, and their leading singular vectors, less the mean place, which tells nothing,
place items and words in one space. Spherical k-means there gives the prototypes, the same in both branches, so that factor k
has items and words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distaff_data.datasets.content import Weighted
from distaff_graph.dgvae.network import DGVAENetwork


@torch.no_grad()
def start_together(network: DGVAENetwork, items: Weighted, words: Weighted | None, seed: int) -> None:
    """Set vectors, prototypes and the encoders' means of every branch, each row as long as it was drawn.

    Args:
        network: Branches with factors.
        items: The items that people took, ``(n_users, n_items)``.
        words: Their documents, ``(n_users, n_words)``, where there is a branch over words.
        seed: Seed of the decomposition and of k-means.
    """
    from scipy.sparse import hstack
    from sklearn.cluster import KMeans
    from sklearn.utils.extmath import randomized_svd

    branches = [network.item_branch] if network.word_branch is None else [network.item_branch, network.word_branch]
    sizes, dim = [len(branch.vectors) for branch in branches], network.item_branch.vectors.shape[1]
    blocks = [_scaled(matrix.scipy()) for matrix in (items, words) if matrix is not None]
    joined, mass = hstack([block for block, _ in blocks]).tocsr(), np.concatenate([sums for _, sums in blocks])
    _, values, singular = randomized_svd(joined, min(dim, min(joined.shape) - 1), random_state=seed)
    # A column without entries has no place, and k-means no weight for it.
    places = (singular * values[:, None] / np.sqrt(np.where(mass > 0, mass, np.inf))).T
    for columns in np.split(np.arange(len(mass)), np.cumsum(sizes)[:-1]):
        places[columns] -= (mass[columns] > 0)[:, None] * np.average(places[columns], 0, mass[columns])
    units = F.normalize(torch.from_numpy(np.pad(places, ((0, 0), (0, dim - places.shape[1])))).float())
    means = KMeans(network.item_branch.n_factors, n_init=4, random_state=seed).fit(units.numpy(), sample_weight=mass)
    for branch, directions in zip(branches, units.split(sizes), strict=True):
        assert branch.prototypes is not None
        _turn(branch.vectors, directions)
        _turn(branch.weight[:, :dim], directions)
        _turn(branch.prototypes, torch.from_numpy(means.cluster_centers_).float())


def _scaled(matrix: Any) -> tuple[Any, Any]:
    """Return D_r^-1/2 B D_c^-1/2, and the columns' shares of its sum."""
    from scipy.sparse import diags

    rows, cols = (np.asarray(matrix.sum(axis)).ravel() for axis in (1, 0))
    left, right = (diags(1 / np.sqrt(np.where(sums > 0, sums, 1.0))) for sums in (rows, cols))
    return left @ matrix @ right, cols / cols.sum()


def _turn(table: Tensor, towards: Tensor) -> None:
    """Turn rows in place, as long as they are; a row without a direction stays."""
    towards = towards.to(table)
    directed = towards.any(1, keepdim=True)
    table.copy_(torch.where(directed, table.norm(dim=1, keepdim=True) * F.normalize(towards), table))
