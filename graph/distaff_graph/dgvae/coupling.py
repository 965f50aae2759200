"""The coupling of two branches: each reads the other, and factor k of one is held to factor k of the other."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def attention(queries: Tensor, keys: Tensor) -> Tensor:
    """Return att(Q, K, K) of DGVAE: the weights by which the factors of one branch read those of the other.

    (tanh(Q K^T) * sigmoid(mean L1 - L1(Q, K))) for each user, where the mean runs over a row: alike in direction, and
    closer than the others.

    Args:
        queries: Q, ``(b, K, d)``.
        keys: K, ``(b, K, d)``.

    Returns:
        Weights ``(b, K, K)``; the result is their product with ``keys``.
    """
    distance = (queries.unsqueeze(2) - keys.unsqueeze(1)).abs().sum(3)
    return (queries @ keys.transpose(1, 2)).tanh() * (distance.mean(2, keepdim=True) - distance).sigmoid()


def mutual_information_bound(interactions: Tensor, text: Tensor) -> Tensor:
    """Return the Jensen-Shannon bound, negated: factor k of one branch with factor k of the other, against the rest.

    Negatives are the other factors of the same user, which is what drives the factors apart.

    Args:
        interactions: C|T, read by the words from the interactions, ``(b, K, d)``.
        text: T|C, read by the interactions from the words, ``(b, K, d)``.

    Returns:
        Mean over users and factors of softplus(-same) + mean over others of softplus(other); 0 for one factor.
    """
    n_factors = interactions.shape[1]
    if n_factors == 1:
        return interactions.new_zeros(())
    similarity = interactions @ text.transpose(1, 2)
    same = similarity.diagonal(dim1=1, dim2=2)
    others = F.softplus(similarity)
    negative = (others.sum(2) - others.diagonal(dim1=1, dim2=2)) / (n_factors - 1)
    return (F.softplus(-same) + negative).mean()
