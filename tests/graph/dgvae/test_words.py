from __future__ import annotations

import pyarrow as pa
import pytest
import torch

from distaff.recommenders.words import coherence, top_words
from distaff.testing.data import worded_checkerboard
from distaff_data.datasets.content import Content, Weighted
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_graph.dgvae.models import DGVAE


@pytest.fixture(scope="module")
def data() -> Interactions:
    return worded_checkerboard(n_users=60, held_out=0)  # without validation, so that all epochs count


@pytest.fixture(scope="module")
def model(data: Interactions) -> DGVAE:
    settings = {"n_intents": 2, "embedding_dim": 8, "lr": 0.02, "batch_size": 16, "max_epochs": 60}
    return DGVAE(min_df=2, max_df=0.9, temperature=0.2, text_weight=2.0, **settings).fit(data, seed=3, device="cpu")


def test_words_known_to_all_and_to_few_do_not_count(model: DGVAE) -> None:
    words = model.words.vocabulary.to_pylist()
    assert "everywhere" not in words
    assert "amber" in words
    assert "basalt" in words


def test_the_words_of_a_factor_are_those_of_one_block(model: DGVAE) -> None:
    found = model.words.factor_words()
    torch.testing.assert_close(found.probability.sum(1), torch.ones(2, dtype=torch.float64))
    words = model.words.vocabulary.to_pylist()
    blocks = [[words[w].split()[0] for w in row] for row in top_words(found, 6, model.words.naming).tolist()]
    assert all(max(row.count("amber"), row.count("basalt")) >= 5 for row in blocks)
    assert {max(set(row), key=row.count) for row in blocks} == {"amber", "basalt"}


def test_words_of_a_few_items_name_nothing(data: Interactions) -> None:
    assert data.read_content is not None
    content = data.read_content()
    at, columns = content.item_words.pattern.row_index(), content.item_words.pattern.indices
    items = data.item_ids.take(pa.array(at.numpy())).to_pylist()
    pairs = list(zip(items, content.words.take(pa.array(columns.numpy())).to_pylist(), strict=True))
    known = [item for item, word in pairs if word == "amber"]
    pairs += [(item, f"on {n}") for n in (4, 5) for item in known[:n]]
    more = data.with_content(
        Content.from_words([item for item, _ in pairs], [word for _, word in pairs], data.item_ids)
    )
    model = DGVAE(n_intents=1, embedding_dim=4, max_epochs=1, min_df=2, max_df=0.9).fit(more, device="cpu")
    named = {
        model.words.vocabulary[word].as_py()
        for word in top_words(model.words.factor_words(), 100, model.words.naming)[0].tolist()
    }
    assert "on 4" in model.words.vocabulary.to_pylist()
    assert "on 4" not in named
    assert {"on 5", "amber", "basalt"} <= named
    # One factor is everybody's, so its words are those of all.
    torch.testing.assert_close(
        model.words.factor_words().lift, torch.ones(1, len(model.words.vocabulary), dtype=torch.float64)
    )


def test_a_users_words_are_those_of_their_block(model: DGVAE, data: Interactions) -> None:
    p = model.words.user_words(torch.arange(data.n_users))
    torch.testing.assert_close(p.sum(1), torch.ones(data.n_users))
    words = model.words.vocabulary.to_pylist()
    amber = [i for i, w in enumerate(words) if w.startswith("amber")]
    basalt = [i for i, w in enumerate(words) if w.startswith("basalt")]
    even = p[0::2]
    assert bool((even[:, amber].sum(1) > 3 * even[:, basalt].sum(1)).all())


def test_effects_of_words_and_items_sum_to_those_of_their_branch_up_to_a_constant(
    model: DGVAE, data: Interactions
) -> None:
    branches = (model.network.item_branch, model.words._word_branch)
    with torch.no_grad():
        bias = [branch.bias.clone() for branch in branches]
        for branch in branches:
            branch.bias.zero_()
    try:
        found = model.words.reasons(5, torch.arange(data.n_items))
    finally:
        with torch.no_grad():
            for branch, old in zip(branches, bias, strict=True):
                branch.bias.copy_(old)
    torch.testing.assert_close(found.word_effects.sum(1), found.text, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.taken_effects.sum(1), found.interactions, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.factors.sum(1), torch.ones(data.n_items))
    assert bool(((found.content_shares() >= 0) & (found.content_shares() <= 1)).all())


def test_recommended_items_are_brought_by_words_of_their_block(model: DGVAE, data: Interactions) -> None:
    best = model.predict(torch.tensor([4]))[0].topk(3).indices
    found = model.words.reasons(4, best)
    strongest = found.words[found.word_effects.argmax(1)]
    assert all(model.words.vocabulary[int(w)].as_py().startswith(("amber", "any")) for w in strongest)


def test_more_of_a_blocks_words_raise_the_blocks_items(model: DGVAE, data: Interactions) -> None:
    words = model.lexicon.positions(["basalt"])
    odd = torch.tensor([int(i) % 2 == 1 for i in data.item_ids.to_pylist()])
    before = model.predict(torch.tensor([0]))[0]
    after = model.words.parts_with_words(0, words, torch.tensor([2.0])).sum(0)
    assert float(after[odd].sum()) > float(before[odd].sum())
    same = model.words.parts_with_words(0, words, torch.tensor([0.0])).sum(0)
    torch.testing.assert_close(same, before)


def test_people_known_by_words_alone_get_items_with_these_words(model: DGVAE, data: Interactions) -> None:
    table = model.score_words({"ann": ["amber"], "bob": {"Basalt": 2.0}}, histories={"bob": ["1"]}, top_k=5)
    blocks = torch.tensor([int(item) % 2 for item in table["item_id"].to_pylist()]).reshape(2, 5)
    assert blocks.sum(1).tolist()[0] <= 1
    assert blocks.sum(1).tolist()[1] >= 4
    assert "1" not in table["item_id"].to_pylist()[5:]
    with pytest.raises(InputError, match="ambre"):
        model.score_words({"ann": ["ambre"]})
    with pytest.raises(InputError, match="ann"):
        model.score_words({"ann": []})


def test_an_item_nobody_took_is_scored_by_its_neighbours(data: Interactions) -> None:
    from dataclasses import replace

    from distaff_data.datasets.csr import Csr

    rows, cols = data.train.row_index(), data.train.indices
    kept = cols != 4
    without = replace(data, train=Csr.from_pairs(rows[kept], cols[kept], data.n_users, data.n_items))
    model = DGVAE(n_intents=2, embedding_dim=8, lr=0.02, batch_size=16, max_epochs=25, min_df=2, max_df=0.9)
    scores = model.fit(without, seed=1, device="cpu").predict(torch.arange(data.n_users))
    own = torch.tensor([int(i) % 2 == 0 for i in data.user_ids.to_pylist()])
    assert float(scores[own, 4].min()) > float(scores[~own, 4].max())


def test_coherence_is_one_for_words_that_only_meet_each_other_and_minus_one_for_strangers() -> None:
    from scipy.sparse import csr_matrix

    documents = Weighted.from_scipy(csr_matrix([[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=float))
    found = coherence(torch.tensor([[0, 1], [2, 3]]), documents)
    torch.testing.assert_close(found, torch.tensor([1.0, -1.0], dtype=torch.float64))
