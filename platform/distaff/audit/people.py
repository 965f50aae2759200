"""A question about people: is one of them there twice, so that a second id is trained on what the first is tested on."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from distaff.audit.finding import Finding, decided
from distaff_data.arrays import Floats, Ints
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions

_CHECK = "nobody is there twice"
_USERS = 500  # of the sample
_LEAST = 8  # training items of a user; fewer are alike by chance
_HELD = 0.95  # of the user's training items that the other has
_JACCARD = 0.8
_TESTED = 0.5  # of the user's test items that the other is trained on
_TRACE = 0.02  # of the sample that may be there twice
_BATCH = 16


def nobody_twice(data: Interactions) -> Finding:
    """Return how many test users have a twin: another with their training items, little else, and their test items."""
    eligible = torch.nonzero((data.train.counts() >= _LEAST) & (data.test.counts() > 0)).squeeze(1)
    if not len(eligible):
        return Finding(_CHECK, "unknown", f"no user of the test has {_LEAST} items in training")
    drawn = torch.randperm(len(eligible), generator=torch.Generator().manual_seed(0))[:_USERS]
    train, test = _matrix(data.train), _matrix(data.test)
    whole = train + test + _matrix(data.valid)
    n = 0
    for users in np.array_split(eligible[drawn].numpy(), -(-len(drawn) // _BATCH)):
        overlaps = (train[users] @ train.T).tocsr()
        n += sum(_has_twin(int(u), overlaps[[place]], train, test, whole) for place, u in enumerate(users))
    figure = (
        f"{n} of {len(drawn)} test users have another who has their items in training, those of their test included"
    )
    return decided(_CHECK, [figure] if n > _TRACE * len(drawn) else [], figure)


def _has_twin(
    user: int, overlap: sparse.csr_matrix, train: sparse.csr_matrix, test: sparse.csr_matrix, whole: sparse.csr_matrix
) -> bool:
    """Tell whether another user is trained on what a user is, and on what the user is tested on.

    Args:
        user: Position.
        overlap: Items in training that each user has in common with the user, ``(1, n_users)``.
        train: Training items.
        test: Test items.
        whole: Items of all splits.
    """
    lengths = np.diff(train.indptr)
    near = overlap.indices[overlap.data >= _HELD * lengths[user]]
    near = near[near != user]
    if not len(near):
        return False
    others = train[near]

    def alike(items: sparse.csr_matrix) -> Floats:
        return _jaccard(others @ _row(items, user), lengths[near], _length(items, user))

    # The other has the user's training items, or all that is known of the user, who was divided.
    same = np.maximum(alike(train), alike(whole)) >= _JACCARD
    return bool((same & (others @ _row(test, user) >= _TESTED * _length(test, user))).any())


def _row(matrix: sparse.csr_matrix, user: int) -> Floats:
    """Return a row as it would be in full: to multiply by it costs a tenth of what a sparse one does."""
    of_user = slice(matrix.indptr[user], matrix.indptr[user + 1])
    row = np.bincount(matrix.indices[of_user], weights=matrix.data[of_user], minlength=matrix.shape[1])
    return np.asarray(row, dtype=np.float64)


def _length(matrix: sparse.csr_matrix, user: int) -> int:
    return int(matrix.indptr[user + 1] - matrix.indptr[user])


def _jaccard(common: Floats, lengths: Ints, n: int) -> Floats:
    shares: Floats = common / (lengths + n - common)
    return shares


def _matrix(matrix: Csr) -> sparse.csr_matrix:
    ones = np.ones(matrix.nnz, dtype=np.int32)
    shape = (matrix.n_rows, matrix.n_cols)
    return sparse.csr_matrix((ones, matrix.indices.numpy(), matrix.indptr.numpy()), shape=shape)
