"""A model's training step or epoch as a function of no arguments, outside the training loop and its bookkeeping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import torch

from distaff.recommenders.gradient import GradientRecommender
from distaff_data.datasets.content import Content
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.dgvae.vae import VariationalRecommender

_CPU = torch.device("cpu")

Trained = GradientRecommender | VariationalRecommender


def stepper(
    model: Trained, train: Csr, content: Content | None = None, device: torch.device = _CPU
) -> Callable[[], None]:
    """One step of ``model`` on ``train`` a call: the batch, the losses, their gradients and the optimizer."""
    take, epoch = _prepared(model, train, content, device)
    batches = _endless(epoch)
    return lambda: take(next(batches))


def epochs(model: Trained, train: Csr, device: torch.device = _CPU) -> Callable[[], None]:
    """One epoch of ``model`` on ``train`` a call: all of its steps, and the drawing of their batches."""
    take, epoch = _prepared(model, train, None, device)

    def whole() -> None:
        for batch in epoch():
            take(batch)

    return whole


def _prepared(
    model: Trained, train: Csr, content: Content | None, device: torch.device
) -> tuple[Callable[[Any], None], Callable[[], Iterator[Any]]]:
    """Return what takes a step with a batch, and what draws the batches of an epoch."""
    empty = Csr(torch.zeros_like(train.indptr), train.indices[:0], train.n_cols)
    # Identifiers play no part in a step.
    nobody = pa.nulls(train.n_rows, pa.string()), pa.nulls(train.n_cols, pa.string())
    data = Interactions("gowalla", *nobody, train, empty, empty)
    data = data if content is None else data.with_content(content)
    generator = torch.Generator().manual_seed(0)
    model.network = model.build(data, generator, device)
    optimizer = model.optimizer()

    def take(batch: Any) -> None:
        losses = model.losses(batch)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()

    return take, lambda: model.batches(data, generator)


def _endless(epoch: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    while True:
        yield from epoch()
