"""A model's training step as a function of no arguments, outside the training loop and its bookkeeping."""

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


def stepper(
    model: GradientRecommender | VariationalRecommender, train: Csr, content: Content | None = None
) -> Callable[[], None]:
    """One step of ``model`` on ``train`` a call, on the CPU: the batch, the losses, their gradients and the optimizer."""
    empty = Csr(torch.zeros_like(train.indptr), train.indices[:0], train.n_cols)
    # Identifiers play no part in a step.
    nobody = pa.nulls(train.n_rows, pa.string()), pa.nulls(train.n_cols, pa.string())
    data = Interactions("gowalla", *nobody, train, empty, empty)
    data = data if content is None else data.with_content(content)
    generator = torch.Generator().manual_seed(0)
    model.network = model.build(data, generator, torch.device("cpu"))
    optimizer = model.optimizer()
    batches = _endless(model, data, generator)

    def step() -> None:
        losses = model.losses(next(batches))
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()

    return step


def _endless(
    model: GradientRecommender | VariationalRecommender, data: Interactions, generator: torch.Generator
) -> Iterator[Any]:
    while True:
        yield from model.batches(data, generator)
