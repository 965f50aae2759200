"""Learning classes with the encoder unfrozen, from as many labels as count, after the pretext or instead of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff.model.base import Epoch, Session
from distaff.series.blocks import blocks
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff_timeseries.timedrl.model import TimeDRL


def finetune(model: TimeDRL, data: Series, session: Session) -> None:
    """Cross entropy of a linear map of instance embeddings; the network that validation likes best stays.

    The linear map is thrown away: whatever the encoder has become, it is measured frozen, by the same head as all others.

    Raises:
        InputError: The data has no labels.
    """
    if not data.classes:
        raise InputError(f"dataset {data.name!r} has no labels to learn from; leave finetune_epochs at 0")
    train, valid = (model.labelled(data, split) for split in ("train", "valid"))
    network, config = model.network, model.config
    torch.manual_seed(session.seed)
    head = nn.Linear(config.d_model * network.geometry.n_groups, len(data.classes)).to(session.device)
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=config.finetune_lr, weight_decay=config.weight_decay)
    best, kept, worse = float("inf"), _copy(network), 0
    for epoch in range(1, config.finetune_epochs + 1):
        network.train()
        order = torch.randperm(len(train[0]), generator=session.generator(-epoch))
        sums = 0.0
        for block in order.split(config.batch_size):
            loss = _loss(model, head, train, block, session.device).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            sums += float(loss.detach()) * len(block)
        found = _validated(model, head, valid, session.device) if len(valid[0]) else {}
        session.report(Epoch(config.max_epochs + epoch, {"classes": sums / len(order)}, found))
        if not found:
            continue
        if found["finetune"] < best:
            best, kept, worse = found["finetune"], _copy(network), 0
        else:
            worse += 1
        if worse == config.patience:
            break
    if len(valid[0]):
        network.load_state_dict(kept)
    network.eval()


def _loss(
    model: TimeDRL, head: nn.Module, labelled: tuple[Windows, Tensor], block: Tensor, device: torch.device
) -> Tensor:
    windows, codes = labelled
    instances = model.vectors(*model.take(windows, block))[:, :, 0].flatten(1)
    return F.cross_entropy(head(instances), codes[block].to(device), reduction="none")


@torch.no_grad()
def _validated(
    model: TimeDRL, head: nn.Module, labelled: tuple[Windows, Tensor], device: torch.device
) -> dict[str, float]:
    model.network.eval()
    losses = torch.cat([_loss(model, head, labelled, block, device) for block in blocks(labelled[0])])
    return {"finetune": float(losses.mean())}


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
