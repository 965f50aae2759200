"""The exact test within strata against its definition, enumeration and draws; Holm against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse, stats

from distaff.stats.stratified import strata_of, stratified_tails


def test_one_stratum_is_the_hypergeometric_test() -> None:
    rng = np.random.default_rng(0)
    carries = sparse.csr_matrix(rng.random((40, 6)) < 0.3, dtype=float)
    chosen = rng.choice(40, 12, replace=False)
    hits, sizes = carries[chosen].toarray().sum(0), carries.toarray().sum(0)
    found = stratified_tails(chosen, np.zeros(40, dtype=np.int64), carries)
    np.testing.assert_allclose(found, stats.hypergeom.sf(hits - 1, 40, sizes, 12), rtol=1e-9)


def test_strata_agree_with_counting_every_draw() -> None:
    strata = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [1, 1], [0, 0], [0, 1], [0, 1], [0, 0]])
    chosen = np.array([0, 2, 4, 6, 8])
    first, second = itertools.combinations(range(4), 2), list(itertools.combinations(range(4, 9), 3))
    draws = np.array([labels[[*a, *b]].sum(0) for a in first for b in second])
    expected = (draws >= labels[chosen].sum(0)).mean(0)
    np.testing.assert_allclose(stratified_tails(chosen, strata, sparse.csr_matrix(labels, dtype=float)), expected)


def test_a_label_of_popular_items_alone_is_no_finding() -> None:
    popularity = np.arange(200.0)
    carries = sparse.csr_matrix((popularity[:, None] >= 150).astype(float))
    chosen = np.arange(160, 190)
    assert stratified_tails(chosen, np.zeros(200, dtype=np.int64), carries)[0] < 1e-12
    assert stratified_tails(chosen, strata_of(popularity), carries)[0] == pytest.approx(1.0)


def test_strata_keep_equal_values_together_and_are_large_enough() -> None:
    values = np.random.default_rng(1).geometric(0.05, 500).astype(float)
    strata = strata_of(values, 25)
    assert min(np.bincount(strata)) >= 25
    assert all(len(set(strata[values == value])) == 1 for value in np.unique(values))
    edges = [(values[strata == s].min(), values[strata == s].max()) for s in range(strata.max() + 1)]
    assert all(low > high for (low, _), (_, high) in itertools.pairwise(edges))
    assert len(edges) >= 10
    assert set(strata_of(np.ones(300))) == {0}
    assert set(strata_of(np.arange(49.0), 25)) == {0}
