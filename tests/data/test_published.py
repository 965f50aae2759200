"""The layout that DGVAE publishes is read as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from published_folder import write_published
from worded_data import worded_checkerboard

from distaff_data.content import Lexicon
from distaff_data.errors import InputError
from distaff_data.interactions import SPLITS
from distaff_data.published import read_published


def test_a_published_folder_is_the_data_it_was_written_from(tmp_path: Path) -> None:
    found, expected = read_published(write_published(tmp_path)), worded_checkerboard()
    for split in SPLITS:
        assert torch.equal(found.split(split).dense(), expected.split(split).dense())
    assert found.read_content is not None
    assert expected.read_content is not None
    content = found.read_content()
    lexicon = Lexicon.build(expected.read_content(), expected.train, min_df=2, max_df=0.9)
    assert content.words.equals(lexicon.words)
    assert content.user_words is not None
    np.testing.assert_allclose(
        content.user_words.scipy().toarray(), lexicon.documents(expected.train).scipy().toarray(), rtol=1e-6
    )
    assert set(content.features) == {"text", "image"}


def test_a_model_of_given_documents_is_saved_and_loaded_with_them(tmp_path: Path) -> None:
    from distaff.recommender import Recommender
    from distaff_graph.dgvae.models import DGVAE

    data = read_published(write_published(tmp_path))
    model = DGVAE(n_intents=2, embedding_dim=4, max_epochs=2, eval_every=2).fit(data, device="cpu")
    model.save(tmp_path / "model")
    users = torch.arange(data.n_users)
    assert torch.equal(Recommender.load(tmp_path / "model").predict(users), model.predict(users))


def test_what_is_missing_or_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.ratings"):
        read_published(tmp_path)
    write_published(tmp_path)
    np.save(tmp_path / "text_feat.npy", np.ones((3, 2)))
    with pytest.raises(InputError, match=r"text_feat.npy.*30 items"):
        read_published(tmp_path)
    np.save(tmp_path / "baby.iid.npy", np.arange(7))
    with pytest.raises(InputError, match="beyond the 7"):
        read_published(tmp_path)
    (tmp_path / "baby.vocab").unlink()
    np.save(tmp_path / "baby.iid.npy", np.arange(30))
    with pytest.raises(InputError, match=r"baby.vocab.*missing"):
        read_published(tmp_path)
