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
from benchmarks.roofline import FLOAT, Work, adam
from benchmarks.stepping import stepper

from distaff_graph.collaborative.dccf import DCCF
from distaff_graph.collaborative.sampling import Sampler

PEER = "edge-level DCCF"
REPEATS = 3
SAMPLES = 10_240


def ours(data: Path) -> Callable[[], None]:
    (train,) = read(data, "train")
    return stepper(DCCF(batch_size=SAMPLES), train)


def least(data: Path) -> Work:
    """Return the work of both layers over all nodes, as the paper writes them.

    A layer's InfoNCE has three views of users and of items, each with three products of all pairs of the batch's distinct
    nodes (the scores and both gradients). Its propagation is a sparse product each way. Its two masked means have a sparse
    product forward and two backward, and one dot product an edge forward and two backward. Its memberships are two dense
    products each way and one more for each gradient.
    """
    (train,) = read(data, "train")
    batch = next(Sampler(train).over_users(SAMPLES, torch.Generator().manual_seed(0)).batches(SAMPLES))
    d, k, layers, n_nodes, entries = 32, 128, 2, train.n_rows + train.n_cols, 2 * train.nnz
    pairs = batch.unique_users.numel() ** 2 + batch.unique_positives.numel() ** 2
    products, dots = 2 + 2 * 3, 2 * 3  # a layer's, over entries and over edges
    sparse = (products * entries + dots * train.nnz) * 2 * d
    dense = 3 * 3 * pairs * 2 * d + 6 * n_nodes * k * 2 * d
    return Work(
        flops=layers * (sparse + dense),
        bytes=layers * products * (2 * n_nodes * d + 2 * entries) * FLOAT + adam(n_nodes * d),
        fetched=layers * (products * entries + dots * train.nnz) * d * FLOAT,
        table=(n_nodes, d),
        counted="InfoNCE's products of pairs, memberships, sparse products and dot products of both layers; Adam",
    )


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
