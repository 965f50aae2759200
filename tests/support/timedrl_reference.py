"""TimeDRL written out from its equations: one window at a time, two separate views, no fused operation; slow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reference:
    """What the equations give for a batch.

    Attributes:
        instances: ``(b * G, d)``.
        timestamps: ``(b * G, T_p, d)``.
        predictive: L_P.
        contrastive: L_C, unweighted.
    """

    instances: Tensor
    timestamps: Tensor
    predictive: Tensor
    contrastive: Tensor


def timedrl(
    p: Mapping[str, Tensor],
    x: Tensor,
    *,
    patch_len: int,
    stride: int,
    apart: bool,
    n_heads: int,
    raw_target: bool = False,
) -> Reference:
    """Encode a complete batch ``(b, T, C)`` twice, without dropout, with the parameters of ``TimeDRLNetwork``."""
    tokens, targets = [], []
    for window in x:
        mean = window.mean(0)
        normal = (window - mean) / torch.sqrt(window.var(0, correction=0) + 1e-5)
        groups = [[c] for c in range(window.shape[1])] if apart else [list(range(window.shape[1]))]
        for g, channels in enumerate(groups):
            rows = _patches(normal[:, channels], patch_len, stride)
            tokens.append(torch.stack([p["cls"][g, 0], *rows]))
            targets.append(torch.stack(_patches((window if raw_target else normal)[:, channels], patch_len, stride)))
    views = [torch.stack([_encode(p, t, n_heads) for t in tokens]) for _ in range(2)]
    wanted = torch.stack(targets)
    instances = [z[:, 0] for z in views]
    stamps = [z[:, 1:] for z in views]
    predicted = [t @ p["reconstruct.weight"].T + p["reconstruct.bias"] for t in stamps]
    predictive = sum(((found - wanted) ** 2).mean() for found in predicted) / 2
    h1, h2 = (_predictor(p, i) for i in instances)
    cosines = _cosine(instances[0].detach(), h2).mean() + _cosine(instances[1].detach(), h1).mean()
    return Reference(instances[0], stamps[0], torch.as_tensor(predictive), -cosines / 2)


def _patches(window: Tensor, patch_len: int, stride: int) -> list[Tensor]:
    """Patches ``(C * P,)`` of ``(T, C)``: channel by channel within a patch; the last row repeats ``stride`` times."""
    padded = torch.cat([window, window[-1:].repeat(stride, 1)])
    count = (len(window) - patch_len) // stride + 2
    return [
        torch.cat([padded[k * stride : k * stride + patch_len, c] for c in range(window.shape[1])])
        for k in range(count)
    ]


def _encode(p: Mapping[str, Tensor], tokens: Tensor, n_heads: int) -> Tensor:
    weight = p["encoder.embedding.weight"]
    if weight.ndim == 2:
        z = tokens @ weight.T
    else:
        n, width = len(tokens), weight.shape[2]
        z = torch.stack(
            [sum(weight[:, :, k] @ tokens[(i + k - width // 2) % n] for k in range(width)) for i in range(n)]  # type: ignore[misc]
        )
    if "encoder.position" in p:
        z = z + p["encoder.position"]
    layer = 0
    while f"encoder.body.blocks.{layer}.qkv.weight" in p:
        z = _block(
            {k.split(".", 4)[4]: v for k, v in p.items() if k.startswith(f"encoder.body.blocks.{layer}.")}, z, n_heads
        )
        layer += 1
    return _norm(z, p["encoder.norm.weight"], p["encoder.norm.bias"])


def _block(p: Mapping[str, Tensor], z: Tensor, n_heads: int) -> Tensor:
    q, k, v = (z @ p["qkv.weight"].T + p["qkv.bias"]).chunk(3, 1)
    width = z.shape[1] // n_heads
    heads = []
    for h in range(n_heads):
        own = slice(h * width, (h + 1) * width)
        scores = q[:, own] @ k[:, own].T / math.sqrt(width)
        weights = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
        heads.append(weights @ v[:, own])
    mixed = torch.cat(heads, 1) @ p["out.weight"].T + p["out.bias"]
    z = _norm(z + mixed, p["norm1.weight"], p["norm1.bias"])
    hidden = z @ p["wide.weight"].T + p["wide.bias"]
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return _norm(z + hidden @ p["narrow.weight"].T + p["narrow.bias"], p["norm2.weight"], p["norm2.bias"])


def _norm(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    mean = z.mean(1, keepdim=True)
    return (z - mean) / torch.sqrt(((z - mean) ** 2).mean(1, keepdim=True) + 1e-5) * weight + bias


def _predictor(p: Mapping[str, Tensor], z: Tensor) -> Tensor:
    hidden = z @ p["predict.0.weight"].T + p["predict.0.bias"]
    centred = hidden - hidden.mean(0)
    scaled = centred / torch.sqrt((centred**2).mean(0) + 1e-5) * p["predict.1.weight"] + p["predict.1.bias"]
    return torch.clamp(scaled, min=0) @ p["predict.4.weight"].T + p["predict.4.bias"]


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    cosine: Tensor = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    return cosine
