"""Recommenders that are trained by gradient descent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.model.distributed import ALONE, World
from distaff.model.gradient import GradientConfig, Objective, train
from distaff.recommenders.base import Recommender
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import UnsupportedError


class Trainable(Objective, Protocol):
    """A recommender that is the objective of its own training.

    Attributes:
        monitor: The validation metric that chooses the epoch; more of it is better.
    """

    monitor: ClassVar[str]

    @property
    def config(self) -> GradientConfig:
        """The settings."""


def train_recommender(model: Trainable, data: Interactions, session: Session) -> None:
    """Train a model's network until validation stops improving; the best parameters stay."""
    train(model, data, session, model.config.schedule, monitor=model.monitor, minimize=False)
    with torch.no_grad():
        model.finalize()


def adam(network: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Return Adam over all parameters; the fused kernel is about 4 times faster than the default."""
    return torch.optim.Adam(network.parameters(), lr=lr, fused=True)


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
        """Return Adam over all parameters."""
        return adam(self.network, self.config.lr)

    @property
    def trained(self) -> Any:
        """The network, of a model that was fitted in this process.

        Raises:
            UnsupportedError: The model was loaded: files keep what predictions need, which is less.
        """
        network = getattr(self, "network", None)
        if network is None:
            raise UnsupportedError(f"this {self.name} was loaded, and its network is not kept; fit it here for that")
        return network

    def _fit(self, data: Interactions, session: Session) -> None:
        self.world = session.world
        self.network = self.build(data, session.generator(), session.device)
        train_recommender(self, data, session)
