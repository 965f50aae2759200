"""Training steps on a device: no tensor made without saying where, no waiting, and the same numbers as on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from device_audit import Numberless, Recorder, audited, carried_out_without_numbers
from torch import Tensor

from distaff.recommenders.base import Recommender
from distaff.testing.data import worded_checkerboard
from distaff_graph.dgvae.vae import VariationalRecommender

SMALL: dict[str, Any] = {"embedding_dim": 8, "batch_size": 32}
WORDED = {**SMALL, "n_intents": 2, "min_df": 2, "max_df": 0.9}
MODELS: list[tuple[str, dict[str, Any]]] = [
    ("dccf", {**SMALL, "n_intents": 4, "samples_per_epoch": 64}),
    ("dccf", {**SMALL, "n_intents": 4, "samples_per_epoch": 64, "reg_on": "all", "users_a_part": 10}),
    ("lightgcn", SMALL),
    ("lightgcn", {**SMALL, "edge_keep": 0.8, "reg_on": "all"}),
    ("multivae", {**SMALL, "n_hidden": 8}),
    ("macridvae", {**SMALL, "n_intents": 2}),
    ("macridvae_graph", WORDED),
    ("dgvae", WORDED),
    ("graphsage", SMALL),
    ("gat", SMALL),
    ("gin", SMALL),
    ("lightgcn_pyg", {**SMALL, "loss": "infonce"}),
    ("vgae", SMALL),
    ("pyg", {**SMALL, "encoder": "torch_geometric.nn.models.GIN", "loss": "softmax", "n_negatives": 3}),
]
IDS = [f"{name}-{n}" for n, (name, _) in enumerate(MODELS)]
KNOWN_WAITS = {
    # The decoder of each branch asks once where the targets of its tiles begin.
    "multivae": ["tolist"],
    "macridvae": ["tolist"],
    "macridvae_graph": ["tolist"],
    "dgvae": ["tolist"] * 2,
    # PyTorch Geometric's layers look for loops among the edges before they add their own, each of them.
    "gat": ["index"] * 2,
    "vgae": ["index"] * 3,
}
WAITLESS = [(name, settings) for name, settings in MODELS if name not in KNOWN_WAITS]

pytestmark = pytest.mark.device


def started(name: str, settings: dict[str, Any], device: str) -> tuple[Any, Any]:
    """Return a model at its start, in training, and its first mini-batch."""
    data = worded_checkerboard(30, 20)
    model: Any = Recommender.named(name)(**settings)
    model.network = model.build(data, torch.Generator().manual_seed(0), torch.device(device))
    model.network.train()
    if name == "lightgcn":
        model._some_rows = None  # on the CPU alone, rows are cut out
    return model, next(iter(model.batches(data, torch.Generator().manual_seed(1))))


def step_of(model: Any, batch: Any) -> Callable[[], dict[str, Tensor]]:
    """Return the part of a step that computes on the device; users' rows are cut out on the host and sent there."""
    if not isinstance(model, VariationalRecommender):
        return partial(model.losses, batch)
    rows, kl_weight = model.rows.take(batch), model._kl_weight()
    return partial(model.network.losses, *rows, kl_weight, *model.term_weights())


@pytest.mark.parametrize(("name", "settings"), MODELS, ids=IDS)
def test_a_step_makes_no_tensor_anywhere_and_waits_for_nothing(name: str, settings: dict[str, Any]) -> None:
    model, batch = started(name, settings, "cpu")
    optimizer = model.optimizer()
    step = step_of(model, batch)
    audited(step, optimizer)  # what is made once is not made in a step
    assert audited(step, optimizer) == KNOWN_WAITS.get(name, [])


@pytest.mark.parametrize(("name", "settings"), WAITLESS, ids=[f"{name}-{n}" for n, (name, _) in enumerate(WAITLESS)])
def test_a_model_is_built_and_takes_its_step_where_there_are_no_numbers(name: str, settings: dict[str, Any]) -> None:
    with Numberless():
        model, batch = started(name, settings, "meta")
    assert {parameter.device.type for parameter in model.network.parameters()} == {"meta"}
    carried_out_without_numbers(step_of(model, batch), model.network.parameters())


