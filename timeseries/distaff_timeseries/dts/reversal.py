"""Gradient reversal (Ganin and Lempitsky 2015), and how strong it is as training proceeds."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradients[0], None


def reverse(x: Tensor, weight: float = 1.0) -> Tensor:
    """Return ``x`` itself, whose gradient comes back times ``-weight``: what is above learns, what is below unlearns."""
    reversed_: Tensor = _Reversed.apply(x, weight)  # type: ignore[no-untyped-call]
    return reversed_


def schedule(progress: float) -> float:
    """Return ``2 / (1 + exp(-10 p)) - 1``: from 0 at the beginning (p = 0) to almost 1 at the end of training (p = 1)."""
    return 2.0 / (1.0 + math.exp(-10.0 * min(max(progress, 0.0), 1.0))) - 1.0
