"""One training step of DCCF on Gowalla (d 32, 2 layers, 128 intents, batch 10,240) beside an edge-level computation.

The peer does what the authors' code does, which itself needs a GPU and kernels that are not on the package index:
gathers and ``index_add`` over edges, normalised copies at both ends of each, plain InfoNCE, the default Adam.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import edge_reference as reference
import torch
from benchmarks.gowalla import read
from benchmarks.stepping import stepper

from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.sampling import Sampler

PEER = "edge-level DCCF"
REPEATS = 3
SAMPLES = 10_240


def ours(data: Path) -> Callable[[], None]:
    (train,) = read(data, "train")
    return stepper(DCCF(batch_size=SAMPLES), train)


def peer(data: Path) -> Callable[[], None]:
    (train,) = read(data, "train")
    n_users, n_items = train.n_rows, train.n_cols
    graph = reference.Graph.of(train.row_index(), train.indices, n_users, n_items)
    generator = torch.Generator().manual_seed(0)
    shapes = ((n_users + n_items, 32), (32, 128), (32, 128))
    tables = [torch.nn.Parameter(torch.nn.init.xavier_normal_(torch.empty(s), generator=generator)) for s in shapes]
    nodes, user_intents, item_intents = tables
    optimizer = torch.optim.Adam(tables, lr=1e-3)
    batches = cycle(islice(Sampler(train).over_users(2 * SAMPLES, generator).batches(SAMPLES), 2))

    def step() -> None:
        batch = next(batches)
        triples = batch.users, batch.positives + n_users, batch.negatives + n_users
        xs, views = reference.dccf_layers(graph, nodes, user_intents, item_intents, 2)
        items = batch.unique_positives + n_users
        loss = reference.bpr(torch.stack(xs).sum(0), *triples)
        loss = loss + 0.1 * reference.contrastive(views, batch.unique_users, items, 1.0, len(items))
        loss = loss + 2.5e-5 * sum(nodes[rows].square().sum() for rows in triples)
        loss = loss + 5e-3 * (user_intents.square().sum() + item_intents.square().sum())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step
