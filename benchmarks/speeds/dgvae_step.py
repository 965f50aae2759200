"""One training step of DGVAE at the sizes of Amazon Baby (batch 512) beside the official code's dense computation.

19,445 users, 7,050 items, 21,340 words, generated: about 6 items and 500 words a user. The peer does what the authors'
code does, written plainly: dense rows, the item graph and the words' identity graph as dense matrices multiplied twice for
each factor, dropout on dense inputs, sums of exponentials. Both fit the same network by Adam.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import dgvae_reference as reference
import numpy as np
import pyarrow as pa
import torch
from benchmarks.roofline import Work, work_of_step
from benchmarks.stepping import stepper
from torch import Tensor

from distaff_data.datasets.content import Content, Weighted, counted
from distaff_data.datasets.csr import Csr
from distaff_graph.dgvae.models import DGVAE

PEER = "dense DGVAE, as the official code computes"
REPEATS = 1  # the peer takes minutes a step
N_USERS, N_ITEMS, N_WORDS, BATCH = 19_445, 7_050, 21_340, 512
ITEMS_A_USER, WORDS_A_USER = 6, 500


def generated() -> tuple[Csr, Content]:
    """Return interactions and documents with Zipf's tails, and two modalities of features."""
    rng = np.random.default_rng(0)

    def pairs(n_rows: int, n: int, n_cols: int) -> tuple[np.ndarray, np.ndarray]:
        return np.repeat(np.arange(n_rows), n), rng.zipf(1.3, n_rows * n) % n_cols

    rows, cols = pairs(N_USERS, ITEMS_A_USER, N_ITEMS)
    train = Csr.from_pairs(torch.from_numpy(rows), torch.from_numpy(cols), N_USERS, N_ITEMS)
    rows = np.repeat(np.arange(N_USERS), WORDS_A_USER)
    documents = counted(rows, rng.integers(0, N_WORDS, rows.size), (N_USERS, N_WORDS))
    lengths = documents.pattern.counts().float().rsqrt()[documents.pattern.row_index()]
    documents = Weighted(documents.pattern, torch.ones(documents.pattern.nnz) * lengths)
    features = {
        name: torch.from_numpy(rng.normal(size=(N_ITEMS, width)).astype(np.float32))
        for name, width in (("text", 384), ("image", 512))
    }
    words = pa.array([f"word {n}" for n in range(N_WORDS)])
    nothing = counted(np.empty(0, np.int64), np.empty(0, np.int64), (N_ITEMS, N_WORDS))
    return train, Content(words, nothing, features, user_words=documents)


def ours(data: Path) -> Callable[[], None]:
    train, content = generated()
    return stepper(DGVAE(batch_size=BATCH), train, content)


def least(data: Path) -> Work:
    """Return the dense products of a step, as ours makes them; its sparse ones are not counted."""
    train, content = generated()
    model = DGVAE(batch_size=BATCH)
    return work_of_step(stepper(model, train, content), sum(value.numel() for value in model.network.parameters()))


def peer(data: Path) -> Callable[[], None]:
    train, content = generated()
    generator = torch.Generator().manual_seed(0)
    graph = 0.96 * reference.knn_graph(content.features["text"], 10)
    graph += 0.04 * reference.knn_graph(content.features["image"], 10)
    identity = torch.eye(N_WORDS)
    branches = [_parameters(n, generator) for n in (N_ITEMS, N_WORDS)]
    optimizer = torch.optim.Adam([value for branch in branches for value in branch.values()], lr=1e-3)
    batches = cycle(torch.randperm(N_USERS, generator=generator).split(BATCH)[:-1])
    assert content.user_words is not None
    documents = content.user_words

    def step() -> None:
        users = next(batches)
        x, words = train.take(users).dense(), torch.from_numpy(documents.take(users).scipy().toarray())
        noise = [(torch.empty(n, 3).exponential_(), torch.randn(len(users), 3, 64)) for n in (N_ITEMS, N_WORDS)]
        losses, _ = reference.losses(
            branches[0],
            branches[1],
            x,
            words,
            graph,
            identity,
            noise,
            tau=0.1,
            std=0.075,
            kl_weight=0.1,
            text_weight=0.2,
            mi_weight=0.4,
            dropout=0.5,
        )
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()

    return step


def _parameters(n_inputs: int, generator: torch.Generator) -> dict[str, Tensor]:
    shapes = {"vectors": (n_inputs, 64), "prototypes": (3, 64), "weight": (n_inputs, 128)}
    tables = {name: torch.nn.init.xavier_normal_(torch.empty(s), generator=generator) for name, s in shapes.items()}
    return {name: value.requires_grad_() for name, value in (tables | {"bias": torch.zeros(128)}).items()}
