"""EASE (Steck, WWW 2019): every item predicted from all others by ridge regression, in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.linalg import lapack
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig, Span
from distaff.recommenders.base import Unlearned
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import UnsupportedError
from distaff_graph.controls.linear import LinearRecommender, history_shares
from distaff_graph.sparse import product

# Rows made or mirrored at a time: a block and its transpose stay in cache.
_ROWS = 512


class EASEConfig(ModelConfig):
    """Settings of EASE.

    Attributes:
        penalty: Weight of the squared entries of B, in interactions.
        max_gb: Memory that fitting may take. EASE needs 12 bytes a pair of items in double precision and 4 in single;
            the more precise one that fits is used.
    """

    penalty: Annotated[float, Field(gt=0), Span(1, 5000, log=True)] = 250.0
    max_gb: Annotated[float, Field(gt=0)] = 8.0


class EASE(LinearRecommender):
    """Scores are X B, where B minimises |X - X B|^2 + penalty |B|^2 with a zero diagonal.

    With P = (X^T X + penalty I)^-1 that is B_ij = -P_ij / P_jj off the diagonal.

    Raises:
        UnsupportedError: The catalogue needs more than ``max_gb``; the message gives the estimate.
    """

    name: ClassVar[str] = "ease"
    seeded: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = EASEConfig
    config: EASEConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Invert the items' Gram matrix, in place."""
        dtype = precision(data.n_items, self.config.max_gb)
        self._weights = torch.from_numpy(item_weights(data.train, self.config.penalty, dtype)).float()

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """Take users out by a low-rank update of the Gram matrix' inverse; see :func:`downdate`."""
        train = self.data.train
        weights = downdate(self._weights.double().numpy(), train, train.take(users), self.config.penalty)
        self._weights = torch.from_numpy(weights).float()
        self.bind(self.data.without(users))
        return "downdate"

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return X B."""
        return product(history_shares(history, self._weights, shares), self._weights)

    def state(self) -> dict[str, Tensor]:
        """Return B, ``(n_items, n_items)``."""
        return {"weights": self._weights}

    def shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Return items by items."""
        return {"weights": (self.data.n_items, self.data.n_items)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore B."""
        self._weights = tensors["weights"]


def item_weights(x: Csr, penalty: float | np.ndarray[Any, Any], dtype: type[np.floating[Any]]) -> np.ndarray[Any, Any]:
    """Return B of EASE, ``(n_items, n_items)``, made in the memory of the Gram matrix.

    Args:
        x: X, users by items.
        penalty: One for all items, or one for each.
        dtype: Precision of the inverse.
    """
    p = _gram(x, dtype)
    p.flat[:: len(p) + 1] += penalty
    factor, solve = (lapack.spotrf, lapack.spotri) if dtype is np.float32 else (lapack.dpotrf, lapack.dpotri)
    # LAPACK reads columns first, so it sees the transpose, which is the same matrix: no copy. What it calls the lower
    # triangle is the upper one here.
    for step in (factor, solve):
        result, info = step(p.T, lower=1, overwrite_a=1) if step is factor else step(p.T, lower=1, overwrite_c=1)
        p = result.T
        if info:
            least = float(np.min(penalty))
            raise UnsupportedError(f"EASE's equations are singular with penalty={least:g}; raise penalty")
    for start in range(0, len(p), _ROWS):
        rows = slice(start, start + _ROWS)
        p[rows, :start] = p[:start, rows].T
        corner = np.triu(p[rows, rows], 1)
        p[rows, rows] = corner + corner.T + np.diag(p[rows, rows].diagonal())
    p /= -p.diagonal().copy()
    np.fill_diagonal(p, 0.0)
    return p


def downdate(weights: np.ndarray[Any, Any], x: Csr, removed: Csr, penalty: float) -> np.ndarray[Any, Any]:
    """Return B of EASE without some users, from B with them, in O(n_items^2) times their number.

    With G = X^T X + penalty I, B = I - P diag(1 / P_jj), so G (I - B) = diag(1 / P_jj) gives P back. For the rows U of the
    users, Woodbury's identity then gives (G - U^T U)^-1 = P + P U^T (I - U P U^T)^-1 U P. The matrix that is inverted
    there is as small as the number of users, and positive definite since the penalty is above 0.

    Args:
        weights: B, float64 ``(n_items, n_items)``; overwritten.
        x: X, the interactions that it was fitted to.
        removed: U, the rows of X that go away.
        penalty: Of the fit.

    Returns:
        B without them, float64.
    """
    p: np.ndarray[Any, Any] = np.negative(weights, out=weights)
    np.fill_diagonal(p, 1.0)
    # The diagonal of G (I - B): each row of G with the same column of I - B, whose diagonal is 1.
    scale = np.full(len(p), penalty)
    for rows, gram in _gram_rows(x):
        scale[rows] += np.einsum("ji,ij->j", gram, p[:, rows])
    p /= scale
    u = removed.scipy().astype(np.float64)
    up = u @ p
    p += up.T @ np.linalg.solve(np.eye(u.shape[0]) - (u @ up.T), up)
    p /= -p.diagonal().copy()
    np.fill_diagonal(p, 0.0)
    return p


def _gram(x: Csr, dtype: type[np.floating[Any]]) -> np.ndarray[Any, Any]:
    """Return X^T X, dense ``(n_items, n_items)``, without holding it sparse as well."""
    out = np.empty((x.n_cols, x.n_cols), dtype)
    for rows, gram in _gram_rows(x):
        out[rows] = gram
    return out


def _gram_rows(x: Csr) -> Iterator[tuple[slice, np.ndarray[Any, Any]]]:
    """Yield blocks of rows of X^T X, dense ``(b, n_items)``."""
    matrix = x.scipy()
    transposed = matrix.T.tocsr()
    for start in range(0, x.n_cols, _ROWS):
        yield slice(start, start + _ROWS), (transposed[start : start + _ROWS] @ matrix).toarray()


def precision(n_items: int, max_gb: float, name: str = "ease") -> type[np.floating[Any]]:
    """Return double precision where it fits, else single.

    Raises:
        UnsupportedError: Neither fits.
    """
    pairs = n_items**2 / 1e9
    if 12 * pairs <= max_gb:  # 8 for the inverse, 4 for its single-precision copy that is kept
        return np.float64
    if 4 * pairs <= max_gb:
        return np.float32
    raise UnsupportedError(
        f"{name} needs {4 * pairs:.1f} GB for {n_items:,} items, above max_gb={max_gb:g}; "
        "raise max_gb, keep fewer items by a minimum of interactions, or take sparse_ease"
    )
