"""Shares of components in a blend: not negative, of sum 1, and of least squared error."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

_OWN = 60.0  # independent stretches of an entity's errors that weigh as much as those of all entities


def least_squares_shares(gram: Tensor) -> Tensor:
    """Return the w of least w' G w among those that are not negative and sum to 1, ``(..., K)``, of ``(..., K, K)``.

    The least lies inside one face of the simplex, where it is a linear system: all faces of a few components are tried.
    """
    n, problems = gram.shape[-1], gram.flatten(0, -3) if gram.dim() > 2 else gram.unsqueeze(0)
    best = problems.new_full((len(problems),), torch.inf)
    chosen = problems.new_zeros(len(problems), n)
    chosen[:, 0] = 1
    for size in range(1, n + 1):
        eye = torch.eye(size, dtype=gram.dtype)
        for face in map(list, combinations(range(n), size)):
            within = problems[:, face][:, :, face]
            jitter = 1e-9 * within.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-30)
            share = torch.linalg.solve(within + jitter.view(-1, 1, 1) * eye, torch.ones(size, dtype=gram.dtype))
            share = share / share.sum(1, keepdim=True)
            error = torch.einsum("nk,nkl,nl->n", share, within, share)
            better = (share >= 0).all(1) & (error < best * (1 - 1e-6))
            best = torch.where(better, error, best)
            wide = torch.zeros_like(chosen)
            wide[:, face] = share
            chosen = torch.where(better.unsqueeze(1), wide, chosen)
    return chosen.view(*gram.shape[:-1]).float()


def drawn_together(grams: Tensor, stretches: Tensor) -> Tensor:
    """Return each entity's products of errors with those of all mixed in, in units of its best component's.

    Args:
        grams: Mean products of components' errors, float64 ``(E, C, K, K)``; 0 of an entity without any.
        stretches: How many independent stretches they are of, ``(E,)``.

    Returns:
        ``(E + 1, C, K, K)``, the last of which is of an entity about which nothing is known.
    """
    least = grams.diagonal(dim1=2, dim2=3).amin(2)
    known = least > 0
    own = torch.where(known[..., None, None], grams / least.clamp(min=1e-30)[..., None, None], 0.0)
    common = own.sum(0) / known.sum(0).clamp(min=1)[..., None, None]
    weight = torch.where(known, stretches.unsqueeze(1), 0.0)[..., None, None]
    return torch.cat([weight * own + _OWN * common, common.unsqueeze(0)])
