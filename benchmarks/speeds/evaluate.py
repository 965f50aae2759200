"""Full-ranking evaluation of all Gowalla users, from random vectors of 64 numbers, beside ``implicit``'s.

The peer gets its faster setting: threads of its own, each with single-threaded BLAS. It computes four metrics at one
length; ours computes six at three lengths, those of the catalogue, and keeps every user's values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from benchmarks.gowalla import read
from benchmarks.roofline import FLOAT, Work
from torch import Tensor

from distaff.ranking.metrics import Products, evaluate
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions

PEER = "implicit.evaluation.ranking_metrics_at_k"
REPEATS = 5
KS = (5, 10, 20)
DIM = 64


def vectors(n_users: int, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the same random vectors for both sides, float32."""
    generator = np.random.default_rng(0)
    users, items = (generator.standard_normal((n, DIM), dtype=np.float32) for n in (n_users, n_items))
    return users, items


def ours(data: Path) -> Callable[[], object]:
    interactions, users, items = task(data)
    return lambda: evaluate(Products(users, items), interactions, "test", ks=KS)


def task(data: Path) -> tuple[Interactions, Tensor, Tensor]:
    """Return the interactions, and vectors of all users and items."""
    train, test = read(data, "train", "test")
    empty = Csr(torch.zeros_like(train.indptr), train.indices[:0], train.n_cols)
    nobody = pa.nulls(train.n_rows, pa.string()), pa.nulls(train.n_cols, pa.string())
    users, items = map(torch.from_numpy, vectors(train.n_rows, train.n_cols))
    return Interactions("gowalla", *nobody, train, empty, test), users, items


def least(data: Path) -> Work:
    """Return every tested user's product with every item, in float32; ranks and metrics are not counted."""
    train, test = read(data, "train", "test")
    n_users = int((test.counts() > 0).sum())
    return Work(
        flops=2 * n_users * train.n_cols * DIM,
        bytes=((n_users + train.n_cols) * DIM + train.nnz + test.nnz) * FLOAT,
        counted="float32 products of all users and items",
    )


def peer(data: Path) -> Callable[[], object]:
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.evaluation import ranking_metrics_at_k
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, "blas")
    train, test = (split.scipy() for split in read(data, "train", "test"))
    model = AlternatingLeastSquares(factors=DIM)
    model.user_factors, model.item_factors = vectors(*train.shape)
    return lambda: ranking_metrics_at_k(model, train, test, K=max(KS), show_progress=False, num_threads=0)
