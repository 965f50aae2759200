"""ItemKNN (Sarwar et al., WWW 2001): the items nearest to those of a history, by the cosine of who took them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.config import Choices, ModelConfig, Span
from distaff.recommenders.base import Session
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.linear import Linear, columns
from distaff_graph.sparse import csr_tensor, product

_ENTRIES = 8_000_000  # of similarities that are dense at a time


class ItemKNNConfig(ModelConfig):
    """Settings of ItemKNN.

    Attributes:
        n_neighbours: Most similar items kept of each item.
        shrinkage: Added to the denominator of the cosine, so that few shared users count for less.
    """

    n_neighbours: Annotated[int, Field(ge=1), Choices(20, 50, 100, 200, 400)] = 100
    shrinkage: Annotated[float, Field(ge=0), Span(0.0, 100.0)] = 10.0


class ItemKNN(Linear):
    """Scores of an item add up its similarity to those items of the history that are among its nearest.

    Similarity is n_ij / (sqrt(n_i n_j) + shrinkage), where n counts who took one and both.
    """

    name: ClassVar[str] = "item_knn"
    seeded: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = ItemKNNConfig
    config: ItemKNNConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Keep the nearest items of each."""
        items, similarity = nearest(data.train, self.config.n_neighbours, self.config.shrinkage)
        self._take({"items": items, "similarity": similarity})

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return sums of similarities."""
        return product(self._neighbours, columns(history, shares)).T.contiguous()

    def state(self) -> dict[str, Tensor]:
        """Return each item's nearest, int32 ``(n_items, k)``, and how similar they are."""
        return dict(self._state)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the neighbours."""
        self._take(tensors)

    def _take(self, tensors: Mapping[str, Tensor]) -> None:
        self._state = dict(tensors)
        n_items, k = tensors["items"].shape
        starts = torch.arange(0, n_items * k + 1, k, dtype=torch.int32) if k else torch.zeros(n_items + 1).int()
        self._neighbours = csr_tensor(starts, tensors["items"].flatten(), tensors["similarity"].flatten(), n_items)


def nearest(train: Csr, n_neighbours: int, shrinkage: float) -> tuple[Tensor, Tensor]:
    """Return each item's nearest other items, int32 ``(n_items, k)``, and their similarities, 0 where there are fewer."""
    matrix, n_items = train.scipy(), train.n_cols
    transposed = matrix.T.tocsr()
    length = torch.bincount(train.indices, minlength=n_items).float().sqrt()
    k, step = min(n_neighbours, n_items - 1), max(1, _ENTRIES // max(n_items, 1))
    items, similarity = torch.empty(n_items, k, dtype=torch.int32), torch.empty(n_items, k)
    for start in range(0, n_items, step):
        both = torch.from_numpy((transposed[start : start + step] @ matrix).toarray())
        rows = torch.arange(len(both))
        both /= (length[start : start + step].unsqueeze(1) * length + shrinkage).clamp(min=1e-12)
        both[rows, start + rows] = -1.0  # an item is no neighbour of its own
        best = both.topk(k, 1)
        items[start : start + step], similarity[start : start + step] = best.indices.int(), best.values
    return items, similarity
