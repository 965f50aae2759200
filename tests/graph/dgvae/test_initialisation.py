from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from distaff.testing.data import BLOCK_WORDS, worded_checkerboard
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.dgvae.models import DGVAE, MacridVAE
from distaff_graph.dgvae.network import DGVAENetwork

BLOCKS = 4


@pytest.fixture(scope="module")
def data() -> Interactions:
    return worded_checkerboard(n_users=80, n_items=60, n_blocks=BLOCKS, held_out=0)


def started(data: Interactions, start: str, seed: int = 0) -> tuple[DGVAE, DGVAENetwork]:
    model = DGVAE(n_intents=BLOCKS, embedding_dim=8, min_df=2, max_df=0.9, start=start)
    return model, model.build(data, torch.Generator().manual_seed(seed), torch.device("cpu"))


def test_factors_begin_with_the_items_and_the_words_of_one_block(data: Interactions) -> None:
    model, network = started(data, "spectral")
    assert network.word_branch is not None
    items = network.item_branch.log_memberships().exp().argmax(1)
    words = network.word_branch.log_memberships().exp().argmax(1)
    blocks = torch.tensor([int(i) % BLOCKS for i in data.item_ids.to_pylist()])
    own = [set(items[blocks == block].tolist()) for block in range(BLOCKS)]
    assert all(len(factors) == 1 for factors in own)
    assert len(set.union(*own)) == BLOCKS
    for word, factor in zip(model.lexicon.words.to_pylist(), words.tolist(), strict=True):
        if word.split()[0] in BLOCK_WORDS:
            assert {factor} == own[BLOCK_WORDS.index(word.split()[0])]


def test_rows_are_turned_and_keep_their_lengths_and_what_nobody_took_stays(data: Interactions) -> None:
    rows, cols = data.train.row_index(), data.train.indices
    kept = cols != 7
    without = replace(data, train=Csr.from_pairs(rows[kept], cols[kept], data.n_users, data.n_items))
    drawn, turned = (started(without, start)[1].item_branch for start in ("random", "spectral"))
    for name in ("vectors", "prototypes"):
        torch.testing.assert_close(getattr(drawn, name).norm(dim=1), getattr(turned, name).norm(dim=1))
    torch.testing.assert_close(drawn.weight[:, :8].norm(dim=1), turned.weight[:, :8].norm(dim=1))
    torch.testing.assert_close(drawn.weight[:, 8:], turned.weight[:, 8:])
    torch.testing.assert_close(drawn.vectors[7], turned.vectors[7])
    assert not torch.equal(drawn.vectors[6], turned.vectors[6])


def test_the_same_seed_starts_at_the_same_place(data: Interactions) -> None:
    one, two = (started(data, "spectral", seed=3)[1].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_model_of_items_alone_can_start_there_too(data: Interactions) -> None:
    model = MacridVAE(n_intents=BLOCKS, embedding_dim=8, start="spectral")
    network = model.build(data, torch.Generator().manual_seed(0), torch.device("cpu"))
    items = network.item_branch.log_memberships().exp().argmax(1)
    assert all(len(set(items[block::BLOCKS].tolist())) == 1 for block in range(BLOCKS))
