"""Intents: what users' and items' shares of a model's factors are, and their frames."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import torch
from torch import Tensor

from distaff_data.frames import Kind, as_kind


@dataclass(frozen=True)
class Intents:
    """Non-negative shares of K intents; every row sums to 1.

    Attributes:
        users: A user's mix, float32 ``(n_users, K)``.
        items: An item's mix, float32 ``(n_items, K)``.
    """

    users: Tensor
    items: Tensor

    @property
    def n_intents(self) -> int:
        """K, the number of factors."""
        return self.users.shape[1]

    @classmethod
    def from_loadings(cls, users: Tensor, items: Tensor) -> Intents:
        """Normalise non-negative loadings by row; an all-zero row becomes uniform."""
        return cls(as_shares(users), as_shares(items))


@dataclass(frozen=True)
class Factors(Intents):
    """A model's intents with the ids that their rows are of.

    Attributes:
        user_ids: Own id of each row of ``users``.
        item_ids: Own id of each row of ``items``.
        kind: The kind of frame that the methods give.
    """

    user_ids: pa.StringArray
    item_ids: pa.StringArray
    kind: Kind = "polars"

    def user_frame(self) -> pl.DataFrame:
        """Return each user's mix: ``user_id`` and a column for each factor, ``factor_0`` to ``factor_{K - 1}``."""
        return self._frame("user_id", self.user_ids, self.users)

    def item_frame(self) -> pl.DataFrame:
        """Return each item's mix: ``item_id`` and a column for each factor, ``factor_0`` to ``factor_{K - 1}``."""
        return self._frame("item_id", self.item_ids, self.items)

    def __repr__(self) -> str:
        return f"Factors({self.n_intents} factors of {len(self.user_ids)} users and {len(self.item_ids)} items)"

    def _frame(self, name: str, ids: pa.StringArray, shares: Tensor) -> pl.DataFrame:
        columns = {f"factor_{k}": shares[:, k].numpy(force=True) for k in range(self.n_intents)}
        frame: pl.DataFrame = as_kind(pl.DataFrame({name: ids, **columns}), self.kind)
        return frame


def as_shares(loadings: Tensor) -> Tensor:
    """Return non-negative loadings ``(n, K)`` as shares of their row's sum; a row of zeros becomes uniform."""
    total = loadings.sum(1, keepdim=True)
    uniform = torch.full_like(loadings, 1.0 / max(loadings.shape[1], 1))
    return torch.where(total > 0, loadings / total.clamp(min=torch.finfo(loadings.dtype).tiny), uniform)
