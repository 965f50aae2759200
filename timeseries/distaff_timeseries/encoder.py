"""A Transformer encoder over patches, with [CLS] in front."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff_timeseries.dropout import dropout

TokenEmbedding = Literal["linear", "conv"]
Position = Literal["none", "fixed", "learnable"]


class Block(nn.Module):
    """Full attention and a feed-forward net, each added to its input and normalised afterwards (Vaswani et al. 2017)."""

    def __init__(self, d_model: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads, self.dropout = n_heads, dropout
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.wide = nn.Linear(d_model, 4 * d_model)
        self.narrow = nn.Linear(4 * d_model, d_model)
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens ``(n, L, d)`` to tokens."""
        n, length, width = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.n_heads, width // self.n_heads).permute(2, 0, 3, 1, 4)
        mixed = self._attend(q, k, v)
        x = self.norm1(x + self._drop(self.out(mixed.transpose(1, 2).reshape(n, length, width))))
        hidden = self._drop(F.gelu(self.wide(x)))
        out: Tensor = self.norm2(x + self._drop(self.narrow(hidden)))
        return out

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if q.device.type != "cpu" or not self.training or self.dropout == 0.0:
            return F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        # The fused kernel has no dropout on a CPU, and its fallback draws the slow way.
        weights = torch.softmax(q @ k.transpose(2, 3) * q.shape[3] ** -0.5, 3)
        return self._drop(weights) @ v

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training)


class Encoder(nn.Module):
    """Tokens ``(n, L, token)`` to vectors ``(views * n, L, d)``; views of the same tokens differ by their dropout alone.

    Args:
        token: Numbers in a token.
        n_tokens: L, [CLS] included.
        d_model: d.
        n_heads: Attention heads.
        n_layers: Blocks.
        dropout: Share of numbers dropped, everywhere.
        token_embedding: ``linear``, as the paper's equations have it; ``conv`` is the published configurations' circular
            convolution, through which [CLS] and the last patches see each other before any attention.
        kernel: Width of that convolution.
        position: What is added to tell positions apart.
    """

    def __init__(
        self,
        *,
        token: int,
        n_tokens: int,
        d_model: int,
        n_heads: int,
        n_layers: int,
        dropout: float,
        token_embedding: TokenEmbedding,
        kernel: int,
        position: Position,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.embedding: nn.Module
        if token_embedding == "linear":
            self.embedding = nn.Linear(token, d_model, bias=False)
        else:
            self.embedding = nn.Conv1d(token, d_model, kernel, padding=kernel // 2, padding_mode="circular", bias=False)
            nn.init.kaiming_normal_(self.embedding.weight, nonlinearity="leaky_relu")
        if position == "learnable":
            self.position = nn.Parameter(0.02 * torch.randn(n_tokens, d_model))
        else:
            fixed = _waves(n_tokens, d_model) if position == "fixed" else torch.zeros(n_tokens, d_model)
            self.register_buffer("position", fixed, persistent=False)
        self.blocks = nn.ModuleList(Block(d_model, n_heads, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, tokens: Tensor, views: int = 1) -> Tensor:
        """Embed once, then encode every view, one after another along the first axis."""
        if isinstance(self.embedding, nn.Conv1d):
            x = self.embedding(tokens.transpose(1, 2)).transpose(1, 2)
        else:
            x = self.embedding(tokens)
        x = (x + self.position).repeat(views, 1, 1)
        x = dropout(x, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out


def _waves(n: int, width: int) -> Tensor:
    """Sines and cosines of falling frequency, ``(n, width)``."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(n).unsqueeze(1) * rate
    waves = torch.zeros(n, width)
    waves[:, 0::2], waves[:, 1::2] = angle.sin(), angle.cos()[:, : width // 2]
    return waves
