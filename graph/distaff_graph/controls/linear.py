"""The models whose scores are linear in a history's interactions, so that parts of interactions give parts of scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from scipy.sparse import csc_array, csr_array
from torch import Tensor

from distaff.ranking.selection import block_size
from distaff.recommenders.base import Recommender, Unlearned
from distaff_data.datasets.csr import Csr
from distaff_graph.sparse import csr_tensor, history_pattern, product, with_values


class LinearRecommender(Recommender):
    """Scores are x M, where x is a user's history and M may depend on which items it lists, but not on their shares.

    A user has no parameters: new users are scored exactly as those of the training data.

    Attributes:
        compound: Whether it is made of other such models, and so cannot be a component of one.
    """

    control: ClassVar[bool] = True
    compound: ClassVar[bool] = False

    @abstractmethod
    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return scores when each interaction counts as its share, in which they are linear.

        Args:
            history: ``(b, n_items)``.
            shares: One number an interaction, ``(nnz,)``; all of it when None.

        Returns:
            float32 ``(b, n_items)`` in memory of its own.
        """

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """Fit anew without them."""
        return self.relearn(users, seed)

    def predict(self, users: Tensor) -> Tensor:
        """Return scores of the users' training interactions."""
        return self.weigh(self.data.train.take(users))

    def fold_in(self, history: Csr) -> Tensor:
        """Return scores of any interactions."""
        return self.weigh(history)


def history_shares(history: Csr, like: Tensor, shares: Tensor | None) -> Tensor:
    """Return histories as CSR of their shares ``(b, n_items)``, of ones when None, in the dtype of ``like``."""
    pattern = history_pattern(history, like)
    return pattern if shares is None else with_values(pattern, shares.to(like.dtype))


def history_columns(history: Csr, shares: Tensor | None = None) -> Tensor:
    """Return histories as dense columns of their shares, float32 ``(n_items, b)``."""
    x = torch.zeros(history.n_cols, history.n_rows)
    x[history.indices.long(), history.row_index()] = 1.0 if shares is None else shares.float()
    return x


def by_history_item(weights: Tensor) -> csr_array:
    """Return B as a SciPy CSR matrix, a history's item in a row, from CSR of its transpose."""
    indptr, items, values = (part.numpy() for part in (weights.crow_indices(), weights.col_indices(), weights.values()))
    return csc_array((values, items, indptr), shape=tuple(weights.shape)).tocsr()


def sparse_scores(history: Csr, b: csr_array, shares: Tensor | None) -> Tensor:
    """Return x B of histories' shares x, float32 ``(b, n_items)``: work in proportion to the histories and B's rows."""
    x = history.scipy()
    if shares is not None:
        x.data = shares.float().numpy()
    return torch.from_numpy((x @ b).toarray())


class Walk:
    """Steps from items to the users who took them and on to those users' items, by two sparse products.

    One step is the matrix W = D_i^-a R^T D_u^-b R D_i^-c of binary R, users by items, and degrees D; it is only applied,
    never made: work is in proportion to the interactions, however many items there are.

    Args:
        train: R.
        entering: a, the exponent of the item that is left.
        users: b, the exponent of the users in between.
        leaving: c, the exponent of the item that is reached.
    """

    def __init__(self, train: Csr, *, entering: float, users: float, leaving: float) -> None:
        by_item = train.transpose()
        of_users, of_items = (side.counts().float() for side in (train, by_item))
        self._rows, self._taken = (_ones(side) for side in (train, by_item))
        self._entering, self._leaving = (_scale(of_items, exponent) for exponent in (entering, leaving))
        self._users = _scale(of_users, users)

    def __call__(self, x: Tensor) -> Tensor:
        """Return (x^T W)^T for columns x, ``(n_items, b)``; as many at a time as users' numbers of them fit in memory."""
        steps = [self._step(columns) for columns in x.split(block_size(len(self._users)), 1)]
        return steps[0] if len(steps) == 1 else torch.cat(steps, 1)

    def _step(self, x: Tensor) -> Tensor:
        met = product(self._rows, self._entering * x).mul_(self._users)
        return product(self._taken, met).mul_(self._leaving)


def _ones(matrix: Csr) -> Tensor:
    return csr_tensor(matrix.indptr.int(), matrix.indices, torch.ones(matrix.nnz), matrix.n_cols)


def _scale(degrees: Tensor, exponent: float) -> Tensor:
    """Return degrees to the power of minus the exponent, 0 where there is none, ``(n, 1)``."""
    return torch.where(degrees > 0, degrees.clamp(min=1.0).pow(-exponent), 0.0).unsqueeze(1)
