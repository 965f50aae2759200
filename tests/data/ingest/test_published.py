"""The layouts that DGVAE and MMRec publish are read as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from published_folder import to_mmrec, write_published

from distaff.testing.data import worded_checkerboard
from distaff_data.datasets.content import Lexicon
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.ingest.published import read_published
from distaff_data.splits import SPLITS
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace


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
    from distaff.recommenders.base import Recommender
    from distaff_graph.dgvae.models import DGVAE

    data = read_published(write_published(tmp_path))
    model = DGVAE(n_intents=2, embedding_dim=4, max_epochs=2, eval_every=2).fit(data, device="cpu")
    model.save(tmp_path / "model")
    users = torch.arange(data.n_users)
    assert torch.equal(Recommender.load(tmp_path / "model").predict(users), model.predict(users))


def test_what_is_missing_or_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.ratings or one NAME\.inter"):
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


def test_mmrecs_layout_has_the_same_split_and_words_where_they_lie_beside_it(tmp_path: Path) -> None:
    expected = read_published(write_published(tmp_path))
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    found = read_published(to_mmrec(tmp_path))
    assert found.name == "baby"
    for split in SPLITS:
        assert torch.equal(found.split(split).dense(), expected.split(split).dense())
    assert found.read_content is None
    for name in ("baby.vocab", "baby.user.words.tfidf.npz"):
        (tmp_path / name).write_bytes(kept[name])
    again = read_published(tmp_path)
    assert again.read_content is not None
    assert set(again.read_content().features) == {"text", "image"}


def test_mmrecs_files_are_ingested_as_they_are(workspace: Workspace, tmp_path: Path) -> None:
    write_published(tmp_path)
    to_mmrec(tmp_path)
    report = ingest_interactions(workspace, "baby", tmp_path / "baby.inter")
    assert report.split == "given"
    ingest_attributes(workspace, "item", "baby", [tmp_path / "text_feat.npy", tmp_path / "image_feat.npy"])
    data, expected = load_interactions(workspace.warehouse, "baby"), read_published(tmp_path)
    for split in SPLITS:
        assert torch.equal(data.split(split).dense(), expected.split(split).dense())
    assert data.read_content is not None
    np.testing.assert_array_equal(data.read_content().features["text"].numpy(), np.load(tmp_path / "text_feat.npy"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("userID\titemID\trating\n0\t1\t5\n", r"line 1.*x_label"),
        ("userID\titemID\tx_label\n0\t1\t0\n0\t2\t3\n", r"line 3.*0, 1 or 2"),
        ("userID\titemID\tx_label\n0\tone\t0\n", r"cannot read the interactions"),
    ],
)
def test_a_file_of_mmrec_that_is_not_as_it_should_be_is_refused(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "baby.inter").write_text(text)
    with pytest.raises(InputError, match=named):
        read_published(tmp_path)
