"""EASE with few entries an item, for catalogues whose items by items fit in no memory.

Each item is predicted from the items nearest to it alone, by ridge regression in closed form: SLIM whose features are chosen
by neighbours (fsSLIM: Ning and Karypis, ICDM 2011) with EASE's penalty (Steck, WWW 2019). With all other items as neighbours
it is EASE; the largest thing that is made is a batch of systems as large as the neighbourhoods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.item_knn import nearest
from distaff_graph.controls.linear import LinearRecommender, by_history_item, sparse_scores
from distaff_graph.sparse import csr_tensor

_ENTRIES = 4_000_000  # of the systems that are solved at a time


class SparseEASEConfig(ModelConfig):
    """Settings of SparseEASE.

    Attributes:
        penalty: Weight of the squared entries of B, in interactions.
        n_neighbours: Items from which each is predicted, the nearest by cosine.
        user_exponent: Power of a user's number of interactions that the user's errors are divided by.
    """

    penalty: Annotated[float, Field(gt=0), Span(0.1, 1000, log=True)] = 20.0
    n_neighbours: Annotated[int, Field(ge=1), Choices(50, 100, 200, 400)] = 100
    user_exponent: Annotated[float, Field(ge=0, le=1), Span(0.0, 1.0)] = 0.0


class SparseEASE(LinearRecommender):
    """Scores are X B, where column j of B minimises sum_u n_u^-a (x_uj - x_u b)^2 + penalty |b|^2 over b on j's nearest."""

    name: ClassVar[str] = "sparse_ease"
    seeded: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = SparseEASEConfig
    config: SparseEASEConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Solve each item's system."""
        c = self.config
        self._take(neighbour_weights(data.train, c.penalty, c.n_neighbours, c.user_exponent))

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return X B."""
        return sparse_scores(history, self._by_history_item, shares)

    def state(self) -> dict[str, Tensor]:
        """Return the columns of B, as CSR ``(n_items, n_items)`` of its transpose."""
        b = self._weights
        return {"indptr": b.crow_indices(), "items": b.col_indices(), "weights": b.values()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore B."""
        self._take(csr_tensor(tensors["indptr"], tensors["items"], tensors["weights"], self.data.n_items))

    def _take(self, weights: Tensor) -> None:
        self._weights, self._by_history_item = weights, by_history_item(weights)


def neighbour_weights(x: Csr, penalty: float, n_neighbours: int, user_exponent: float) -> Tensor:
    """Return B^T with an item's weights in its row, CSR ``(n_items, n_items)``."""
    near = nearest(x, n_neighbours, 0.0)
    indptr, items = near.crow_indices().numpy(), near.col_indices().numpy()
    scale = np.maximum(x.counts().numpy(), 1) ** (-user_exponent / 2)
    taken = x.scipy().astype(np.float32).multiply(scale[:, None].astype(np.float32)).T.tocsr()
    weights = np.zeros(len(items), np.float32)
    for wanted in _alike(np.diff(indptr)):
        n = int(indptr[wanted[0] + 1] - indptr[wanted[0]])
        systems = np.empty((len(wanted), n + 1, n + 1), np.float32)
        places = indptr[wanted][:, None] + np.arange(n)
        for i, near_and_own in enumerate(np.concatenate([items[places], wanted[:, None]], 1)):
            rows = taken[near_and_own]
            systems[i] = (rows @ rows.T).toarray()
        weights[places] = _solved(systems, penalty)
    return csr_tensor(near.crow_indices(), near.col_indices(), torch.from_numpy(weights), x.n_cols)


def _alike(counts: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Yield items with equally many neighbours, above none, few enough for one solve."""
    for n in np.unique(counts[counts > 0]):
        found = np.flatnonzero(counts == n)
        step = max(1, _ENTRIES // (int(n) + 1) ** 2)
        yield from (found[start : start + step] for start in range(0, len(found), step))


def _solved(systems: np.ndarray[Any, Any], penalty: float) -> np.ndarray[Any, Any]:
    """Return the weights ``(b, n)`` from Gram matrices ``(b, n + 1, n + 1)`` of neighbours and, last, the item itself."""
    gram = torch.from_numpy(systems[:, :-1, :-1].astype(np.float64))
    gram.diagonal(dim1=1, dim2=2).add_(penalty)
    right = torch.from_numpy(systems[:, :-1, -1:].astype(np.float64))
    solution: Tensor = torch.cholesky_solve(right, torch.linalg.cholesky(gram)).squeeze(2)
    return solution.numpy()
