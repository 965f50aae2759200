"""Neighbours are those of the table of all cosines, which is never made."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distaff.ranking.neighbours import nearest_by_columns, nearest_by_vectors
from distaff_data.datasets.csr import Csr


def cosines(rows: Tensor) -> Tensor:
    """Return all cosines of rows, -inf on the diagonal."""
    unit = torch.nn.functional.normalize(rows)
    return (unit @ unit.T).fill_diagonal_(-torch.inf)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(2, 12), st.integers(1, 12))
def test_columns_are_compared_by_the_rows_they_share(seed: int, n_rows: int, n_cols: int, k: int) -> None:
    dense = torch.rand(n_rows, n_cols, generator=torch.Generator().manual_seed(seed)) < 0.4
    rows, cols = dense.nonzero(as_tuple=True)
    k = min(k, n_cols)
    near, scores = nearest_by_columns(Csr.from_pairs(rows, cols, n_rows, n_cols), torch.arange(n_cols), k)
    table = cosines(dense.T.float())
    table[table == 0] = -torch.inf
    expected = table.topk(k, 1).values
    torch.testing.assert_close(scores, expected)
    assert torch.equal(near >= 0, expected > -torch.inf)
    columns = torch.arange(n_cols).unsqueeze(1).expand_as(near)
    torch.testing.assert_close(table[columns, near.clamp(min=0)][near >= 0], scores[near >= 0])


@pytest.mark.parametrize("n", [5, 3000])  # few are ranked by all products, many are screened
def test_vectors_are_compared_by_direction(n: int) -> None:
    vectors = torch.randn(n, 4, generator=torch.Generator().manual_seed(0)) * torch.rand(n, 1)
    positions = torch.tensor([3, 0])
    near, scores = nearest_by_vectors(vectors, positions, 3)
    table = cosines(vectors)
    torch.testing.assert_close(scores, table[positions].topk(3).values, rtol=1e-5, atol=1e-5)
    assert not bool((near == positions.unsqueeze(1)).any())


def test_a_vector_of_zeros_is_near_to_nothing() -> None:
    near, scores = nearest_by_vectors(torch.tensor([[1.0, 0.0], [0.0, 0.0], [2.0, 0.1]]), torch.tensor([0, 1]), 2)
    assert near[0].tolist() == [2, 1]
    assert scores[1].tolist() == [0.0, 0.0]


def test_nobody_asked_for_gives_no_rows() -> None:
    nobody = torch.empty(0, dtype=torch.long)
    matrix = Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([0, 1]), 1, 2)
    assert nearest_by_columns(matrix, nobody, 1)[0].shape == (0, 1)
    assert nearest_by_vectors(torch.eye(2), nobody, 1)[0].shape == (0, 1)
