"""The training of an encoder of series by gradient descent, its epoch chosen by the objective on validation windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from distaff.model.base import Session
from distaff.model.distributed import World
from distaff.model.gradient import GradientConfig, train
from distaff.series.blocks import blocks
from distaff.series.contract import SeriesConfig
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide


class GradientSeriesConfig(GradientConfig, SeriesConfig):
    """Settings of every model of series trained by gradient."""


class Pretext(Protocol):
    """A model of series whose encoder :func:`train_encoder` can train.

    Attributes:
        monitor: The validation metric that chooses the epoch.
        device: Where it computes.
    """

    monitor: ClassVar[str]
    device: torch.device

    @property
    def config(self) -> GradientSeriesConfig:
        """The settings."""

    @property
    def network(self) -> nn.Module:
        """The parameters."""

    def length_for(self, data: Series) -> int:
        """Return the rows of a window of some data."""

    def batches(self, data: Series, generator: torch.Generator) -> Iterator[Any]:
        """Yield the mini-batches of one epoch, drawn from ``generator``."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms of the objective on one mini-batch, scalars whose sum is minimised."""

    def optimizer(self) -> torch.optim.Optimizer:
        """Return a fresh optimizer of the parameters."""

    def pretext_loss(self, windows: Windows, block: Tensor) -> Tensor:
        """Return the objective of some of the windows, a mean over them, as the encoder stands."""

    def watched(self, data: Series) -> Mapping[str, float]:
        """Return what else is reported of an encoder at every validation."""

    @classmethod
    def less_is_better(cls, metric: str) -> bool:
        """Tell whether less of a metric is better."""


class PretextObjective:
    """The object of the training loop: a model's network under its pretext.

    Args:
        model: Whose network to train.
        world: The processes of the fit.
    """

    def __init__(self, model: Pretext, world: World) -> None:
        self.network: nn.Module = model.network
        self.world = world
        self.batches, self.losses, self.optimizer = model.batches, model.losses, model.optimizer

    def finalize(self) -> None:
        """Compute nothing: encodings come from the network as it stands."""


def train_encoder(model: Pretext, data: Series, session: Session) -> None:
    """Train a model's network until its pretext stops improving on validation windows; the best parameters stay."""
    train(
        PretextObjective(model, session.world),
        data,
        replace(session, validate=pretext_validator(model, data)),
        model.config.schedule,
        monitor=model.monitor,
        minimize=model.less_is_better(model.monitor),
    )


def pretext_validator(model: Pretext, data: Series) -> Callable[[], Mapping[str, float]] | None:
    """Return a function that computes the objective on validation windows, without labels or heads.

    Random draws are the same each time. None where there are no such windows.
    """
    length = model.length_for(data)
    if not len(slide(data, length, split="valid")):
        return None

    @torch.no_grad()
    def validate() -> Mapping[str, float]:
        windows = slide(data, length, split="valid", device=model.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            total = sum(float(model.pretext_loss(windows, block)) * len(block) for block in blocks(windows))
        return {"pretext": total / len(windows), **model.watched(data)}

    return validate
