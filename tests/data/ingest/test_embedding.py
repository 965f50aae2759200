"""Vectors made of items' texts by a sentence-transformers model on disk: here a tiny one, made on the spot."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace

WORDS = ("[UNK]", "noir", "crime", "love", "story")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A saved model that places a sentence at the mean of its words' unit vectors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other packages, on import
        transformers = pytest.importorskip("sentence_transformers")
        modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
        tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    words.normalizer = tokenizers.normalizers.Lowercase()
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    static = modules.StaticEmbedding(words, embedding_weights=np.eye(len(WORDS), dtype=np.float32))
    transformers.SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(tmp_path / "model"))
    return tmp_path / "model"


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Workspace:
    (tmp_path / "log.csv").write_text("user,item\nu,0\nu,1\nv,0\nv,2\n")
    ingest_interactions(workspace, "d", tmp_path / "log.csv", split=None)
    (tmp_path / "items.csv").write_text(
        "item_id,title,genre,description,url\n"
        "0,Love Story,Crime|Noir,,https://x.org/noir\n1,Noir,,<b>Noir</b> &amp;,\n2,,,,\n"
    )
    return workspace


def test_items_texts_become_vectors_beside_others(dataset: Workspace, tmp_path: Path, model: Path) -> None:
    np.save(tmp_path / "image.npy", np.ones((3, 2)))
    files: list[str | Path] = [tmp_path / "items.csv", tmp_path / "image.npy"]
    report = ingest_attributes(dataset, "item", "d", files, embed_with=model)
    assert report.vectors == {"image": 2, "text": len(WORDS)}
    data = load_interactions(dataset.warehouse, "d")
    assert data.read_content is not None
    found = data.read_content().features["text"]
    # Title and genres are words of the sentence, the address and the tags are not; points between are unknown to the model.
    known = found[:, 1:] / found[:, 1:].sum(1, keepdim=True)
    torch.testing.assert_close(known[0], torch.tensor([0.25, 0.25, 0.25, 0.25]))
    torch.testing.assert_close(known[1], torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert bool(found[2].isnan().all())


def test_without_a_model_or_the_extra_there_is_one_clear_line_and_nothing_changes(
    dataset: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"no sentence-transformers model in this folder"):
        ingest_attributes(dataset, "item", "d", tmp_path / "items.csv", embed_with=tmp_path / "nowhere")
    (tmp_path / "modules.json").write_text("[]")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InputError, match=r'pip install "distaff\[text\]"'):
        ingest_attributes(dataset, "item", "d", tmp_path / "items.csv", embed_with=tmp_path)
    assert dataset.warehouse.rows("SELECT * FROM attributes") == []


def test_a_model_that_is_pickled_or_cut_off_is_refused(dataset: Workspace, tmp_path: Path, model: Path) -> None:
    (model / "pytorch_model.bin").touch()
    weights = next(model.rglob("*.safetensors"))
    kept = weights.rename(tmp_path / "kept")
    with pytest.raises(InputError, match=r"pytorch_model\.bin.*pickled"):
        ingest_attributes(dataset, "item", "d", tmp_path / "items.csv", embed_with=model)
    kept.rename(weights)
    (model / "modules.json").write_text("[")
    with pytest.raises(InputError, match=r"model.*cannot read"):
        ingest_attributes(dataset, "item", "d", tmp_path / "items.csv", embed_with=model)
