"""Nearest neighbours by cosine, exact and block by block: no table of all pairs is ever held."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from distaff.ranking.products import Products
from distaff.ranking.selection import blocks, top_k
from distaff_data.datasets.csr import Csr


def nearest_by_vectors(vectors: Tensor, positions: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k nearest rows of ``vectors`` by cosine, best first; a vector of zeros is at 0 from all.

    Args:
        vectors: ``(n, d)``.
        positions: Rows whose neighbours are asked for, int64 ``(b,)``.
        k: How many, at most ``n``.

    Returns:
        Rows int64 ``(b, k)``, -1 where there are fewer (a row is no neighbour of its own), and cosines float32 ``(b, k)``.
    """
    directions = F.normalize(vectors.float())
    return Products(directions, directions).top_k(positions, _themselves(positions, len(vectors)), k)


def nearest_by_columns(matrix: Csr, positions: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k nearest columns of a binary matrix by cosine, best first; those at 0 are no neighbours.

    Args:
        matrix: ``(m, n)``.
        positions: Columns whose neighbours are asked for, int64 ``(b,)``.
        k: How many, at most ``n``.

    Returns:
        Columns int64 ``(b, k)``, -1 where there are fewer, and cosines float32 ``(b, k)``.
    """
    table = matrix.scipy().tocsc()
    counts = np.maximum(np.asarray(table.sum(0)).ravel(), 1.0)
    unit = (table @ sparse.diags((1.0 / np.sqrt(counts)).astype(np.float32))).tocsc()
    rows = unit.T.tocsr()
    neighbours, scores = [torch.empty(0, k, dtype=torch.long)], [torch.empty(0, k)]
    for block in blocks(positions, matrix.n_cols):
        cosines = torch.from_numpy((rows[block.numpy()] @ unit).toarray())
        cosines[cosines == 0] = -torch.inf
        best, values = top_k(cosines, _themselves(block, matrix.n_cols), k)
        neighbours.append(best)
        scores.append(values)
    return torch.cat(neighbours), torch.cat(scores)


def _themselves(positions: Tensor, n: int) -> Csr:
    """Return the matrix ``(b, n)`` that has a one at each row's own position."""
    return Csr(torch.arange(len(positions) + 1), positions.int(), n)
