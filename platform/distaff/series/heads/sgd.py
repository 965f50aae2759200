"""Linear heads trained by gradient descent, as papers on representations train theirs: AdamW, with dropout on the features.

The closed forms of :mod:`distaff.series.heads.forecast` and :mod:`distaff.series.heads.classify` reach the optimum
that this approaches. It is here so that published figures can be reproduced by the head they were measured with.
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
class SGDSettings:
    """Settings of a head that is trained.

    Attributes:
        lr: AdamW's learning rate.
        epochs: Passes over the training windows.
        dropout: Share of the features dropped at each step; the intercept stays.
    """

    lr: float = 1e-3
    epochs: int = 30
    dropout: float = 0.1


RowsAndLoss = tuple[Tensor, Callable[[Tensor], Tensor]]
"""Rows ``(b, F)``, the intercept last, and the loss, a scalar, of outputs ``(b, O)`` for them."""


def weights_by_epoch(
    weights: Tensor, n: int, batch: Callable[[Tensor], RowsAndLoss], settings: SGDSettings
) -> Iterator[Tensor]:
    """Yield the weights as they are after each epoch, float32 ``(F, O)``; the same order and dropout each time.

    Args:
        weights: Where to begin, ``(F, O)``.
        n: Windows.
        batch: Of some of them, int64 ``(b,)``.
        settings: See :class:`SGDSettings`.
    """
    trained = nn.Parameter(weights.clone())
    optimizer = torch.optim.AdamW([trained], lr=settings.lr, weight_decay=_WEIGHT_DECAY, fused=True)
    for epoch in range(settings.epochs):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(epoch)
            for block in torch.randperm(n).split(_BATCH):
                rows, loss = batch(block)
                optimizer.zero_grad(set_to_none=True)
                features, intercept = F.dropout(rows[:, :-1], settings.dropout), rows[:, -1:]
                loss(features @ trained[:-1] + intercept * trained[-1]).backward()
                optimizer.step()
        yield trained.detach().clone()
