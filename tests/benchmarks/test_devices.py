"""What is timed on a device does its work there: a step and an epoch of each kind, and ranking."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from distaff_data.datasets.csr import Csr
from distaff_graph.collaborative.lightgcn import CutStep, LightGCN


@pytest.fixture
def stepping(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    return importlib.import_module("benchmarks.stepping")


def _train() -> Csr:
    rows = torch.arange(40).repeat_interleave(5)
    return Csr.from_pairs(rows, (rows * 7 + torch.arange(200)) % 30, 40, 30)


def test_an_epoch_takes_all_steps_and_a_step_one(stepping: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    model, train = LightGCN(batch_size=64), _train()
    taken: list[int] = []
    losses = model.losses

    def counted(batch: CutStep) -> dict[str, Tensor]:
        taken.append(1)
        return losses(batch)

    monkeypatch.setattr(model, "losses", counted)
    whole = stepping.epochs(model, train)
    before = [value.detach().clone() for value in model.network.parameters()]
    whole()
    assert len(taken) == -(-train.nnz // 64)
    assert not all(torch.equal(old, new) for old, new in zip(before, model.network.parameters(), strict=True))
    taken.clear()
    step = stepping.stepper(model, train)
    step()
    assert taken == [1]


def test_seconds_are_of_the_repetitions_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    devices = importlib.import_module("benchmarks.devices")
    done: list[int] = []
    row = devices.timed(lambda: done.append(1), torch.device("cpu"), 3)
    assert len(done) == 4
    assert row["seconds"] >= 0
    assert row["peak_gb"] is None
    assert set(devices.TASKS) == {"dccf-epoch", "lightgcn-epoch", "dgvae-step", "timedrl-step", "evaluate", "score"}
