"""Dropout by bytes: the share, the scale, the gradient and the seed."""

from __future__ import annotations

import pytest
import torch

from distaff_timeseries.timedrl.dropout import dropout


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.999])
def test_share_and_scale_keep_the_expectation(rate: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1001, 1001)
    out = dropout(x, rate, True)
    share = float((out == 0).float().mean())
    assert share == pytest.approx(rate, abs=0.5 / 256 + 0.003)
    assert out.unique().numel() == 2
    exact = min(round(rate * 256), 255) / 256
    assert float(out.max()) == pytest.approx(1 / (1 - exact))


def test_gradient_goes_through_what_was_kept() -> None:
    x = torch.randn(40, 33, dtype=torch.float64, requires_grad=True)
    out = dropout(x, 0.3, True)
    out.square().sum().backward()
    kept = out.detach() != 0
    scale = 256 / (256 - round(0.3 * 256))
    torch.testing.assert_close(x.grad, torch.where(kept, 2 * scale**2 * x.detach(), 0.0))


def test_same_seed_same_numbers_and_off_when_not_training() -> None:
    x = torch.randn(50, 7)
    outs = []
    for _ in range(2):
        torch.manual_seed(3)
        outs.append(dropout(x, 0.2, True))
    assert torch.equal(*outs)
    assert not torch.equal(dropout(x, 0.2, True), dropout(x, 0.2, True))
    assert dropout(x, 0.2, False) is x
    assert dropout(x, 0.0, True) is x
