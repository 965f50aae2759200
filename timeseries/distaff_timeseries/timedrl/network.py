"""The network of TimeDRL: tokens of a window, their encoder, and the two losses on its vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff_timeseries.kernels import Kernels
from distaff_timeseries.patches import n_patches, patches
from distaff_timeseries.timedrl.config import TimeDRLConfig
from distaff_timeseries.timedrl.dropout import dropout
from distaff_timeseries.timedrl.encoder import Encoder


@dataclass(frozen=True)
class Geometry:
    """The sizes of a configuration on a dataset: channels C, groups G, rows of a window T and of a patch P."""

    n_channels: int
    n_groups: int
    length: int
    patch_len: int
    stride: int

    @property
    def token(self) -> int:
        """Numbers in a token."""
        return self.n_channels * self.patch_len // self.n_groups

    @property
    def n_tokens(self) -> int:
        """Tokens of a window, [CLS] included."""
        return n_patches(self.length, self.patch_len, self.stride) + 1

    def patches(self, values: Tensor) -> Tensor:
        """Return patches ``(b, G, T_p, token)`` of windows ``(b, T, C)``."""
        return patches(values, self.patch_len, self.stride, channel_independent=self.n_groups == self.n_channels)


class TimeDRLNetwork(nn.Module):
    """The encoder, the predictor of patches, and the predictor of the other view's instance embedding."""

    def __init__(self, config: TimeDRLConfig, geometry: Geometry) -> None:
        super().__init__()
        self.geometry, d = geometry, config.d_model
        self.kernels = (
            Kernels(
                geometry.n_channels // geometry.n_groups, geometry.length, config.n_proportions, torch.default_generator
            )
            if config.tokens == "proportions"
            else None
        )
        width = geometry.token if self.kernels is None else self.kernels.n_features
        self.dropout, self.low_precision = config.dropout, config.precision == "bfloat16"
        # In the space of tokens, so that it takes the same way through the encoder as they do.
        self.cls = nn.Parameter(torch.randn(geometry.n_groups, 1, width))
        self.encoder = Encoder(
            token=width,
            n_tokens=geometry.n_tokens,
            d_model=d,
            architecture=config.architecture,
            n_heads=config.n_heads,
            n_layers=config.n_layers,
            dropout=config.dropout,
            token_embedding=config.token_embedding,
            kernel=config.kernel,
            position=config.position,
        )
        self.reconstruct = nn.Linear(d, geometry.token)
        self.predict = nn.Sequential(
            nn.Linear(d, d // 2), nn.BatchNorm1d(d // 2), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(d // 2, d)
        )

    def apart(self, values: Tensor) -> Tensor:
        """Return groups of channels as windows of their own, ``(b * G, T, C / G)`` of ``(b, T, C)``."""
        b, length, _ = values.shape
        return values.reshape(b, length, self.geometry.n_groups, -1).transpose(1, 2).flatten(0, 1)

    def tokens(self, values: Tensor) -> Tensor:
        """Return tokens ``(b, G, T_p, token)`` of windows ``(b, T, C)`` as the encoder sees them."""
        g = self.geometry
        if self.kernels is None:
            return g.patches(values)
        shares = self.kernels.local_proportions(self.apart(values), g.patch_len, g.stride)
        return (2 * shares - 1).view(len(values), g.n_groups, *shares.shape[1:])

    def forward(self, tokens: Tensor, views: int = 1) -> Tensor:
        """Return vectors ``(views * b * G, T_p + 1, d)`` of tokens ``(b, G, T_p, token)``: the instance first."""
        cls = self.cls.expand(len(tokens), -1, -1, -1)
        return self.encoder(torch.cat([cls, tokens], 2).flatten(0, 1), views)  # type: ignore[no-any-return]

    def losses(self, tokens: Tensor, target: Tensor, measured: Tensor, *, stop_gradient: bool) -> tuple[Tensor, Tensor]:
        """Return the predictive and the contrastive loss of two views, unweighted scalars.

        Args:
            tokens: To encode, ``(b, G, T_p, token)``.
            target: Patches to predict, ``(b, G, T_p, C * P / G)``.
            measured: Where those were measured, bool of the same shape.
            stop_gradient: Whether the other view's embedding is held fixed.
        """
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self.low_precision):
            encoded = self(tokens, views=2)
            predicted = self.reconstruct(dropout(encoded[:, 1:], self.dropout, self.training))
        wanted, counts = (patches.flatten(0, 1).repeat(2, 1, 1) for patches in (target, measured))
        away = (predicted.float() - wanted).square() * counts
        first, second = encoded[:, 0].float().chunk(2)
        goals = (first.detach(), second.detach()) if stop_gradient else (first, second)
        # Each view through the predictor on its own: batch normalisation is over one view.
        similarities = [
            F.cosine_similarity(goal, self.predict(view), dim=1).mean()
            for goal, view in zip(goals, (second, first), strict=True)
        ]
        return away.sum() / counts.sum().clamp(min=1), -0.5 * (similarities[0] + similarities[1])
