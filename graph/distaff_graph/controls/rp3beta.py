"""P3alpha (Cooper et al., WWW 2014) and RP3beta (Paudel et al., TiiS 2016): short random walks from a history's items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig, Span
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.linear import LinearRecommender, Walk, history_columns


class RP3BetaConfig(ModelConfig):
    """Settings of RP3beta.

    Attributes:
        alpha: Power of the steps' probabilities; 1 walks at random.
        beta: Power of the popularity that scores are divided by; 0 gives P3alpha.
    """

    alpha: Annotated[float, Field(ge=0), Span(0.2, 2.0)] = 1.0
    beta: Annotated[float, Field(ge=0), Span(0.0, 1.0)] = 0.5


class RP3Beta(LinearRecommender):
    """Scores are how often a walk from a random item of the history, over a user of it, ends at an item.

    Steps are taken with probabilities to the power alpha, and an item's score is divided by its number of interactions to
    the power beta. All walks count, where the authors' code keeps the most frequent ends of each item.
    """

    name: ClassVar[str] = "rp3beta"
    seeded: ClassVar[bool] = False
    Config: ClassVar[type[ModelConfig]] = RP3BetaConfig
    config: RP3BetaConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        """Keep the interactions, which are all that it needs."""
        c = self.config
        self._walk = Walk(data.train, entering=c.alpha, users=c.alpha, leaving=c.beta)

    def weigh(self, history: Csr, shares: Tensor | None = None) -> Tensor:
        """Return where walks end."""
        return self._walk(history_columns(history, shares)).T.contiguous()

    def state(self) -> dict[str, Tensor]:
        """Return nothing: the interactions are the data's."""
        return {}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the interactions from the data."""
        self._fit(self.data, Session(0, torch.device("cpu")))
