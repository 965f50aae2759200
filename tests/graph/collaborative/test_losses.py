from __future__ import annotations

import edge_reference as reference
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck

from distaff_graph.collaborative import losses as contrast
from distaff_graph.collaborative.losses import bpr, info_nce


def views(n: int, rows: int = 9, d: int = 4, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    torch.manual_seed(0)
    return [F.normalize(torch.randn(rows, d, dtype=dtype)).requires_grad_() for _ in range(n)]


@pytest.fixture(params=[1 << 21, 20], ids=["one block", "blocks of two rows"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrast, "_CPU_CELLS", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("temperature", [0.025, 0.1, 1.0])
def test_info_nce_equals_the_plain_one_in_value_and_gradient(temperature: float) -> None:
    given = views(4, dtype=torch.float32)
    fast = info_nce(given[0], given[1:], temperature)
    fast_grads = torch.autograd.grad(fast, given)
    exact = [view.detach().double().requires_grad_() for view in given]
    plain = sum(reference.info_nce(exact[0], view, temperature) for view in exact[1:]) / 9
    assert isinstance(plain, Tensor)
    torch.testing.assert_close(fast.double(), plain, rtol=1e-5, atol=1e-5)
    # The plain one normalises once more, which removes the part of its gradient along a row: compare without it.
    for got, expected, row in zip(fast_grads, torch.autograd.grad(plain, exact), exact, strict=True):
        across = got.double() - (got * row).sum(1, keepdim=True) * row
        torch.testing.assert_close(across, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("block")
def test_info_nce_passes_gradcheck() -> None:
    assert gradcheck(lambda *given: info_nce(given[0], given[1:], 0.5, divisor=3), tuple(views(3)))


def test_info_nce_divides_by_the_divisor() -> None:
    given = views(2)
    torch.testing.assert_close(info_nce(given[0], given[1:], 1.0, divisor=3), 3 * info_nce(given[0], given[1:], 1.0))


def test_info_nce_is_one_directional() -> None:
    a, b = views(2)
    assert not torch.isclose(info_nce(a, [b], 0.3), info_nce(b, [a], 0.3))


def test_info_nce_stays_finite_at_the_lowest_temperature() -> None:
    anchor = torch.eye(4)
    assert torch.isfinite(info_nce(anchor, [-anchor], 0.025))


def test_bpr_is_the_mean_of_log_sigmoids_and_does_not_overflow() -> None:
    positive, negative = torch.tensor([1.0, -200.0]), torch.tensor([0.0, 200.0])
    expected = (torch.log1p(torch.exp(torch.tensor(-1.0))) + 400.0) / 2
    torch.testing.assert_close(bpr(positive, negative), expected)
