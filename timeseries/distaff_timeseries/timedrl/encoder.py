"""Tokens to vectors: an embedding, positions, a body, and a last normalisation; [CLS] in front."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff_timeseries.timedrl.bodies import Architecture, body
from distaff_timeseries.timedrl.dropout import dropout

TokenEmbedding = Literal["linear", "conv", "causal_conv"]
Position = Literal["none", "fixed", "learnable"]


class Encoder(nn.Module):
    """Tokens ``(n, L, token)`` to vectors ``(views * n, L, d)``; views of the same tokens differ by their dropout alone.

    Args:
        token: Numbers in a token.
        n_tokens: L, [CLS] included.
        d_model: d.
        architecture: The body; one that reads in order gets [CLS] last, and its vector is given first all the same.
        n_heads: Attention heads.
        n_layers: Layers of the body.
        dropout: Share of numbers dropped, everywhere.
        token_embedding: ``linear``, as the paper's equations have it; ``conv`` is the published configurations' circular
            convolution, through which [CLS] and the last patches see each other before any attention; ``causal_conv``
            sees the tokens before, of which [CLS] has none.
        kernel: Width of the convolution.
        position: What is added to tell positions apart.
    """

    def __init__(
        self,
        *,
        token: int,
        n_tokens: int,
        d_model: int,
        architecture: Architecture,
        n_heads: int,
        n_layers: int,
        dropout: float,
        token_embedding: TokenEmbedding,
        kernel: int,
        position: Position,
    ) -> None:
        super().__init__()
        self.dropout, self.fixed = dropout, position == "fixed"
        self.around = kernel // 2 if token_embedding == "conv" else 0
        self.before = kernel - 1 if token_embedding == "causal_conv" else 0
        self.embedding: nn.Module
        if token_embedding == "linear":
            self.embedding = nn.Linear(token, d_model, bias=False)
        else:
            self.embedding = nn.Conv1d(token, d_model, kernel, bias=False)
            nn.init.kaiming_normal_(self.embedding.weight, nonlinearity="leaky_relu")
        if position == "learnable":
            self.position = nn.Parameter(0.02 * torch.randn(n_tokens, d_model))
        else:
            fixed = _waves(n_tokens, d_model) if position == "fixed" else torch.zeros(n_tokens, d_model)
            self.register_buffer("position", fixed, persistent=False)
        self.body = body(architecture, d_model=d_model, n_heads=n_heads, n_layers=n_layers, dropout=dropout)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, tokens: Tensor, views: int = 1) -> Tensor:
        """Return the vectors of every view, one after another along the first axis; tokens are embedded once."""
        if self.body.in_order:
            tokens = tokens.roll(-1, 1)
        x = (self.embed(tokens) + self.positions(tokens.shape[1])).repeat(views, 1, 1)
        x = self.body(dropout(x, self.dropout, self.training))
        out: Tensor = self.norm(x.roll(1, 1) if self.body.in_order else x)
        return out

    def embed(self, tokens: Tensor) -> Tensor:
        """Return ``(n, L, d)`` of tokens in the order in which the body reads them."""
        if isinstance(self.embedding, nn.Linear):
            return self.embedding(tokens)  # type: ignore[no-any-return]
        around = F.pad(tokens.transpose(1, 2), (self.around, self.around), mode="circular")
        out: Tensor = self.embedding(F.pad(around, (self.before, 0)))
        return out.transpose(1, 2)

    def positions(self, n_tokens: int) -> Tensor:
        """Return position vectors ``(n_tokens, d)``; those of patches are interpolated to another number of tokens.

        [CLS] keeps its own.
        """
        if n_tokens == len(self.position):
            return self.position
        if self.fixed:
            return _waves(n_tokens, self.position.shape[1]).to(self.position.device)
        cls = -1 if self.body.in_order else 0
        of_cls, others = self.position[cls].unsqueeze(0), self.position[:-1] if cls else self.position[1:]
        stretched = F.interpolate(others.T.unsqueeze(0), size=n_tokens - 1, mode="linear", align_corners=True)[0].T
        return torch.cat([stretched, of_cls] if cls else [of_cls, stretched])


def _waves(n: int, width: int) -> Tensor:
    """Return sines and cosines of falling frequency, ``(n, width)``."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(n).unsqueeze(1) * rate
    waves = torch.zeros(n, width)
    waves[:, 0::2], waves[:, 1::2] = angle.sin(), angle.cos()[:, : width // 2]
    return waves
