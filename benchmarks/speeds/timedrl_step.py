"""One training step of TimeDRL on ETTh1 (look-back 512, patches 16/16, d 128, 1 layer, 7 channels, 32 windows).

The peer does what the authors' code does, which needs libraries of 2022 itself: a Python call for each window of float64,
two passes of the encoder, attention by ``einsum``, feed-forward nets as convolutions of width 1, 5000 position vectors, the
default AdamW, and every loss read back at each step. Both embed tokens by the circular convolution of the published
configuration and compare with normalised patches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from benchmarks.roofline import Work, work_of_step
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from distaff.model.base import Session
from distaff.model.fitting import fit
from distaff_data.datasets.series import Series
from distaff_data.splits.series import divide
from distaff_timeseries.timedrl.model import TimeDRL

PEER = "TimeDRL as published"
REPEATS = 7
ALSO = ("in_bfloat16",)
LENGTH, PATCH, WIDTH, HEADS, BATCH, DROPOUT = 512, 16, 128, 2, 32, 0.2


def rows(data: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.loadtxt(data / "series" / "ett" / "ETTh1.csv", delimiter=",", skiprows=1, usecols=range(1, 8))


def ours(data: Path) -> Callable[[], None]:
    return stepped(data, "float32")


def in_bfloat16(data: Path) -> Callable[[], None]:
    return stepped(data, "bfloat16")


def least(data: Path) -> Work:
    """Return the products of a step, as ours makes them."""
    model, step = _ready(data, "float32")
    return work_of_step(step, sum(parameter.numel() for parameter in model.network.parameters()))


def stepped(data: Path, precision: str, device: str = "cpu") -> Callable[[], None]:
    return _ready(data, precision, device)[1]


def _ready(data: Path, precision: str, device: str = "cpu") -> tuple[Stepped, Callable[[], None]]:
    """Return the model made ready, and its step."""
    values = rows(data)
    series = divide(Series.from_rows(values, [len(values)]), "rows:8640,2880,2880")
    settings: dict[str, Any] = {"patch_len": PATCH, "stride": PATCH, "d_model": WIDTH, "n_heads": HEADS, "n_layers": 1}
    settings |= {"precision": precision}
    model = Stepped(seq_len=LENGTH, **settings, token_embedding="conv", dropout=DROPOUT, batch_size=BATCH)
    fit(model, series, device=device)
    optimizer = model.optimizer()
    batches = model.endless(series)

    def step() -> None:
        losses = model.losses(next(batches))
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()

    return model, step


class Stepped(TimeDRL):
    """TimeDRL made ready to train, and then stepped by hand."""

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Build, and leave it at that."""
        self.network = self.build(data, session.generator(), session.device).train()

    def endless(self, data: Series) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch after another."""
        generator = torch.Generator().manual_seed(0)
        while True:
            yield from self.batches(data, generator)


def peer(data: Path) -> Callable[[], None]:
    values = rows(data)[:8640]
    scaled = (values - values.mean(0)) / values.std(0)
    network = PublishedTimeDRL(LENGTH, 7)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    loader = DataLoader(Sliding(scaled), BATCH, shuffle=True, drop_last=True)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def step() -> None:
        optimizer.zero_grad()
        x = next(batches).float()
        predictive, contrastive = network(x)
        loss = predictive + 0.5 * contrastive
        loss.backward()
        optimizer.step()
        _ = predictive.item(), contrastive.item(), loss.item()

    return step


class Sliding(Dataset[np.ndarray[tuple[int, int], np.dtype[np.float64]]]):
    """A window a call."""

    def __init__(self, values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values) - LENGTH + 1

    def __getitem__(self, index: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return self.values[index : index + LENGTH]


class PublishedTimeDRL(nn.Module):
    """The model as the authors compute it, channels one by one."""

    def __init__(self, length: int, n_channels: int) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.randn(1, n_channels, PATCH))
        self.embedding = nn.Conv1d(PATCH, WIDTH, 3, padding=1, padding_mode="circular", bias=False)
        self.position = nn.Parameter(torch.randn(1, 5000, WIDTH))
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.wide, self.narrow = nn.Conv1d(WIDTH, 4 * WIDTH, 1), nn.Conv1d(4 * WIDTH, WIDTH, 1)
        self.norm1, self.norm2, self.norm = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.dropout = nn.Dropout(DROPOUT)
        self.reconstruct = nn.Linear(WIDTH, PATCH)
        self.predict = nn.Sequential(
            nn.Linear(WIDTH, WIDTH // 2),
            nn.BatchNorm1d(WIDTH // 2),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(WIDTH // 2, WIDTH),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return both losses of a batch ``(b, T, C)``."""
        first, patches = self._encode(x)
        second, _ = self._encode(x)
        stamps = [F.mse_loss(self.reconstruct(self.dropout(z[:, 1:])), patches) for z in (first, second)]
        i1, i2 = first[:, 0], second[:, 0]
        h1, h2 = self.predict(i1), self.predict(i2)
        alike = F.cosine_similarity(i1.detach(), h2, dim=1).mean() + F.cosine_similarity(i2.detach(), h1, dim=1).mean()
        return (stamps[0] + stamps[1]) / 2, -alike / 2

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-5)
        padded = F.pad(x.transpose(1, 2), (0, PATCH), mode="replicate")
        unfolded = padded.unfold(2, PATCH, PATCH)
        patches = unfolded.reshape(-1, *unfolded.shape[2:])
        cls = self.cls.repeat(len(x), 1, 1).reshape(-1, 1, PATCH)
        tokens = torch.cat([cls, patches], 1)
        z = self.embedding(tokens.permute(0, 2, 1)).transpose(1, 2) + self.position[:, : tokens.shape[1]]
        z = self.dropout(z)
        z = self.norm1(z + self.dropout(self._attend(z)))
        y = self.dropout(F.gelu(self.wide(z.transpose(-1, 1))))
        return self.norm(self.norm2(z + self.dropout(self.narrow(y).transpose(-1, 1)))), patches

    def _attend(self, z: Tensor) -> Tensor:
        n, length, _ = z.shape
        q, k, v = (linear(z).view(n, length, HEADS, -1) for linear in (self.q, self.k, self.v))
        scores = torch.einsum("blhe,bshe->bhls", q, k)
        weights = self.dropout(torch.softmax(scores / (WIDTH // HEADS) ** 0.5, dim=-1))
        mixed: Tensor = self.out(torch.einsum("bhls,bshd->blhd", weights, v).contiguous().view(n, length, -1))
        return mixed
