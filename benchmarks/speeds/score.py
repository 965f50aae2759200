"""Top-20 lists of all 29,858 Gowalla users from one LightGCN run (d 64), beside ``implicit``'s ``recommend``.

Both rank the same vectors over the 40,981 items, leave out what each user took, and give items and scores. The peer gets
the setting that it recommends and is fastest in: one call for all users, threads of its own, each with single-threaded
BLAS. Reported beside it: ``published``, our whole command: the model loaded and checked, the lists with the users' own
ids in Parquet shards, and one commit to the warehouse.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmarks.gowalla import lightgcn
from benchmarks.roofline import FLOAT, Work

from distaff.ranking.metrics import best_items, exclusion
from distaff.recommenders.base import Recommender
from distaff.recommenders.score import score_run
from distaff.runs.records import model_folder
from distaff_data.splits import SPLITS

PEER = "implicit recommend, threads of its own"
REPEATS = 5
ALSO = ("published",)
UNITS = ("users", 29_858)
TOP_K = 20


def _model(data: Path) -> Recommender:
    workspace, run = lightgcn(data)
    return Recommender.load(model_folder(workspace, run))


def ours(data: Path) -> Callable[[], object]:
    model = _model(data)
    users, excluded = torch.arange(model.data.n_users), exclusion(model.data, SPLITS)
    return lambda: best_items(model.ranker(), users, excluded, TOP_K)


def peer(data: Path) -> Callable[[], object]:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, "blas")
    model = _model(data)
    excluded, tensors = exclusion(model.data, SPLITS).scipy(), model.state()
    als: Any = AlternatingLeastSquares(factors=tensors["users"].shape[1])
    als.user_factors, als.item_factors = tensors["users"].numpy(), tensors["items"].numpy()
    users = torch.arange(model.data.n_users).numpy()
    return lambda: als.recommend(users, excluded, N=TOP_K)


def least(data: Path) -> Work:
    """Return every user's product with every item, in float32; choosing the best among them is not counted."""
    users, items = (_model(data).state()[side] for side in ("users", "items"))
    return Work(
        flops=2 * len(users) * items.numel(),
        bytes=(users.numel() + items.numel() + 2 * TOP_K * len(users)) * FLOAT,
        counted="float32 products of all users and items",
    )


def published(data: Path) -> Callable[[], object]:
    workspace, run = lightgcn(data)
    return lambda: score_run(workspace, run, top_k=TOP_K)
