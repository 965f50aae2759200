"""Popularity: everyone gets what is taken most. The floor of every board."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.recommenders.base import Recommender, Unlearned
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions


class Popularity(Recommender):
    """Ranks items by their number of training interactions, the same for everyone."""

    name: ClassVar[str] = "popularity"
    seeded: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def _fit(self, data: Interactions, session: Session) -> None:
        """Count training interactions by item."""
        self._counts = torch.bincount(data.train.indices, minlength=data.n_items).float()

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """Take users out: their interactions go off the counts."""
        self._counts -= torch.bincount(self.data.train.take(users).indices, minlength=self.data.n_items)
        self.bind(self.data.without(users))
        return "downdate"

    def predict(self, users: Tensor) -> Tensor:
        """Return the counts, once for each user."""
        return self._counts.repeat(users.numel(), 1)

    def fold_in(self, history: Csr) -> Tensor:
        """Return the counts, once for each row."""
        return self._counts.repeat(history.n_rows, 1)

    def numbers_per_user(self) -> int:
        """Return 0: nobody is told from anybody."""
        return 0

    def state(self) -> dict[str, Tensor]:
        """Return the counts."""
        return {"counts": self._counts}

    def shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Return a count an item."""
        return {"counts": (self.data.n_items,)}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the counts."""
        self._counts = tensors["counts"]
