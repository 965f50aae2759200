"""Windows to tokens: instance normalisation and patches, both aware of missing values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_EPSILON = 1e-5


@dataclass(frozen=True)
class Normalised:
    """A window in its own units.

    Attributes:
        values: ``(b, T, C)``, 0 where missing.
        mean: Of each window and channel, ``(b, C)``.
        std: Likewise, above 0, ``(b, C)``.
    """

    values: Tensor
    mean: Tensor
    std: Tensor


def instance_norm(values: Tensor, mask: Tensor) -> Normalised:
    """Return windows less their mean, divided by sqrt(variance + 1e-5), over measured values (RevIN without its affine).

    Args:
        values: 0 where missing, float32 ``(b, T, C)``.
        mask: bool ``(b, T, C)``.
    """
    count = mask.sum(1).clamp(min=1)
    mean = values.sum(1) / count
    centred = (values - mean.unsqueeze(1)) * mask
    std = (centred.square().sum(1) / count + _EPSILON).sqrt()
    return Normalised(centred / std.unsqueeze(1), mean, std)


def n_patches(length: int, patch_len: int, stride: int) -> int:
    """Return the number of patches of a window: floor((T - P) / S) + 2, the last of which holds the repeated end."""
    return (length - patch_len) // stride + 2


def patches(values: Tensor, patch_len: int, stride: int, *, channel_independent: bool) -> Tensor:
    """Return overlapping pieces of windows whose last row is repeated ``stride`` times.

    Args:
        values: ``(b, T, C)``.
        patch_len: P.
        stride: S.
        channel_independent: Whether channels stay apart.

    Returns:
        ``(b, C, T_p, P)``, or ``(b, 1, T_p, C * P)`` with the channels of a patch end to end.
    """
    padded = F.pad(values.transpose(1, 2), (0, stride), mode="replicate")
    pieces = padded.unfold(2, patch_len, stride)
    return pieces if channel_independent else pieces.transpose(1, 2).flatten(2).unsqueeze(1)


def joined(pieces: Tensor, length: int, stride: int) -> Tensor:
    """Return windows ``(b, length, G * c)`` from patches ``(b, G, T_p, c, P)``: the mean of those that hold a row."""
    b, n_groups, count, width, patch_len = pieces.shape
    span = (count - 1) * stride + patch_len
    columns = pieces.permute(0, 1, 3, 4, 2).reshape(b * n_groups * width, patch_len, count)

    def folded(x: Tensor) -> Tensor:
        return F.fold(x, (1, span), (1, patch_len), stride=(1, stride)).view(-1, span)

    rows = folded(columns) / folded(torch.ones_like(columns[:1]))
    return rows.view(b, n_groups * width, span)[:, :, :length].transpose(1, 2)
