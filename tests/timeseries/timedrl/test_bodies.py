"""Bodies of encoders: what each can see, and the layers against their equations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distaff_timeseries.timedrl.bodies import LSTM, TCN, Architecture, ResNet, body
from distaff_timeseries.timedrl.encoder import Encoder

ARCHITECTURES: list[Architecture] = ["transformer", "tcn", "lstm", "resnet"]


def encoder(architecture: Architecture, **options: Any) -> Encoder:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "token": 3,
        "n_tokens": 6,
        "d_model": 8,
        "n_heads": 2,
        "n_layers": 2,
        "dropout": 0.1,
        "token_embedding": "linear",
        "kernel": 3,
        "position": "learnable",
    }
    return Encoder(architecture=architecture, **{**settings, **options})


def reach(net: Encoder, tokens: Tensor) -> Tensor:
    """Which vectors change with which token, bool ``(L, L)``: row i is what token i touches."""
    base = net(tokens)
    changed = torch.stack([net(tokens + F.one_hot(torch.tensor(i), 6)[None, :, None])[0] for i in range(6)])
    touched: Tensor = (changed - base[0]).abs().amax(2) > 1e-7
    return touched


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_instance_knows_every_patch_and_is_given_first(architecture: Architecture) -> None:
    net = encoder(architecture).eval()
    touched = reach(net, torch.randn(1, 6, 3))
    assert bool(touched[:, 0].all())  # the instance, in column 0, changes with every token
    if architecture in ("tcn", "lstm"):  # patches know what came before, and nothing of [CLS], which is read last
        later = torch.ones(6, 6).triu().bool()
        later[0, 1:] = False
        assert torch.equal(touched[:, 1:], later[:, 1:])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_views_are_equal_without_dropout_and_differ_with_it(architecture: Architecture) -> None:
    net, tokens = encoder(architecture), torch.randn(4, 6, 3)
    first, second = net.train()(tokens, views=2).chunk(2)
    assert not torch.allclose(first, second)
    first, second = net.eval()(tokens, views=2).chunk(2)
    torch.testing.assert_close(first, second)  # halves of a batch may be rounded each in its own way
    torch.testing.assert_close(first, net(tokens), rtol=0, atol=1e-6)


def test_tcn_is_its_sum_over_taps() -> None:
    torch.manual_seed(0)
    net, x = TCN(4, 2, 0.0).eval(), torch.randn(1, 9, 4)
    state, expected = net.state_dict(), x[0]
    for layer, dilation in ((0, 1), (1, 2)):
        hidden = expected
        for half in (0, 1):
            weight, bias = (state[f"pairs.{layer}.{half}.{name}"] for name in ("weight", "bias"))
            rows = [
                bias + sum(weight[:, :, 2 - k] @ hidden[t - k * dilation] for k in range(3) if t >= k * dilation)
                for t in range(9)
            ]
            hidden = torch.stack(rows).clamp(min=0)
        expected = (expected + hidden).clamp(min=0)
    torch.testing.assert_close(net(x)[0], expected, rtol=1e-4, atol=1e-5)


def test_lstm_is_its_gates() -> None:
    torch.manual_seed(0)
    net, x = LSTM(3, 1, 0.0).eval(), torch.randn(1, 5, 3)
    p = {name.removeprefix("layers.0."): value for name, value in net.state_dict().items()}
    hidden, cell, rows = torch.zeros(3), torch.zeros(3), []
    for token in x[0]:
        gates = p["weight_ih_l0"] @ token + p["bias_ih_l0"] + p["weight_hh_l0"] @ hidden + p["bias_hh_l0"]
        enter, keep, new, out = gates.chunk(4)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(new)
        hidden = torch.sigmoid(out) * torch.tanh(cell)
        rows.append(hidden)
    torch.testing.assert_close(net(x)[0], torch.stack(rows), rtol=1e-4, atol=1e-5)


def test_resnet_adds_each_block_to_what_came_in() -> None:
    torch.manual_seed(0)
    net, x = ResNet(4, 1, 0.0).eval(), torch.randn(2, 12, 4)
    block = net.blocks[0]
    assert isinstance(block, torch.nn.Sequential)
    torch.testing.assert_close(net(x), F.relu(x.transpose(1, 2) + block(x.transpose(1, 2))).transpose(1, 2))
    for parameter in block[6].parameters():  # a convolution of zeros leaves the input
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(net(x), F.relu(x))


@pytest.mark.parametrize("architecture", ["transformer", "lstm"])
def test_positions_of_patches_are_interpolated_and_that_of_cls_is_kept(architecture: Architecture) -> None:
    net = encoder(architecture)
    with torch.no_grad():
        ramp = torch.arange(5.0).unsqueeze(1).repeat(1, 8)
        cls = torch.full((1, 8), 99.0)
        net.position.copy_(torch.cat([ramp, cls] if net.body.in_order else [cls, ramp]))
    assert torch.equal(net.positions(6), net.position)
    longer = net.positions(10)
    patches, own = (longer[:-1], longer[-1]) if net.body.in_order else (longer[1:], longer[0])
    assert bool((own == 99).all())
    torch.testing.assert_close(patches[:, 0], torch.linspace(0, 4, 9))
    fixed = encoder(architecture, position="fixed")
    torch.testing.assert_close(fixed.positions(10)[:6], fixed.position)


def test_heads_concern_the_transformer_alone() -> None:
    for architecture in ARCHITECTURES[1:]:
        body(architecture, d_model=8, n_heads=3, n_layers=1, dropout=0.0)
