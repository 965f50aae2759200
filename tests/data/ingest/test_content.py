"""Texts and feature vectors of items, and what a model reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from distaff_data.datasets.content import Content, Lexicon
from distaff_data.datasets.csr import Csr
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace


@pytest.fixture
def dataset(workspace: Workspace, tmp_path: Path) -> Workspace:
    (tmp_path / "log.csv").write_text("user,item\nu,0\nu,1\nv,0\nv,2\n")
    ingest_interactions(workspace, "d", tmp_path / "log.csv", split=None)
    return workspace


def content(workspace: Workspace) -> Content:
    data = load_interactions(workspace.warehouse, "d")
    assert data.read_content is not None
    return data.read_content()


def words_of(found: Content, item: int) -> dict[str, float]:
    row = found.item_words.scipy().toarray()[item]
    return {found.words[int(i)].as_py(): float(row[i]) for i in np.flatnonzero(row)}


def test_titles_and_texts_are_divided_into_words_and_attributes_are_words(dataset: Workspace, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(
        "item_id,title,tag,year,description\n"
        '0,The Baby-Book,Post Punk|noir,1999,"Skip<br>Hop &amp; skip, 3 times: see http://x.org/y"\n'
        "1,Café,noir,2001,\n"
    )
    report = ingest_attributes(dataset, "item", "d", tmp_path / "items.csv")
    assert (report.texts, report.attributes) == (("description",), ("tag", "title", "year"))
    found = content(dataset)
    assert words_of(found, 0) == {"baby-book": 1, "post punk": 1, "noir": 1, "skip": 2, "hop": 1, "times": 1}
    assert words_of(found, 1) == {"café": 1, "noir": 1}
    assert words_of(found, 2) == {}


def test_vectors_come_from_matrices_lists_and_float_sequences_and_have_nan_where_there_is_none(
    dataset: Workspace, tmp_path: Path
) -> None:
    np.save(tmp_path / "text_feat.npy", np.arange(6, dtype=np.float64).reshape(3, 2))
    np.save(tmp_path / "other.npy", np.array([[1, 2, 3]], dtype=np.int32))
    (tmp_path / "ids.txt").write_text("2\n")
    table = pa.table({"item": ["1", "0"], "image": [[0.5, 1.5], None], "tag": [["a", "b"], []]})
    pq.write_table(table, tmp_path / "items.parquet")
    (tmp_path / "d.item").write_text("item_id:token\tsound:float_seq\n0\t1 2.5\n2\t\n")
    files: list[str | Path] = [tmp_path / "text_feat.npy", tmp_path / "items.parquet", tmp_path / "d.item"]
    report = ingest_attributes(dataset, "item", "d", files)
    assert report.vectors == {"image": 2, "sound": 2, "text": 2}
    assert report.attributes == ("tag",)
    found = content(dataset).features
    nan = float("nan")
    for name, rows in {
        "text": [[0, 1], [2, 3], [4, 5]],
        "image": [[nan, nan], [0.5, 1.5], [nan, nan]],
        "sound": [[1, 2.5], [nan, nan], [nan, nan]],
    }.items():
        torch.testing.assert_close(found[name], torch.tensor(rows, dtype=torch.float32), equal_nan=True)
    # Vectors are replaced by vectors, and what is in words stays.
    report = ingest_attributes(dataset, "item", "d", f"mine={tmp_path / 'other.npy'}", rows=tmp_path / "ids.txt")
    assert report.vectors == {"mine": 3}
    again = content(dataset)
    assert set(again.features) == {"mine"}
    assert words_of(again, 1) == {"a": 1, "b": 1}
    assert again.features["mine"][2].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([1.0, 2.0]), "rows of a matrix"),
        (np.array([["a"]]), "rows of a matrix"),
        (np.array([[{"pickled": 1}]], dtype=object), "plain .npy"),
        (np.array([[1.0], [np.inf]]), "line 2"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(
    dataset: Workspace, tmp_path: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], message: str
) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        ingest_attributes(dataset, "item", "d", tmp_path / "x.npy")
    assert dataset.warehouse.rows("SELECT * FROM vectors") == []


def test_ids_that_do_not_fit_the_rows_and_vectors_of_two_lengths_are_refused(
    dataset: Workspace, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    (tmp_path / "ids.txt").write_text("0\n1\n2\n")
    with pytest.raises(InputError, match="3 ids for 2 rows"):
        ingest_attributes(dataset, "item", "d", tmp_path / "x.npy", rows=tmp_path / "ids.txt")
    pq.write_table(pa.table({"item": ["0", "1"], "v": [[1.0], [1.0, 2.0]]}), tmp_path / "v.parquet")
    with pytest.raises(InputError, match="one length"):
        ingest_attributes(dataset, "item", "d", tmp_path / "v.parquet")
    (tmp_path / "d.item").write_text("item_id:token\ts:float_seq\n0\t1 two\n")
    with pytest.raises(InputError, match="numbers divided by blanks"):
        ingest_attributes(dataset, "item", "d", tmp_path / "d.item")
    pq.write_table(pa.table({"item": ["0", "0"], "v": [[1.0], [2.0]]}), tmp_path / "v.parquet")
    with pytest.raises(InputError, match="two vectors"):
        ingest_attributes(dataset, "item", "d", tmp_path / "v.parquet")


def test_documents_are_those_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    item_texts = ["red green green", "green blue", "blue blue yellow", "red yellow pink", "grey"]
    ids = pa.array([str(i) for i in range(5)])
    pairs = [(str(i), word) for i, text in enumerate(item_texts) for word in text.split()]
    found = Content.from_words([item for item, _ in pairs], [word for _, word in pairs], ids)
    taken = [[0, 1], [0, 2], [1, 2, 3], [3], [2], [4]]
    rows = torch.tensor([user for user, items in enumerate(taken) for _ in items])
    train = Csr.from_pairs(rows, torch.tensor([i for items in taken for i in items]), 6, 5)
    lexicon = Lexicon.build(found, train, min_df=2, max_df=0.6)
    peer = TfidfVectorizer(min_df=2, max_df=0.6)
    expected = peer.fit_transform([" ".join(item_texts[i] for i in items) for items in taken])
    assert lexicon.words.to_pylist() == peer.get_feature_names_out().tolist()
    np.testing.assert_allclose(lexicon.documents(train).scipy().toarray(), expected.toarray(), rtol=1e-6)
    assert lexicon.documents(train.take(torch.tensor([5]))).pattern.nnz == 0
    with pytest.raises(InputError, match="no word"):
        Lexicon.build(found, train, min_df=6)
    with pytest.raises(InputError, match="did you mean green"):
        lexicon.positions(["gren"])


def test_words_are_chosen_from_training_items_alone() -> None:
    ids = pa.array(["0", "1"])
    found = Content.from_words(["0", "1"], ["seen", "held"], ids)
    train = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([0, 0]), 3, 2)
    assert Lexicon.build(found, train, min_df=1, max_df=1.0).words.to_pylist() == ["seen"]
