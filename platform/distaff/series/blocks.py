"""Blocks of windows, so that encoding all of them fits into memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from distaff_data.datasets.windows import Windows

BLOCK = 256  # windows encoded at a time


def blocks(windows: Windows) -> Iterator[Tensor]:
    """Yield positions of windows in turn, int64, at most ``BLOCK`` at a time."""
    yield from torch.arange(len(windows)).split(BLOCK)
