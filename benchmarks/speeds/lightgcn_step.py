"""One training step of LightGCN on Gowalla (3 layers, d 64, batch 2,048) beside PyTorch Geometric's.

The peer has the fastest adjacency that it accepts from packages on the index: a torch CSR tensor, normalised before.
Ours counts the part of sampling that belongs to each step; the peer's batches are made beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from benchmarks.gowalla import read
from benchmarks.roofline import FLOAT, Work, adam
from benchmarks.stepping import stepper

from distaff_graph.collaborative.lightgcn import LightGCN
from distaff_graph.collaborative.sampling import Sampler
from distaff_graph.sparse import Bipartite

PEER = "torch_geometric.nn.LightGCN, CSR adjacency"
REPEATS = 15
SAMPLES = 2048


def ours(data: Path) -> Callable[[], None]:
    (train,) = read(data, "train")
    return stepper(LightGCN(batch_size=SAMPLES), train)


def least(data: Path) -> Work:
    """Return four sparse products over all edges: of the third layer, and of its gradient, a batch's rows are enough."""
    (train,) = read(data, "train")
    d, n_nodes, entries = 64, train.n_rows + train.n_cols, 2 * train.nnz
    numbers, products = n_nodes * d, 4
    return Work(
        flops=products * entries * 2 * d,
        bytes=products * (2 * numbers + 2 * entries) * FLOAT + adam(numbers),
        fetched=products * entries * d * FLOAT,
        table=(n_nodes, d),
        counted="4 sparse products of all edges; tables read and written once a product; Adam",
    )


def peer(data: Path) -> Callable[[], None]:
    from torch_geometric.nn import LightGCN as Peer

    (train,) = read(data, "train")
    n_users, n_items = train.n_rows, train.n_cols
    graph = Bipartite.build(train)
    # Normalised once: with normalize=True it would be done again in each layer of each step.
    adjacency = graph.matrix(graph.normalised_edges())
    model = Peer(n_users + n_items, embedding_dim=64, num_layers=3, normalize=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    batches = cycle(list(Sampler(train).over_interactions(generator).batches(SAMPLES)))

    def step() -> None:
        batch: Any = next(batches)
        users = torch.cat([batch.users, batch.users])
        items = torch.cat([batch.positives, batch.negatives]) + n_users
        positive, negative = model(adjacency, torch.stack([users, items])).chunk(2)
        nodes = torch.unique(torch.cat([users, items]))
        loss = model.recommendation_loss(positive, negative, node_id=nodes, lambda_reg=1e-4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