SABOTAGE: dict[str, Callable[[Tensor], Any]] = {
    "item": lambda table: table.sum().item(),
    "if": lambda table: bool(table.sum() > 0),
    "cpu": lambda table: table.cpu(),
    "to": lambda table: table.to("cpu"),
    "to a device": lambda table: table.to(torch.device("cpu")),
    "to another type": lambda table: table.to("cpu", torch.float64),
    "numpy": lambda table: np.asarray(table),
    "tolist": lambda table: table.tolist(),
    "nonzero": lambda table: table.nonzero(),
    "mask": lambda table: table[table > 0],
    "unique": lambda table: torch.unique(table),
    "allclose": lambda table: torch.allclose(table, table),
    "made anywhere": lambda table: table + torch.zeros(table.shape),
    "made on the host": lambda table: table + torch.zeros(table.shape, device="cpu"),
}


@pytest.mark.parametrize("what", SABOTAGE)
@pytest.mark.parametrize("name", ["lightgcn", "graphsage"])
def test_a_step_that_waits_or_mixes_is_found(name: str, what: str) -> None:
    model, batch = started(name, SMALL, "cpu")
    assert _found_by_recording(model, batch, SABOTAGE[what]) or what in ("to a device", "made on the host")
    with Numberless():
        model, batch = started(name, SMALL, "meta")
    with pytest.raises((AssertionError, RuntimeError, TypeError)):
        carried_out_without_numbers(_sabotaged(model, batch, SABOTAGE[what]), model.network.parameters())


def _sabotaged(model: Any, batch: Any, harm: Callable[[Tensor], Any]) -> Callable[[], dict[str, Tensor]]:
    def step() -> dict[str, Tensor]:
        harm(model.network.nodes.detach())
        losses: dict[str, Tensor] = model.losses(batch)
        return losses

    return step


def _found_by_recording(model: Any, batch: Any, harm: Callable[[Tensor], Any]) -> bool:
    try:
        return bool(audited(_sabotaged(model, batch, harm), model.optimizer()))
    except (AssertionError, RuntimeError):
        return True


@pytest.mark.parametrize("name", ["lightgcn", "dccf", "graphsage"])
def test_a_mini_batch_that_is_left_on_the_host_is_found(name: str) -> None:
    _, left = started(name, SMALL, "cpu")
    with Numberless():
        model, batch = started(name, SMALL, "meta")
    field = "users" if name == "graphsage" else "batch"
    batch = replace(batch, **{field: getattr(left, field)})
    with pytest.raises((AssertionError, RuntimeError)):
        carried_out_without_numbers(step_of(model, batch), model.network.parameters())


def test_the_audit_finds_what_it_is_for() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight])

    def waiting() -> dict[str, Tensor]:
        scale = float(weight.detach().sum()) + sum(weight.detach().tolist())
        return {"loss": weight.sum() * scale + weight[weight.detach() > 0].sum()}

    assert set(audited(waiting, optimizer)) >= {"_local_scalar_dense", "tolist", "index"}
    with pytest.raises((AssertionError, RuntimeError)):
        audited(lambda: {"loss": (weight * torch.ones(3)).sum()}, optimizer)
    with Recorder() as recorder:
        torch.repeat_interleave(torch.arange(2), torch.tensor([1, 2]))
        torch.repeat_interleave(torch.arange(2), torch.tensor([1, 2]), output_size=3)
    assert recorder.waits == ["repeat_interleave"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize(("name", "settings"), MODELS, ids=IDS)
def test_a_step_on_cuda_gives_what_it_gives_on_the_cpu(name: str, settings: dict[str, Any]) -> None:
    if {"edge_keep", "users_a_part"} & set(settings) or name in (
        "multivae",
        "macridvae",
        "macridvae_graph",
        "dgvae",
        "vgae",
    ):
        pytest.skip("draws on the device are other draws")
    outcomes = []
    for device in ("cpu", "cuda"):
        model, batch = started(name, settings, device)
        losses = list(model.losses(batch).values())
        gradients = torch.autograd.grad(torch.stack(losses).sum(), list(model.network.parameters()))
        outcomes.append([value.detach().cpu() for value in (*losses, *gradients)])
    for ours, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize(("name", "settings"), MODELS, ids=IDS)
def test_a_fit_on_cuda_predicts(name: str, settings: dict[str, Any]) -> None:
    model: Any = Recommender.named(name)(**settings, max_epochs=2)
    data = worded_checkerboard(30, 20)
    model.fit(data, device="cuda")
    assert bool(model.predict(torch.arange(data.n_users)).isfinite().all())
