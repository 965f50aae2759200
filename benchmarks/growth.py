"""What grows with the interactions: ``python benchmarks/growth.py STAGE --interactions N [--json]``.

Each call generates a dataset of N interactions, 50 a user, over an eighth as many items as users, popular ones far more
often than others; goes through one stage; and prints its CPU seconds (which other load on the machine does not change), its
peak memory and what it was made of. Stages:

- ``ingest``: a Parquet file into a workspace, checked, split and published; and read back for training;
- ``step``: one training step of ``--model`` on the whole graph, after one that is not counted;
- ``parts``: one epoch of ``--model`` on parts of ``--part`` users, for DCCF a step a part, and the read-out of all users;
- ``score``: top-20 lists of all users (at most 100,000) from random vectors of 64 numbers.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from benchmarks.stepping import stepper

from distaff.ranking.metrics import Products, best_items
from distaff.recommenders.base import Recommender
from distaff.recommenders.gradient import GradientRecommender
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.ingest import ingest_interactions
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace

EACH, USERS_AN_ITEM = 50, 8  # interactions a user; users for each item
BATCH = 4096
_CHUNK = 20_000  # users drawn at once


def sizes(n: int) -> tuple[int, int]:
    """Return the numbers of users and items of a dataset of ``n`` interactions."""
    n_users = max(n // EACH, 2)
    return n_users, max(n_users // USERS_AN_ITEM, 4 * EACH)


def generate(n: int) -> Csr:
    """Return the matrix ``(n_users, n_items)``, made a few users at a time: under ``n`` entries, since pairs repeat."""
    n_users, n_items = sizes(n)
    generator = torch.Generator().manual_seed(0)
    indices, counts = [], []
    for start in range(0, n_users, _CHUNK):
        lots = torch.rand(min(_CHUNK, n_users - start), EACH, generator=generator)
        items = (lots.pow_(2.5) * n_items).int().clamp_(max=n_items - 1).sort(1).values
        new = torch.ones_like(items, dtype=torch.bool)
        new[:, 1:] = items[:, 1:] != items[:, :-1]
        indices.append(items[new])
        counts.append(new.sum(1))
    indptr = torch.cat([torch.zeros(1, dtype=torch.long), torch.cat(counts).cumsum(0)])
    return Csr(indptr, torch.cat(indices), n_items)


def dataset(train: Csr) -> Interactions:
    """Return the matrix as training data of nobody in particular."""
    empty = Csr(torch.zeros_like(train.indptr), train.indices[:0], train.n_cols)
    return Interactions(
        "grown", pa.nulls(train.n_rows, pa.string()), pa.nulls(train.n_cols, pa.string()), train, empty, empty
    )


def ingest(n: int, model: str, part: int) -> Callable[[], None]:
    train = generate(n)
    folder = Path(tempfile.mkdtemp(prefix="growth-"))
    columns = {"user_id": train.row_index().numpy(), "item_id": train.indices.numpy()}
    pq.write_table(pa.table(columns), folder / "interactions.parquet")
    workspace = Workspace.create(folder / "workspace")

    def work() -> None:
        ingest_interactions(workspace, "grown", folder / "interactions.parquet")
        load_interactions(workspace.warehouse, "grown")

    return work


def step(n: int, model: str, part: int) -> Callable[[], None]:
    settings = {"sampling": "interactions"} if model == "dccf" else {}
    once = stepper(_named(model)(batch_size=BATCH, **settings), generate(n))
    once()
    return once


def parts(n: int, model: str, part: int) -> Callable[[], None]:
    train = generate(n)
    n_parts = -(-train.n_rows // part)
    settings: dict[str, Any] = {"users_a_part": part, "batch_size": BATCH, "max_epochs": 1}
    if model == "dccf":
        settings["samples_per_epoch"] = BATCH * n_parts
    data = dataset(train)

    def work() -> None:
        _named(model)(**settings).fit(data, device="cpu")

    return work


def score(n: int, model: str, part: int) -> Callable[[], None]:
    n_users, n_items = sizes(n)
    generator = np.random.default_rng(0)
    users, items = (torch.from_numpy(generator.standard_normal((k, 64), np.float32)) for k in (n_users, n_items))
    items *= torch.rand(n_items, 1) ** 2  # lengths that differ, as learned ones do
    scored = torch.arange(min(n_users, 100_000))
    history = generate(n).take(scored)
    return lambda: best_items(Products(users, items), scored, history, 20) and None


STAGES = {"ingest": ingest, "step": step, "parts": parts, "score": score}


def measure(stage: str, n: int, model: str, part: int) -> dict[str, Any]:
    """Return the JSON shape: CPU seconds, seconds and memory of one stage."""
    work = STAGES[stage](n, model, part)
    before, start = _cpu_seconds(), time.perf_counter()
    work()
    n_users, n_items = sizes(n)
    return {
        "stage": stage,
        "interactions": n,
        "users": n_users,
        "items": n_items,
        **({"model": model} if stage in ("step", "parts") else {}),
        **({"part": part} if stage == "parts" else {}),
        "cpu_seconds": round(_cpu_seconds() - before, 2),
        "seconds": round(time.perf_counter() - start, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20), 2),
    }


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _named(model: str) -> type[GradientRecommender]:
    kind = Recommender.named(model)
    assert issubclass(kind, GradientRecommender)
    return kind


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU seconds and peak memory of a stage on N interactions.")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--model", choices=("lightgcn", "dccf"), default="dccf")
    parser.add_argument("--part", type=int, default=8192, help="users a part")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)  # CPU seconds then say how much work there is
    cost = measure(args.stage, args.interactions, args.model, args.part)
    print(json.dumps(cost) if args.json else "  ".join(f"{name} {value}" for name, value in cost.items()))


if __name__ == "__main__":
    main()
