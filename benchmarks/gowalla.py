"""The LightGCN authors' Gowalla split as matrices, read without the warehouse so that nothing else is in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from distaff_data.interactions import Csr


def read(folder: Path, *parts: str) -> list[Csr]:
    """The matrices of ``train.txt`` and so on: lines of ``user item item ...``.

    Args:
        folder: Folder of real data, which holds ``interactions/gowalla_lightgcn``.
        parts: Names such as ``train`` and ``test``.

    Returns:
        One matrix ``(n_users, n_items)`` a part, over the users and items of all of them.
    """
    files = [folder / "interactions" / "gowalla_lightgcn" / f"{part}.txt" for part in parts]
    pairs = [_pairs(file.read_bytes()) for file in files]
    n_users, n_items = (1 + int(max(pair[side].max() for pair in pairs)) for side in (0, 1))
    return [Csr.from_pairs(users, items, n_users, n_items) for users, items in pairs]


def _pairs(text: bytes) -> tuple[torch.Tensor, torch.Tensor]:
    flat = np.array(text.split(), dtype=np.int64)
    counts = np.array([line.count(b" ") for line in (line.strip() for line in text.splitlines()) if line])
    starts = np.concatenate([[0], np.cumsum(counts + 1)])[:-1]
    users = np.repeat(flat[starts], counts)
    return torch.from_numpy(users), torch.from_numpy(np.delete(flat, starts))
