"""Tiny interactions with content: a block's items have the block's words, and vectors near each other."""

from __future__ import annotations

import torch
from block_data import checkerboard

from distaff_data.datasets.content import Content
from distaff_data.datasets.interactions import Interactions

BLOCK_WORDS = ("amber", "basalt", "cobalt", "dune")


def with_words(data: Interactions, *, n_blocks: int = 2, seed: int = 0) -> Interactions:
    """Item i has a word of its block, i modulo ``n_blocks``, four of the block's variants, and one that all share."""
    generator = torch.Generator().manual_seed(seed)
    items, words = [], []
    for item in range(data.n_items):
        block = int(data.item_ids[item].as_py()) % n_blocks
        variants = torch.randperm(8, generator=generator)[:4].tolist()
        own = [BLOCK_WORDS[block], *(f"{BLOCK_WORDS[block]} {v}" for v in variants), f"any {item % 5}", "everywhere"]
        items += [data.item_ids[item].as_py()] * len(own)
        words += own
    blocks = torch.tensor([int(i) % n_blocks for i in data.item_ids.to_pylist()])
    vectors = torch.eye(max(n_blocks, 2))[blocks] + 0.1 * torch.randn(
        data.n_items, max(n_blocks, 2), generator=generator
    )
    return data.with_content(Content.from_words(items, words, data.item_ids, {"text": vectors}))


def worded_checkerboard(n_users: int = 40, n_items: int = 30, *, n_blocks: int = 2, held_out: int = 2) -> Interactions:
    """:func:`block_data.checkerboard` with words."""
    return with_words(checkerboard(n_users, n_items, n_blocks=n_blocks, held_out=held_out), n_blocks=n_blocks)
