"""The decoder: a mixture over factors, p_i proportional to sum_k w_ik exp(z_k . v_i), always in logarithms.

The sum may overflow (z is a sum of two vectors, so |z . v| / temperature exceeds what float32's exp holds); the logarithms
below cannot. The loss walks over items in tiles that stay in cache and makes each tile's scores again for the gradient,
so no tensor of (users, factors, items) is ever stored.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from distaff_data.datasets.content import Weighted

_CELLS = 1 << 20  # scores of a tile: 4 MiB


def log_scores(z: Tensor, vectors: Tensor, log_weights: Tensor) -> Tensor:
    """Return log w_ik + z_k . v_i for all columns.

    Args:
        z: ``(b, K, d)``, divided by the temperature.
        vectors: Vectors of the columns, items or words, ``(M, d)``.
        log_weights: ``(M, K)``.

    Returns:
        ``(b, K, M)``.
    """
    s: Tensor = (z.flatten(0, 1) @ vectors.T).unflatten(0, z.shape[:2])
    return s.add_(log_weights.T)


def mixture_loss(z: Tensor, vectors: Tensor, log_weights: Tensor, targets: Weighted) -> Tensor:
    """Return -(x . log p).sum over columns, mean over users: the multinomial likelihood of the targets x.

    Args:
        z: ``(b, K, d)``, divided by the temperature.
        vectors: ``(M, d)``.
        log_weights: ``(M, K)``.
        targets: x, ``(b, M)``.

    Returns:
        A scalar with gradients to the first three.
    """
    loss: Tensor = _MixtureLoss.apply(z, vectors, log_weights, targets)  # type: ignore[no-untyped-call]
    return loss


class _Tiles:
    """The columns in tiles, each with the targets that lie in it."""

    def __init__(self, z: Tensor, n_columns: int, targets: Weighted) -> None:
        self.size = max(_CELLS // max(z.shape[0] * z.shape[1], 1), 64)
        self.starts = range(0, n_columns, self.size)
        rows, cols = targets.pattern.row_index(), targets.pattern.indices.long()
        order = torch.argsort(cols, stable=True)
        self.rows, self.cols, self.values = rows[order], cols[order], targets.values[order]
        ends = torch.arange(0, n_columns + self.size, self.size, device=cols.device)
        self.bounds = torch.searchsorted(self.cols, ends).tolist()

    def target(self, tile: int) -> tuple[slice, Tensor, Tensor]:
        """Return the place of a tile's targets among all, and their rows and columns within the tile."""
        place = slice(self.bounds[tile], self.bounds[tile + 1])
        return place, self.rows[place], self.cols[place] - tile * self.size


class _MixtureLoss(torch.autograd.Function):
    """With s_bki the log scores and L_b their log-sum-exp over k and i: -sum_i x_bi (log sum_k exp s_bki - L_b)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, vectors: Tensor, log_weights: Tensor, targets: Weighted) -> Tensor:
        tiles = _Tiles(z, len(vectors), targets)
        total = z.new_full((len(z),), -torch.inf)
        at_targets = torch.empty_like(tiles.values)
        for tile, start in enumerate(tiles.starts):
            s = log_scores(z, vectors[start : start + tiles.size], log_weights[start : start + tiles.size])
            place, rows, cols = tiles.target(tile)
            at_targets[place] = s[rows, :, cols].logsumexp(1)
            highest = s.amax((1, 2))
            sums = s.sub_(highest[:, None, None]).exp_().sum((1, 2))
            total = torch.logaddexp(total, highest + sums.log())
        ctx.save_for_backward(z, vectors, log_weights, total, at_targets)
        ctx.tiles = tiles
        return (tiles.values * (total[tiles.rows] - at_targets)).sum() / len(z)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        z, vectors, log_weights, total, at_targets = ctx.saved_tensors
        tiles: _Tiles = ctx.tiles
        weight = tiles.values * grads[0] / len(z)
        mass = torch.zeros_like(total).index_add_(0, tiles.rows, weight)
        z_grad, vectors_grad, weights_grad = (
            torch.zeros_like(z).flatten(0, 1),
            torch.empty_like(vectors),
            torch.empty_like(log_weights),
        )
        flat = z.flatten(0, 1)
        for tile, start in enumerate(tiles.starts):
            here = slice(start, start + tiles.size)
            s = log_scores(z, vectors[here], log_weights[here])
            place, rows, cols = tiles.target(tile)
            terms = (s[rows, :, cols] - at_targets[place].unsqueeze(1)).exp_() * weight[place].unsqueeze(1)
            s.sub_(total[:, None, None]).exp_().mul_(mass[:, None, None])
            s.permute(0, 2, 1)[rows, cols] -= terms
            g = s.flatten(0, 1)
            z_grad.addmm_(g, vectors[here])
            torch.mm(g.T, flat, out=vectors_grad[here])
            weights_grad[here] = s.sum(0).T
        return z_grad.view_as(z), vectors_grad, weights_grad, None
