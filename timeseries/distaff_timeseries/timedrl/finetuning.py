"""Learning classes with the encoder unfrozen, from as many labels as count, after the pretext or instead of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff.model.base import Epoch, Session
from distaff.series.blocks import blocks
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows
from distaff_data.errors import InputError
from distaff_timeseries.timedrl.config import TimeDRLConfig
from distaff_timeseries.timedrl.network import TimeDRLNetwork

Instances = Callable[[Windows, Tensor], Tensor]
"""Maps some windows to their instance embeddings ``(b, F)``, with gradients."""
Labelled = Callable[[Series, str], tuple[Windows, Tensor]]
"""Maps data and a split to the windows whose labels count, and their codes ``(n,)``."""


def finetune(
    network: TimeDRLNetwork,
    instances: Instances,
    labelled: Labelled,
    config: TimeDRLConfig,
    data: Series,
    session: Session,
) -> None:
    """Train a network by the cross entropy of a linear map of its instance embeddings; validation chooses the epoch.

    The linear map is thrown away: whatever the encoder has become, it is measured frozen, by the same head as all others.

    Raises:
        InputError: The data has no labels.
    """
    if not data.classes:
        raise InputError(f"dataset {data.name!r} has no labels to learn from; leave finetune_epochs at 0")
    train, valid = (labelled(data, split) for split in ("train", "valid"))
    torch.manual_seed(session.seed)
    head = nn.Linear(config.d_model * network.geometry.n_groups, len(data.classes)).to(session.device)
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=config.finetune_lr, weight_decay=config.weight_decay)
    best, best_state, worse = float("inf"), _copy(network), 0
    for epoch in range(1, config.finetune_epochs + 1):
        network.train()
        order = torch.randperm(len(train[0]), generator=session.generator(-epoch))
        sums = 0.0
        for block in order.split(config.batch_size):
            loss = _loss(instances, head, train, block).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            sums += float(loss.detach()) * len(block)
        metrics = _validation_metrics(network, instances, head, valid) if len(valid[0]) else {}
        session.report(Epoch(config.max_epochs + epoch, {"classes": sums / len(order)}, metrics))
        if not metrics:
            continue
        if metrics["finetune"] < best:
            best, best_state, worse = metrics["finetune"], _copy(network), 0
        else:
            worse += 1
        if worse == config.patience:
            break
    if len(valid[0]):
        network.load_state_dict(best_state)
    network.eval()


def _loss(instances: Instances, head: nn.Module, labelled: tuple[Windows, Tensor], block: Tensor) -> Tensor:
    windows, codes = labelled
    logits = head(instances(windows, block))
    return F.cross_entropy(logits, codes[block].to(logits.device), reduction="none")


@torch.no_grad()
def _validation_metrics(
    network: TimeDRLNetwork, instances: Instances, head: nn.Module, labelled: tuple[Windows, Tensor]
) -> dict[str, float]:
    network.eval()
    losses = torch.cat([_loss(instances, head, labelled, block) for block in blocks(labelled[0])])
    return {"finetune": float(losses.mean())}


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
