"""Lists of equal items are the same whatever their length, on any processor."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distaff.ranking.selection import top_k
from distaff_data.datasets.csr import Csr


def nothing_seen(n_rows: int, n_items: int) -> Csr:
    return Csr(torch.zeros(n_rows + 1, dtype=torch.long), torch.empty(0, dtype=torch.int32), n_items)


@given(
    values=st.lists(st.lists(st.integers(0, 4), min_size=12, max_size=12), min_size=1, max_size=5),
    k=st.integers(1, 12),
)
def test_of_equal_items_the_first_comes_first(values: list[list[int]], k: int) -> None:
    scores = torch.tensor(values, dtype=torch.float32)
    items, best = top_k(scores.clone(), nothing_seen(len(scores), 12), k)
    expected = scores.argsort(dim=1, descending=True, stable=True)[:, :k]
    assert torch.equal(items, expected)
    assert torch.equal(best, scores.gather(1, expected))


@pytest.mark.parametrize("k", [1, 20, 50])
def test_a_shorter_list_begins_a_longer_one_in_a_large_catalogue(k: int) -> None:
    scores = torch.randint(0, 3, (7, 5000), generator=torch.Generator().manual_seed(0)).float()
    longer, _ = top_k(scores.clone(), nothing_seen(7, 5000), 80)
    shorter, _ = top_k(scores.clone(), nothing_seen(7, 5000), k)
    assert torch.equal(shorter, longer[:, :k])


def test_scores_that_are_no_numbers_are_refused_beside_equal_ones() -> None:
    scores = torch.tensor([[1.0, 1.0, 1.0, torch.nan]])
    with pytest.raises(ValueError, match="not numbers"):
        top_k(scores, nothing_seen(1, 4), 2)
