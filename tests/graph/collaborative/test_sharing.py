"""Training shared by processes: the shares of a step sum to the whole, and torchrun's fit is that of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sharing
import torch
from published import publish
from safetensors.torch import load_file
from torch import Tensor

from distaff.model.distributed import World
from distaff.recommenders.gradient import GradientRecommender
from distaff.runs import records
from distaff.testing.data import random_interactions
from distaff_data.workspace import Workspace
from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.lightgcn import LightGCN

pytestmark = pytest.mark.processes

CPU = torch.device("cpu")
SUPPORT = Path(__file__).parents[2] / "support"
STEPS: list[tuple[type[GradientRecommender], dict[str, Any]]] = [
    (LightGCN, {"reg": 0.1}),
    (LightGCN, {"reg_on": "all", "reg": 0.1, "edge_keep": 0.7, "users_a_part": 5}),
    (DCCF, {"n_intents": 5, "sampling": "interactions"}),
    (DCCF, {"n_intents": 5, "samples_per_epoch": 60, "reg_on": "all", "item_divisor": "users", "users_a_part": 5}),
]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(("model", "settings"), STEPS, ids=["lightgcn", "lightgcn parts", "dccf", "dccf parts"])
def test_losses_and_gradients_of_all_shares_sum_to_those_of_one_process(
    model: type[GradientRecommender], settings: dict[str, Any], size: int
) -> None:
    data = random_interactions(12, 9, 0.5)

    def share(world: World) -> tuple[Tensor, list[Tensor]]:
        one = model(embedding_dim=6, batch_size=19, **settings)
        one.world = world
        one.network = one.build(data, torch.Generator().manual_seed(0), CPU)
        losses = torch.zeros(4)
        torch.manual_seed(3)
        for step in one.batches(data, torch.Generator().manual_seed(1)):
            values = torch.stack(list(one.losses(step).values()))
            values.sum().backward()
            losses[: len(values)] += values.detach()
        return losses, [torch.zeros_like(p) if p.grad is None else p.grad for p in one.network.parameters()]

    shares = [share(World(rank, size)) for rank in range(size)]
    losses, grads = share(World())
    torch.testing.assert_close(torch.stack([s[0] for s in shares]).sum(0), losses, rtol=1e-5, atol=1e-5)
    for mine, whole in zip(zip(*(s[1] for s in shares), strict=True), grads, strict=True):
        torch.testing.assert_close(torch.stack(mine).sum(0), whole, rtol=1e-4, atol=1e-5)


def torchrun(*arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]


SHARED: dict[str, dict[str, Any]] = {"lightgcn": {}, "dccf": {"n_intents": 4, "samples_per_epoch": 200}}


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what two processes learned and of what this one did, of each model, as ``sharing`` writes it."""
    folder = tmp_path_factory.mktemp("fits")
    small = {"embedding_dim": 8, "batch_size": 50, "lr": 0.01, "max_epochs": 4, "eval_every": 2}
    wanted = json.dumps({name: small | more for name, more in SHARED.items()})
    torchrun("sharing", wanted, str(folder / "two"))
    sharing.main(wanted, str(folder / "one"))
    return folder


@pytest.mark.parametrize("name", SHARED)
def test_two_processes_learn_what_one_does(name: str, fits: Path) -> None:
    one, first, second = (load_file(fits / f"{f}.{name}.{rank}") for f, rank in (("one", 0), ("two", 0), ("two", 1)))
    for tensor in one:
        assert torch.equal(first[tensor], second[tensor])
        torch.testing.assert_close(first[tensor], one[tensor], rtol=1e-3, atol=1e-4)
    told, expected = (json.loads((fits / f"{f}.{name}.json").read_text()) for f in ("two", "one"))
    assert [list(epoch) for epoch in told] == [list(epoch) for epoch in expected]
    for epoch, other in zip(told, expected, strict=True):
        assert epoch["total"] == pytest.approx(other["total"], rel=1e-3)


def test_torchrun_records_one_run(workspace: Workspace) -> None:
    publish(workspace, random_interactions(30, 20, 0.4))
    dataset = workspace.warehouse.rows("SELECT dataset FROM datasets")[0]["dataset"]
    settings = [f"--set={s}" for s in ("embedding_dim=4", "max_epochs=2", "eval_every=1")]
    torchrun("distaff", "--workspace", str(workspace.root), "train", "lightgcn", dataset, *settings)
    (run,) = records.listing(workspace)
    assert run.status == "done"
    assert [p.name for p in workspace.runs.iterdir()] == [run.run]
