"""UserKNN (Herlocker et al., SIGIR 1999, on who took what): what the users nearest to a history took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig, Span
from distaff.ranking.selection import block_size, rows
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.linear import LinearRecommender, history_columns
from distaff_graph.sparse import csr_tensor, product


class UserKNNConfig(ModelConfig):
    """Settings of UserKNN.

    Attributes:
        n_neighbours: Most similar users whose interactions count; users who are as similar as the last all do.
        shrinkage: Added to the denominator of the cosine, so that few shared items count for less.
        item_exponent: Power of an item's number of interactions that a shared item, and an item that is scored, is divided
            by; 0 lets popular items weigh as much as others.
    """

    n_neighbours: Annotated[int, Field(ge=1), Choices(100, 200, 400, 800, 1600)] = 400
    shrinkage: Annotated[float, Field(ge=0), Span(0.0, 20.0)] = 0.0
    item_exponent: Annotated[float, Field(ge=0, le=1), Span(0.0, 1.0)] = 0.5


class UserKNN(LinearRecommender):
    """Scores of an item add up the similarity of those who took it, among the users nearest to the history.

    Similarity is s_uv / (sqrt(n_u n_v) + shrinkage), where s counts the shared items, each over its popularity to the power
    of ``item_exponent``. Who is near follows from the whole history, so that scores are linear in its shares. A user of the
    training data is the nearest to itself, which adds to no item but those of its history.
    """

    name: ClassVar[str] = "user_knn"
    seeded: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = UserKNNConfig
    config: UserKNNConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Keep the interactions, which are all that it needs."""
        by_item = data.train.transpose()
        of_items = by_item.counts().float()
        self._rows, self._taken = (
            csr_tensor(side.indptr.int(), side.indices, torch.ones(side.nnz), side.n_cols)
            for side in (data.train, by_item)
        )
        self._length = data.train.counts().float().sqrt().unsqueeze(1)
        self._rarity = of_items.clamp(min=1.0).pow(-self.config.item_exponent).unsqueeze(1)

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return what those nearest to whole histories took, by the similarity to the shares."""
        step = block_size(len(self._length))  # all users' similarities to so many histories fit in memory
        scores = torch.empty(history.n_rows, history.n_cols)
        for start in range(0, history.n_rows, step):
            block = rows(history, start, min(start + step, history.n_rows))
            first = int(history.indptr[start])
            scores[start : start + step] = self._weigh(
                block, None if shares is None else shares[first : first + block.nnz]
            )
        return scores

    def _weigh(self, history: Csr, shares: Tensor | None) -> Tensor:
        near = self._similarity(history, None)
        k = min(self.config.n_neighbours, len(near))
        last = near.topk(k, 0).values[-1]
        chosen = (near >= last) & (near > 0)
        weights = torch.where(chosen, near if shares is None else self._similarity(history, shares), 0.0)
        return (product(self._taken, weights) * self._rarity).T

    def state(self) -> dict[str, Tensor]:
        """Return nothing: the interactions are the data's."""
        return {}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the interactions from the data."""
        self._fit(self.data, Session(0, torch.device("cpu")))

    def _similarity(self, history: Csr, shares: Tensor | None) -> Tensor:
        """Return the similarity of all users to the shares of histories, ``(n_users, b)``."""
        shared = product(self._rows, self._rarity * history_columns(history, shares))
        return shared / (self._length * history.counts().float().sqrt() + self.config.shrinkage).clamp(min=1e-12)
