"""The frozen graph of items: nearest neighbours in each modality, mixed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff_data.datasets.content import Weighted

_BLOCK = 1024  # rows of similarities held at once


def nearest(vectors: Tensor, k: int) -> Tensor:
    """Return the ``k`` items of highest cosine, the item itself included; (n, d) to int64 (n, k), -1 where there are fewer.

    Items without a vector (NaN or zero) have no neighbours and are nobody's.
    """
    present = vectors.isfinite().all(1) & vectors.any(1)
    rows = F.normalize(torch.where(present.unsqueeze(1), vectors, 0.0))
    k = min(k, int(present.sum()))
    out = torch.full((len(vectors), k), -1, dtype=torch.long)
    for start in range(0, len(rows), _BLOCK):
        similarity = rows[start : start + _BLOCK] @ rows.T
        similarity[:, ~present] = -torch.inf
        out[start : start + _BLOCK] = similarity.topk(k, 1).indices
    return out.masked_fill_(~present.unsqueeze(1), -1)


def nearest_documents(documents: Weighted, k: int) -> Tensor:
    """Return what :func:`nearest` does, for sparse rows of length 1, such as items' words by tf-idf."""
    matrix = documents.scipy()
    transposed = matrix.T.tocsr()
    present = torch.from_numpy(matrix.getnnz(1) > 0)
    k = min(k, int(present.sum()))
    out = torch.full((matrix.shape[0], k), -1, dtype=torch.long)
    for start in range(0, matrix.shape[0], _BLOCK):
        similarity = torch.from_numpy((matrix[start : start + _BLOCK] @ transposed).toarray())
        similarity[:, ~present] = -torch.inf
        out[start : start + _BLOCK] = similarity.topk(k, 1).indices
    return out.masked_fill_(~present.unsqueeze(1), -1)


def mix(neighbours: Mapping[str, Tensor], weights: Mapping[str, float]) -> Weighted:
    """Return A = sum over modalities of weight times neighbours / k, ``(n_items, n_items)``.

    As every row has k ones, DGVAE's r_i^-1/2 r_j^-1/2 with row sums r is 1 / k for each edge: a directed graph whose
    rows sum to 1, where the item has a vector in every modality. An item without any keeps itself.

    Args:
        neighbours: From :func:`nearest`, by modality.
        weights: By modality; they are scaled to sum to 1.
    """
    from scipy.sparse import csr_matrix, diags

    total = sum(weights[name] for name in neighbours)
    n_items = len(next(iter(neighbours.values())))
    graph = csr_matrix((n_items, n_items))
    for name, nearby in neighbours.items():
        rows, places = torch.nonzero(nearby >= 0, as_tuple=True)
        values = torch.full((rows.numel(),), weights[name] / total / max(nearby.shape[1], 1), dtype=torch.float64)
        entries = values.numpy(), (rows.numpy(), nearby[rows, places].numpy())
        graph = graph + csr_matrix(entries, shape=graph.shape)
    rest = 1.0 - graph.sum(1).A1 if hasattr(graph.sum(1), "A1") else 1.0 - graph.sum(1)
    return Weighted.from_scipy(graph + diags(rest.clip(0) * (rest > 1e-9)))
