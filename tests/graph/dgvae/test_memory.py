"""Memory grows with interactions and words used, as a step over more words than a dense computation could hold shows."""

from __future__ import annotations

import resource

import pyarrow as pa
import torch

from distaff_data.datasets.content import Content, counted
from distaff_data.datasets.interactions import Interactions
from distaff_graph.dgvae.models import DGVAE

USERS, ITEMS, WORDS = 500, 1500, 60_000  # words squared are 14 GB
TAKEN, WORDS_AN_ITEM = 6, 40


def peak() -> float:
    """Most memory this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def test_a_step_holds_nothing_of_the_size_of_words_squared() -> None:
    generator = torch.Generator().manual_seed(0)
    items = (torch.arange(USERS * TAKEN) % ITEMS).numpy()
    users = torch.arange(USERS).repeat_interleave(TAKEN).numpy()
    data = Interactions.from_arrays(users, items)
    at = torch.arange(ITEMS).repeat_interleave(WORDS_AN_ITEM).numpy()
    words = torch.randperm(WORDS, generator=generator).numpy()
    vocabulary = pa.array([f"word {n}" for n in range(WORDS)], pa.string())
    content = Content(vocabulary, counted(at, words, (ITEMS, WORDS)))
    model = DGVAE(n_intents=3, embedding_dim=16, batch_size=256, min_df=1, max_df=1.0)
    before = peak()
    model.network = model.build(data.with_content(content), generator, torch.device("cpu"))
    assert len(model.lexicon.words) == WORDS
    torch.stack(list(model.losses(torch.arange(256)).values())).sum().backward()
    assert peak() - before < 1.0
