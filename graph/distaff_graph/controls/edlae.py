"""EDLAE (Steck, NeurIPS 2020): EASE that learns to do without parts of a history, in closed form."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Span
from distaff.recommenders.base import Unlearned
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.ease import EASE, EASEConfig, item_weights, precision


class EDLAEConfig(EASEConfig):
    """Settings of EDLAE.

    Attributes:
        dropout: Share of a history's interactions that are left out at random, on average over all ways to leave out.
    """

    dropout: Annotated[float, Field(ge=0, lt=1), Span(0.0, 0.9)] = 0.3


class EDLAE(EASE):
    """Scores are X B, where B has a zero diagonal and minimises the expectation of |X - D(X) B|^2 plus penalty |B|^2.

    D leaves each interaction out with probability p and divides the rest by 1 - p. The expectation is EASE's loss with a
    penalty of its own for each item, penalty + p / (1 - p) times its number of interactions: popular items, which errors
    hang on most, are held back most.

    Raises:
        UnsupportedError: The catalogue needs more than ``max_gb``; the message gives the estimate.
    """

    name: ClassVar[str] = "edlae"
    Config: ClassVar[type[EDLAEConfig]] = EDLAEConfig
    config: EDLAEConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Invert the items' Gram matrix with each item's penalty, in place."""
        c = self.config
        popularity = np.bincount(data.train.indices.numpy(), minlength=data.n_items)
        penalties = c.penalty + c.dropout / (1.0 - c.dropout) * popularity
        weights = item_weights(data.train, penalties, precision(data.n_items, c.max_gb, self.name))
        self._weights = torch.from_numpy(weights).float()

    def unlearn(self, users: Tensor, seed: int) -> Unlearned:
        """Fit anew without them, since their interactions are part of the penalties."""
        return self.relearn(users, seed)
