"""Linear heads trained by gradient descent, as papers on representations train theirs: AdamW, with dropout on the features.

The closed forms of :mod:`distaff.series.heads.forecast` and :mod:`distaff.series.heads.classify` reach the optimum
that this walks towards. It is here so that published figures can be reproduced by the head they were measured with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WEIGHT_DECAY = 1e-4
_BATCH = 32  # windows of a step


@dataclass(frozen=True)
class Descent:
    """How a head is trained.

    Attributes:
        lr: AdamW's learning rate.
        epochs: Passes over the training windows.
        dropout: Share of the features dropped at each step; the intercept stays.
    """

    lr: float = 1e-3
    epochs: int = 30
    dropout: float = 0.1


Batch = tuple[Tensor, Callable[[Tensor], Tensor]]
"""Rows ``(b, F)``, the intercept last, and the loss, a scalar, of outputs ``(b, O)`` for them."""


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
            for block in torch.randperm(n).split(_BATCH):
                rows, loss = batch(block)
                optimizer.zero_grad(set_to_none=True)
                features, intercept = F.dropout(rows[:, :-1], how.dropout), rows[:, -1:]
                loss(features @ trained[:-1] + intercept * trained[-1]).backward()
                optimizer.step()
        yield trained.detach().clone()
