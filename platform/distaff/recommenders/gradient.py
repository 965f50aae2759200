"""Recommenders that are trained by gradient descent."""

from __future__ import annotations

from typing import ClassVar

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.model.gradient import GradientConfig, Trainable
from distaff.recommenders.base import Recommender
from distaff_data.datasets.interactions import Interactions


class GradientRecommender(Recommender, Trainable[Interactions]):
    """A recommender trained by gradient; Recall@20 on validation chooses the epoch."""

    monitor: ClassVar[str] = "recall@20"
    Config: ClassVar[type[ModelConfig]] = GradientConfig
    config: GradientConfig

    def _fit(self, data: Interactions, session: Session) -> None:
        self.train(data, session, minimize=False)
