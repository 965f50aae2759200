"""Sparse matrices and interactions from arrays and frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions, describe
from distaff_data.errors import InputError

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=25)


def matrix(pairs: list[tuple[int, int]]) -> Csr:
    both = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    return Csr.from_pairs(both[:, 0], both[:, 1], 5, 6)


def dense(pairs: list[tuple[int, int]]) -> torch.Tensor:
    out = torch.zeros(5, 6)
    for row, col in pairs:
        out[row, col] = 1
    return out


@settings(deadline=None, max_examples=40)
@given(pairs=PAIRS, others=PAIRS, rows=st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_a_sparse_matrix_agrees_with_the_dense_one(
    pairs: list[tuple[int, int]], others: list[tuple[int, int]], rows: list[int]
) -> None:
    csr, full = matrix(pairs), dense(pairs)
    assert torch.equal(csr.dense(), full)
    assert torch.equal(csr.transpose().dense(), full.T)
    assert torch.equal(csr.counts(), full.sum(1).long())
    assert torch.equal(csr.take(torch.tensor(rows)).dense(), full[rows])
    assert torch.equal(csr.union(matrix(others)).dense(), full.maximum(dense(others)))
    np.testing.assert_array_equal(csr.scipy().toarray(), full.numpy())
    assert (csr.n_rows, csr.n_cols, csr.nnz) == (5, 6, len(set(pairs)))


def test_positions_follow_numbers_and_then_text() -> None:
    data = Interactions.from_arrays(["b", "10", "9", "007", "7", "-1"], ["x"] * 6)
    assert data.user_ids.to_pylist() == ["-1", "007", "7", "9", "10", "b"]
    assert data.user_positions(["10", "none", None]).tolist() == [4, -1, -1]
    assert data.item_positions(pa.array(["x"])).tolist() == [0]


def test_splits_are_kept_apart() -> None:
    data = Interactions.from_arrays([1, 1, 2], [5, 6, 6], ["train", "valid", "test"])
    assert data.split("valid").dense().tolist() == [[0, 1], [0, 0]]
    assert describe(data) == {
        **{"users": 2, "items": 2, "train": 1, "valid": 1, "test": 1},
        **{"cold_users": 1, "cold_items": 1},
    }
    with pytest.raises(InputError, match="unknown split 'dev'"):
        data.split("dev")


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table])
def test_any_frame_will_do(make: type) -> None:
    frame = make({"user_id": ["a", "b"], "item_id": ["x", "y"], "part": ["train", "test"]})
    data = Interactions.from_frame(frame, split="part")
    assert (data.train.nnz, data.test.nnz) == (1, 1)
    with pytest.raises(InputError, match="no column 'who'"):
        Interactions.from_frame(frame, user="who")


def test_an_array_of_pairs_will_do() -> None:
    assert Interactions.from_frame(np.array([[1, 2], [1, 3]])).train.nnz == 2
    with pytest.raises(InputError, match="shape"):
        Interactions.from_frame(np.zeros(3))
    with pytest.raises(InputError, match="cannot read interactions from list"):
        Interactions.from_frame([1, 2])


@pytest.mark.parametrize(
    ("users", "items", "splits", "message"),
    [
        ([1], [1, 2], None, "1 users but 2 items"),
        ([], [], None, "no interactions"),
        ([None], [1], None, "without a user id"),
        ([1], [2], ["dev"], "unknown split"),
    ],
)
def test_bad_arrays_are_refused(
    users: list[object], items: list[object], splits: list[str] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Interactions.from_arrays(users, items, splits)
