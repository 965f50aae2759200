"""What people ask of a recommender, and how interactions go in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from distaff.recommenders.base import Recommender
from distaff.recommenders.intents import Factors, Intents
from distaff.testing.data import worded_checkerboard
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError
from distaff_graph.controls.ease import EASE
from distaff_graph.controls.nmf import NMF
from distaff_graph.controls.popularity import Popularity
from distaff_graph.controls.puresvd import PureSVD

PAIRS = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 2), (3, 0)]
COLUMNS = ["user_id", "rank", "item_id", "score"]


def frames(pairs: list[tuple[int, int]]) -> dict[str, Any]:
    """Return the same interactions in every form that is taken."""
    users, items = (np.array([pair[at] for pair in pairs]) for at in (0, 1))
    shape = (users.max() + 1, items.max() + 1)
    coo = sparse.coo_matrix((np.ones(len(pairs)), (users, items)), shape=shape)
    return {
        "polars": pl.DataFrame({"user_id": users, "item_id": items}),
        "lazy": pl.LazyFrame({"user_id": users, "item_id": items}),
        "pandas": pd.DataFrame({"user_id": users, "item_id": items}),
        "texts": pd.DataFrame({"user_id": users.astype(str), "item_id": pd.Categorical(items.astype(str))}),
        "arrow": pa.table({"user_id": users, "item_id": items}),
        "numpy": np.stack([users, items], 1),
        "objects": np.stack([users, items], 1).astype(str).astype(object),
        "csr": coo.tocsr(),
        "coo": coo,
        "csc_array": sparse.csc_array(coo),
    }


@pytest.fixture(scope="module")
def fitted() -> EASE:
    return EASE().fit(frames(PAIRS)["polars"], device="cpu")


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_form_and_the_order_of_interactions_do_not_matter(pairs: set[tuple[int, int]], random: Any) -> None:
    users, items = (sorted({pair[at] for pair in pairs}) for at in (0, 1))
    dense = [(users.index(u), items.index(i)) for u, i in sorted(pairs)]  # a matrix has no gaps in its ids
    shuffled = random.sample(dense, len(dense))
    results = [pl.DataFrame(EASE().fit(frame, device="cpu").recommend(k=3)) for frame in frames(shuffled).values()]
    expected = EASE().fit(frames(dense)["polars"], device="cpu").recommend(k=3)
    for result in results:
        assert result.equals(expected)


@pytest.mark.parametrize("form", list(frames(PAIRS)))
def test_answers_are_of_the_kind_of_frame_that_came_in(form: str) -> None:
    model = PureSVD().fit(frames(PAIRS)[form], device="cpu")
    kind = {"pandas": pd.DataFrame, "texts": pd.DataFrame, "arrow": pa.Table}.get(form, pl.DataFrame)
    for answer in (model.recommend(), model.recommend_new({"v": ["1"]}), model.similar_items(), model.similar_users()):
        assert isinstance(answer, kind)


def test_lists_leave_out_what_a_user_took(fitted: EASE) -> None:
    lists = fitted.recommend(["0", 3], k=4)
    assert lists.columns == COLUMNS
    assert lists.schema == {"user_id": pl.String, "rank": pl.Int64, "item_id": pl.String, "score": pl.Float32}
    assert lists["rank"].to_list() == [1, 2, 1]
    assert sorted(lists.filter(pl.col("user_id") == "0")["item_id"]) == ["2", "3"]
    everything = fitted.recommend(["0"], k=4, exclude=())
    assert sorted(everything["item_id"]) == ["0", "1", "2", "3"]


def test_all_users_are_listed_when_none_is_named(fitted: EASE) -> None:
    assert fitted.recommend(k=1)["user_id"].to_list() == ["0", "1", "2", "3"]


def test_a_single_text_is_one_user(fitted: EASE) -> None:
    assert fitted.recommend("2").equals(fitted.recommend(["2"]))


@pytest.mark.parametrize("ask", ["recommend", "similar_items", "similar_users"])
def test_unknown_ids_and_lengths_below_one_are_refused(fitted: EASE, ask: str) -> None:
    with pytest.raises(InputError, match="nobody"):
        getattr(fitted, ask)(["nobody"])
    with pytest.raises(InputError, match="at least 1"):
        getattr(fitted, ask)(["0"], k=0)


def test_new_people_are_recommended_what_goes_with_their_items(fitted: EASE) -> None:
    lists = fitted.recommend_new({"visitor": ["0", "unheard of"], "other": [3]}, k=2)
    assert lists.columns == COLUMNS
    assert lists["user_id"].to_list() == ["visitor", "visitor", "other", "other"]
    assert "0" not in lists.filter(pl.col("user_id") == "visitor")["item_id"]
    with pytest.raises(InputError, match="no known item"):
        fitted.recommend_new({"visitor": ["unheard of"]})


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        ([1, 2, 3, 4], pl.Int32),
        ([1.0, 2.0, 3.0, 4.0], pl.Float64),
        ([True, False], pl.Boolean),
        (["a", "b"], pl.Binary),
    ],
)
def test_ids_of_any_type_are_known_again(ids: list[object], dtype: type[pl.DataType]) -> None:
    taken = ["x", "y", "x", "y"][: len(ids)]
    frame = pl.DataFrame({"user_id": pl.Series(ids, dtype=dtype, strict=False), "item_id": taken})
    model = EASE().fit(frame)
    assert model.recommend(frame["user_id"], exclude=[])["user_id"].n_unique() == frame["user_id"].n_unique()


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        ({"v": "12"}, "a list of ids, not one"),
        ({"v": 1}, "a list of ids, not one"),
        ({"v": [None]}, "missing"),
        ({None: ["1"]}, "missing"),
        (["1"], "by person"),
    ],
)
def test_a_history_that_can_be_read_in_two_ways_is_refused(fitted: EASE, histories: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted.recommend_new(histories)


def test_people_are_named_by_any_id_and_nobody_is_recommended_nothing(fitted: EASE) -> None:
    assert fitted.recommend_new({7: ["1"]}, k=2)["user_id"].to_list() == ["7", "7"]  # type: ignore[dict-item]
    assert fitted.recommend_new({}).is_empty()


@pytest.mark.parametrize("k", [2.5, "3", None, True])
def test_a_length_that_is_no_whole_number_is_refused(fitted: EASE, k: Any) -> None:
    with pytest.raises(InputError, match="whole number"):
        fitted.recommend(k=k)


@pytest.mark.parametrize("users", [5, b"5"])
def test_one_id_that_is_no_text_is_refused_as_a_list(fitted: EASE, users: Any) -> None:
    with pytest.raises(InputError, match="a list of ids"):
        fitted.recommend(users)


def test_the_names_of_the_first_release_still_work_and_say_what_replaced_them(fitted: EASE) -> None:
    with pytest.warns(DeprecationWarning, match="recommend since"):
        lists = fitted.score(["0"], top_k=2)
    assert isinstance(lists, pa.Table)
    assert pl.DataFrame(lists).equals(fitted.recommend(["0"], 2))
    with pytest.warns(DeprecationWarning, match="recommend_new since"):
        lists = fitted.score_new({"v": ["1"]}, top_k=2)
    assert pl.DataFrame(lists).equals(fitted.recommend_new({"v": ["1"]}, 2))


# --------------------------------------------------------------------------------------------------- similar items


def test_without_vectors_items_are_similar_that_the_same_users_took() -> None:
    model = Popularity().fit(frames(PAIRS)["polars"], device="cpu")
    near = model.similar_items(["0"], k=5)
    assert near.columns == ["item_id", "rank", "similar_item_id", "score"]
    # Item 0 was taken by 0, 1 and 3; item 1 by 0 and 1; item 2 by 1, 2 and 3; item 3 by 2 and 3.
    assert near["similar_item_id"].to_list() == ["1", "2", "3"]
    assert near["score"].to_list() == pytest.approx([2 / 6**0.5, 2 / 3, 1 / 6**0.5])
    assert "3" not in model.similar_items(["1"])["similar_item_id"]  # nobody took both


def test_with_vectors_items_are_similar_whose_vectors_point_the_same_way() -> None:
    data = worded_checkerboard()
    model = NMF(n_intents=2).fit(data, device="cpu")
    near = model.similar_items(k=3)
    vectors = torch.nn.functional.normalize(model.ranker().items)
    a, b = (data.item_positions(near[c]) for c in ("item_id", "similar_item_id"))
    torch.testing.assert_close(torch.tensor(near["score"].to_list()), (vectors[a] * vectors[b]).sum(1))
    assert not bool((a == b).any())
    cosines = (vectors @ vectors.T).fill_diagonal_(-torch.inf).topk(3).values
    torch.testing.assert_close(torch.tensor(near["score"].to_list()).reshape(-1, 3), cosines)


def test_similar_users_are_those_who_took_the_same_items() -> None:
    near = Popularity().fit(frames(PAIRS)["polars"], device="cpu").similar_users(["0"], k=1)
    assert near.rows() == [("0", 1, "1", pytest.approx(2 / 6**0.5))]


def test_similarity_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Popularity().fit(frames(PAIRS)["polars"], device="cpu")
    whole = model.similar_items()
    monkeypatch.setattr("distaff.ranking.selection._BLOCK_CELLS", 4)
    assert model.similar_items().equals(whole)


# --------------------------------------------------------------------------------------------------------- factors


def test_factors_say_whose_rows_are_whose() -> None:
    model = NMF(n_intents=2).fit(frames(PAIRS)["pandas"], device="cpu")
    factors = model.factors()
    assert isinstance(factors, Factors)
    assert isinstance(factors, Intents)
    assert repr(factors) == "Factors(2 factors of 4 users and 4 items)"
    users, items = factors.user_frame(), factors.item_frame()
    assert isinstance(users, pd.DataFrame)
    assert list(users.columns) == ["user_id", "factor_0", "factor_1"]
    assert list(items["item_id"]) == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(items["factor_1"].to_numpy(), factors.items[:, 1].numpy())
    with pytest.raises(UnsupportedError, match="no intents"):
        EASE().fit(frames(PAIRS)["polars"], device="cpu").factors()


# ------------------------------------------------------------------------------------------------- sparse matrices


def test_every_row_and_column_of_a_matrix_has_a_position() -> None:
    data = Interactions.from_frame(sparse.csr_matrix(([1.0], ([1], [2])), shape=(3, 4)))
    assert data.user_ids.to_pylist() == ["0", "1", "2"]
    assert data.item_ids.to_pylist() == ["0", "1", "2", "3"]
    assert data.train.counts().tolist() == [0, 1, 0]


def test_what_is_above_zero_is_one_interaction_and_explicit_zeros_are_none() -> None:
    matrix = sparse.coo_matrix(([0.0, 5.0, 0.25, 1.0, 1.0], ([0, 0, 1, 1, 1], [0, 1, 0, 2, 2])), shape=(2, 3))
    data = Interactions.from_frame(matrix)
    assert data.train.dense().tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    assert matrix.nnz == 5  # the caller's own is left as it was


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_entries_that_are_no_interactions_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="negative or not a number"):
        Recommender.named("ease")().fit(sparse.csr_matrix([[1.0, value]]))


def test_empty_interactions_are_refused() -> None:
    for empty in (sparse.csr_matrix((2, 2)), pl.DataFrame({"user_id": [], "item_id": []}), np.empty((0, 2))):
        with pytest.raises(InputError, match="no interactions"):
            EASE().fit(empty)


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(InputError, match="cannot read interactions from list"):
        EASE().fit([("a", "b")])
    with pytest.raises(InputError, match="no column 'user_id'"):
        EASE().fit(pl.DataFrame({"user": ["a"], "item_id": ["b"]}))
