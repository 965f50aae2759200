"""The bodies between tokens and vectors: a Transformer, or the convolutions and recurrences it is compared with.

Every body takes tokens ``(n, L, d)`` to vectors of the same shape. One that reads tokens in order, and knows at each only
what came before (``in_order``), must be given [CLS] last; the others see both ways, a ResNet as far as its kernels reach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff_timeseries.timedrl.dropout import dropout

Architecture = Literal["transformer", "tcn", "lstm", "resnet"]


class Body(nn.Module):
    """Layers from tokens to vectors.

    Attributes:
        in_order: Whether a vector knows only its own token and those before.
    """

    in_order: ClassVar[bool] = False


class AttentionBlock(nn.Module):
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
        """Return tokens ``(n, L, d)``."""
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


class Transformer(Body):
    """Attention blocks, one after another."""

    def __init__(self, d_model: int, n_heads: int, n_layers: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(AttentionBlock(d_model, n_heads, dropout) for _ in range(n_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens that have been through every block."""
        for block in self.blocks:
            x = block(x)
        return x


class TCN(Body):
    """Residual pairs of causal convolutions whose dilation doubles from block to block (Bai, Kolter and Koltun 2018)."""

    in_order = True
    _KERNEL = 3

    def __init__(self, d_model: int, n_layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.pairs = nn.ModuleList(
            nn.ModuleList(nn.Conv1d(d_model, d_model, self._KERNEL, dilation=2**layer) for _ in range(2))
            for layer in range(n_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens; rows to the left of the first count as 0."""
        x = x.transpose(1, 2)
        for layer, pair in enumerate(self.pairs):
            hidden = x
            for convolution in pair:  # type: ignore[attr-defined]
                padded = F.pad(hidden, ((self._KERNEL - 1) * 2**layer, 0))
                hidden = dropout(F.relu(convolution(padded)), self.dropout, self.training)
            x = F.relu(x + hidden)
        return x.transpose(1, 2)


class LSTM(Body):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), layer on layer."""

    in_order = True

    def __init__(self, d_model: int, n_layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.layers = nn.ModuleList(nn.LSTM(d_model, d_model, batch_first=True) for _ in range(n_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return hidden states of the last layer, with dropout after every layer."""
        for layer in self.layers:
            x = dropout(layer(x)[0], self.dropout, self.training)
        return x


class ResNet(Body):
    """Residual blocks of three convolutions, 7, 5 and 3 tokens wide (Wang, Yan and Oates, IJCNN 2017)."""

    def __init__(self, d_model: int, n_layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.blocks = nn.ModuleList(nn.Sequential(*self._block(d_model)) for _ in range(n_layers))

    @staticmethod
    def _block(d_model: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for width in (7, 5, 3):
            # The normalisation has the bias.
            convolution = nn.Conv1d(d_model, d_model, width, padding=width // 2, bias=False)
            layers += [convolution, nn.BatchNorm1d(d_model), nn.ReLU()]
        return layers[:-1]

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens; each block is added to its input."""
        x = x.transpose(1, 2)
        for block in self.blocks:
            x = dropout(F.relu(x + block(x)), self.dropout, self.training)
        return x.transpose(1, 2)


def body(architecture: Architecture, *, d_model: int, n_heads: int, n_layers: int, dropout: float) -> Body:
    """Return the body of that name; ``n_heads`` is the Transformer's alone."""
    if architecture == "transformer":
        return Transformer(d_model, n_heads, n_layers, dropout)
    kinds: dict[str, Callable[[int, int, float], Body]] = {"tcn": TCN, "lstm": LSTM, "resnet": ResNet}
    return kinds[architecture](d_model, n_layers, dropout)
