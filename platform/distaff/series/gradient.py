"""Models of series whose encoder is trained by gradient descent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff.model.gradient import GradientConfig, Trainable
from distaff.series.blocks import blocks
from distaff.series.contract import SeriesConfig
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide


class GradientSeriesConfig(GradientConfig, SeriesConfig):
    """Settings of every model of series trained by gradient."""


class GradientSeriesModel(SeriesModel, Trainable[Series]):
    """A model of series whose encoder is trained by gradient."""

    Config: ClassVar[type[ModelConfig]] = GradientSeriesConfig
    config: GradientSeriesConfig

    @abstractmethod
    def pretext_loss(self, windows: Windows, block: Tensor) -> Tensor:
        """The objective of some of the windows, a mean over them, as the encoder stands."""

    def watched(self, data: Series) -> Mapping[str, float]:
        """What else is told of an encoder at every validation; nothing here."""
        return {}

    def pretext(self, data: Series) -> Callable[[], Mapping[str, float]] | None:
        """The objective on validation windows, without labels or heads, by which the epoch is chosen.

        Random draws are the same each time. None where there are no such windows.
        """
        length = self.length_for(data)
        if not len(slide(data, length, split="valid")):
            return None

        @torch.no_grad()
        def validate() -> Mapping[str, float]:
            windows = slide(data, length, split="valid", device=self.device)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                total = sum(float(self.pretext_loss(windows, block)) * len(block) for block in blocks(windows))
            return {"pretext": total / len(windows), **self.watched(data)}

        return validate

    def _fit_encoder(self, data: Series, session: Session) -> None:
        self.train(data, replace(session, validate=self.pretext(data)), minimize=self.less_is_better(self.monitor))
