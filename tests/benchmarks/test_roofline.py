"""The limit of a machine: the longest of the times that resources need, and work counted as a plain count has it."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture
def roofline(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    return importlib.import_module("benchmarks.roofline")


def test_the_slowest_resource_bounds(roofline: ModuleType) -> None:
    rates = {"arithmetic": 100.0, "memory": 10.0}
    assert roofline.bound({"arithmetic": 50.0, "memory": 1.0}, rates) == {"seconds": 0.5, "by": "arithmetic"}
    assert roofline.bound({"arithmetic": 50.0, "memory": 20.0}, rates) == {"seconds": 2.0, "by": "memory"}


def test_rates_are_measured_only_of_what_is_needed(roofline: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "multiplied_a_second", lambda: 1e9)
    monkeypatch.setattr(roofline, "copied_a_second", lambda: 1e8)
    asked = list[tuple[int, int]]()

    def fetched(n_rows: int, n_cols: int) -> float:
        asked.append((n_rows, n_cols))
        return 1e6

    monkeypatch.setattr(roofline, "fetched_a_second", fetched)
    assert roofline.limit(roofline.Work(2e9, 1e8))["by"] == "arithmetic"
    assert asked == []
    least = roofline.limit(roofline.Work(2e9, 1e8, fetched=3e6, table=(7, 5), counted="what"))
    assert least == {
        "seconds": 3.0,
        "by": "fetching",
        "rates": {"arithmetic": 10**9, "memory": 10**8, "fetching": 10**6},
        "counted": "what",
    }
    assert asked == [(7, 5)]


def test_a_step_counts_its_products_forward_and_backward(roofline: ModuleType) -> None:
    layer = torch.nn.Linear(5, 3, bias=False)
    x = torch.rand(7, 5)

    def step() -> None:
        layer(x).sum().backward()

    work = roofline.work_of_step(step, 15)
    assert work.flops == 2 * (2 * 7 * 5 * 3)  # the product, and the gradient of the weights; none of x is asked for
    assert work.bytes == 7 * 15 * 4


def test_the_machine_has_rates(roofline: ModuleType) -> None:
    assert roofline.fetched_a_second(100, 8) > 0
