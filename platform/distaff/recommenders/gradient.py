"""Recommenders that are trained by gradient descent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.model.distributed import ALONE, World
from distaff.model.gradient import GradientConfig, train
from distaff.recommenders.base import Recommender
from distaff_data.datasets.interactions import Interactions


class GradientRecommender(Recommender):
    """A recommender trained by gradient; Recall@20 on validation chooses the epoch.

    It is the :class:`~distaff.model.gradient.Objective` of its own training.

    Attributes:
        monitor: The validation metric that chooses the epoch.
        network: Holds the parameters, from :meth:`build` on.
        world: The processes of the fit; see :class:`~distaff.model.gradient.Objective`.
    """

    monitor: ClassVar[str] = "recall@20"
    Config: ClassVar[type[ModelConfig]] = GradientConfig
    config: GradientConfig
    network: nn.Module
    world: World = ALONE

    @abstractmethod
    def build(self, data: Interactions, generator: torch.Generator, device: torch.device) -> nn.Module:
        """Return the network on ``device``, initialised from ``generator``, and prepare whatever training needs."""

    @abstractmethod
    def batches(self, data: Interactions, generator: torch.Generator) -> Iterator[Any]:
        """Yield the mini-batches of one epoch, drawn from ``generator``."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms of the objective on one mini-batch, scalars whose sum is minimised."""

    @abstractmethod
    def finalize(self) -> None:
        """Compute, from the network as it stands, what predictions need."""

    def optimizer(self) -> torch.optim.Optimizer:
        """Return Adam over all parameters; the fused kernel is about 4 times faster than the default."""
        return torch.optim.Adam(self.network.parameters(), lr=self.config.lr, fused=True)

    def _fit(self, data: Interactions, session: Session) -> None:
        """Build the network and train it until validation stops improving; the best parameters stay."""
        self.world = session.world
        self.network = self.build(data, session.generator(), session.device)
        train(self, data, session, self.config.schedule, monitor=self.monitor, minimize=False)
        with torch.no_grad():
            self.finalize()
