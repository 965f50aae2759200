"""Dropout that draws a byte a number, eight to a random word: drawing is most of what dropout costs on a CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_STEPS = 256


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Return numbers of which a share is set to zero and the others are scaled up; as they are when not training.

    On a CPU the share is rounded to the nearest 1/256, and the scale is the rounded share's own, so that the expectation is
    exact. Draws come from torch's global generator.

    Args:
        x: Any shape.
        rate: Share dropped, from 0 to below 1.
        training: Whether to drop.
    """
    if not training or rate == 0.0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate)
    threshold = min(round(rate * _STEPS), _STEPS - 1)
    if threshold == 0:
        return x
    dropped: Tensor = _Dropped.apply(x, threshold)  # type: ignore[no-untyped-call]
    return dropped


class _Dropped(torch.autograd.Function):
    """Multiplies by the same mask in both directions; the mask is kept as bytes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: int) -> Tensor:
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device).random_(-(1 << 63), None)
        kept = (words.view(torch.uint8)[: x.numel()] >= threshold).view(x.shape)
        ctx.save_for_backward(kept)
        ctx.scale = _STEPS / (_STEPS - threshold)
        return torch.mul(x, kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return torch.mul(gradients[0], kept).mul_(ctx.scale), None
