"""ItemKNN (Sarwar et al., WWW 2001): the items nearest to those of a history, by the cosine of who took them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.linear import LinearRecommender, by_history_item, sparse_scores
from distaff_graph.sparse import csr_tensor

_ENTRIES = 8_000_000  # of similarities at a time, at most


class ItemKNNConfig(ModelConfig):
    """Settings of ItemKNN.

    Attributes:
        n_neighbours: Most similar items kept of each item.
        shrinkage: Added to the denominator of the cosine, so that few shared users count for less.
    """

    n_neighbours: Annotated[int, Field(ge=1), Choices(20, 50, 100, 200, 400)] = 100
    shrinkage: Annotated[float, Field(ge=0), Span(0.0, 100.0)] = 10.0


class ItemKNN(LinearRecommender):
    """Scores of an item add up its similarity to those items of the history that are among its nearest.

    Similarity is n_ij / (sqrt(n_i n_j) + shrinkage), where n counts who took one and both.
    """

    name: ClassVar[str] = "item_knn"
    seeded: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = ItemKNNConfig
    config: ItemKNNConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Keep the nearest items of each."""
        self._take(nearest(data.train, self.config.n_neighbours, self.config.shrinkage))

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return sums of similarities."""
        return sparse_scores(history, self._by_history_item, shares)

    def state(self) -> dict[str, Tensor]:
        """Return each item's nearest and how similar they are, as CSR ``(n_items, n_items)``."""
        near = self._neighbours
        return {"indptr": near.crow_indices(), "items": near.col_indices(), "similarity": near.values()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the neighbours."""
        self._take(csr_tensor(tensors["indptr"], tensors["items"], tensors["similarity"], self.data.n_items))

    def _take(self, neighbours: Tensor) -> None:
        self._neighbours, self._by_history_item = neighbours, by_history_item(neighbours)


def nearest(train: Csr, n_neighbours: int, shrinkage: float) -> Tensor:
    """Return each item's most similar other items, at most so many, as CSR of similarities ``(n_items, n_items)``."""
    matrix, n_items = train.scipy(), train.n_cols
    transposed = matrix.T.tocsr()
    length = np.sqrt(np.bincount(train.indices.numpy(), minlength=n_items)).astype(np.float32)
    counts, items, similarity = [], [], []
    step = max(1, _ENTRIES // max(n_items, 1))
    for start in range(0, n_items, step):
        both = (transposed[start : start + step] @ matrix).tocoo()
        row, column = both.row, both.col
        value = both.data / (length[start + row] * length[column] + np.float32(shrinkage))
        other = column != start + row
        row, column, value = row[other], column[other], value[other]
        order = np.lexsort((column, -value, row))
        n = np.bincount(row, minlength=min(step, n_items - start))
        place = np.arange(len(row)) - np.repeat(np.cumsum(n) - n, n)
        kept = order[place < n_neighbours]
        counts.append(np.minimum(n, n_neighbours))
        items.append(column[kept].astype(np.int32))
        similarity.append(value[kept].astype(np.float32))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int32)
    near, value = (torch.from_numpy(np.concatenate(blocks)) for blocks in (items, similarity))
    return csr_tensor(torch.from_numpy(starts), near, value, n_items)
