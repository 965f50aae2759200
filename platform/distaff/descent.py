"""Linear heads trained by gradient descent, as papers on representations train theirs: AdamW, with dropout on the features.

The closed forms of :mod:`distaff.heads` and :mod:`distaff.classification` reach the optimum that this walks towards.
It is here so that published figures can be reproduced by the head they were measured with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Descent:
    """How a head is trained.

    Attributes:
        lr: AdamW's learning rate.
        epochs: Passes over the training windows.
        dropout: Share of the features dropped at each step.
        batch_size: Windows of a step.
    """

    lr: float = 1e-3
    epochs: int = 30
    dropout: float = 0.1
    batch_size: int = 32


Batch = tuple[Tensor, Callable[[Tensor], Tensor]]
"""Rows ``(b, F)``, and the loss, a scalar, of outputs ``(b, O)`` for them."""


def descend(weights: Tensor, n: int, batch: Callable[[Tensor], Batch], how: Descent) -> Iterator[Tensor]:
    """Weights as they are after each epoch, float32 ``(F, O)``. The order of windows and dropout are the same each time.

    Args:
        weights: Where to begin, ``(F, O)``.
        n: Windows.
        batch: Of some of them, int64 ``(b,)``.
        how: See :class:`Descent`.
    """
    trained = nn.Parameter(weights.clone())
    optimizer = torch.optim.AdamW([trained], lr=how.lr, weight_decay=_WEIGHT_DECAY, fused=True)
    for epoch in range(how.epochs):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(epoch)
            for block in torch.randperm(n).split(how.batch_size):
                rows, loss = batch(block)
                optimizer.zero_grad(set_to_none=True)
                loss(F.dropout(rows, how.dropout) @ trained).backward()
                optimizer.step()
        yield trained.detach().clone()
