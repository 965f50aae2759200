"""The controls that score by inner products of a user's and an item's vector, and the intents of their columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.ranking.products import Products
from distaff.recommenders.base import Recommender, Unlearned
from distaff.recommenders.intents import Intents, as_shares
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.sparse import history_pattern, product


def sum_rows(history: Csr, table: Tensor) -> Tensor:
    """Return X T, the sum of the rows of ``table`` ``(n_items, d)`` that each history lists, ``(b, d)``."""
    return product(history_pattern(history, table), table)


class InnerProducts(Recommender):
    """Scores are users @ items^T, and a user's vector follows from their interactions and the items' vectors.

    Subclasses implement :meth:`item_vectors` and :meth:`project`; :meth:`_fit` is the one after the other, so that a
    user who comes back as a new one is scored alike.

    Where the K columns mean something one by one, each is an intent: intent k adds users[u, k] items[i, k] to a score, and a
    share counts how much of the scores that is. A user's share of k is the part of sum over items of |summand| that k has,
    and an item's likewise over users. Shares so defined do not change when a column of one table is scaled up and the
    other's down, which says nothing about anybody.

    Attributes:
        columns_are_intents: False where columns are defined only up to a linear map.
    """

    control: ClassVar[bool] = True
    columns_are_intents: ClassVar[bool] = True

    @abstractmethod
    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Fit to ``data.train``; return float32 ``(n_items, K)``."""

    @abstractmethod
    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return users' vectors, float32 ``(b, K)``, from their interactions ``(b, n_items)`` and ``items``."""

    def _fit(self, data: Interactions, session: Session) -> None:
        """Fit the items' vectors, then project everyone."""
        self._items = self.item_vectors(data, session)
        self._users = self.project(data.train, self._items)

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """Fit anew without them."""
        return self.relearn(users, seed)

    def predict(self, users: Tensor) -> Tensor:
        """Return inner products."""
        return self.ranker()(users)

    def ranker(self) -> Products:
        """Return both tables, for the fast ranking of inner products."""
        return Products(self._users, self._items)

    def fold_in(self, history: Csr) -> Tensor:
        """Return inner products of projected vectors."""
        return self.project(history, self._items) @ self._items.T

    def state(self) -> dict[str, Tensor]:
        """Return both tables."""
        return {"users": self._users, "items": self._items}

    def shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Return a row a user and a row an item."""
        return {"users": (self.data.n_users, None), "items": (self.data.n_items, None)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore both tables."""
        self._users, self._items = tensors["users"], tensors["items"]

    def intents(self) -> Intents:
        """Return the shares; see the class."""
        if not self.columns_are_intents:
            return super().intents()
        users, items = self._users.abs(), self._items.abs()
        return Intents.from_loadings(users * items.mean(0), items * users.mean(0))

    def user_mixes(self, users: Tensor) -> Tensor:
        """Return users' shares; the items' tell how much a column of theirs weighs."""
        if not self.columns_are_intents:
            return super().user_mixes(users)
        return as_shares(self._users[users].abs() * self._items.abs().mean(0))

    def intent_scores(self, users: Tensor, intent: int) -> Tensor:
        """Return the summand of one intent; they add up to the score."""
        if not self.columns_are_intents:
            return super().intent_scores(users, intent)
        return torch.outer(self._users[users, intent], self._items[:, intent])

    def all_intent_scores(self, users: Tensor) -> Tensor:
        """Return all summands."""
        if not self.columns_are_intents:
            return super().all_intent_scores(users)
        return self._users[users].unsqueeze(2) * self._items.T
