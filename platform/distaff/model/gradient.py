"""Models trained by gradient descent, and the loop that trains them.

The loop is deterministic on CPU: every epoch draws from its own seeded generator, so a fit resumed at an epoch boundary
continues exactly as if it had never stopped.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Generic

import torch
from pydantic import Field
from torch import Tensor, nn

from distaff.model import saving as artefacts
from distaff.model.base import D, Epoch, Model, Session
from distaff.model.config import ModelConfig, Span
from distaff.model.distributed import ALONE, World
from distaff.recommenders.base import Recommender
from distaff.series.contract import SeriesConfig
from distaff.series.forecasting import blocks
from distaff.series.model import SeriesModel
from distaff_data.datasets.interactions import Interactions
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide

_CHECKPOINT = "last"


class GradientConfig(ModelConfig):
    """Settings of every model trained by gradient.

    Attributes:
        lr: Adam's learning rate.
        lr_decay: What it is multiplied by after every epoch.
        batch_size: Samples a step.
        max_epochs: Upper limit; the only one when the dataset has no validation split.
        eval_every: Epochs between validations.
        patience: Validations without improvement of the monitored metric before the fit stops.
    """

    lr: Annotated[float, Field(gt=0), Span(1e-4, 1e-2, log=True)] = 1e-3
    lr_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    batch_size: Annotated[int, Field(ge=1)] = 4096
    max_epochs: Annotated[int, Field(ge=1)] = 1000
    eval_every: Annotated[int, Field(ge=1)] = 3
    patience: Annotated[int, Field(ge=1)] = 5


class GradientModel(Model[D], Generic[D]):
    """A model whose parameters live in :attr:`network`.

    Subclasses implement :meth:`build`, :meth:`batches`, :meth:`losses` and :meth:`settle`.

    Attributes:
        monitor: The validation metric that chooses the epoch.
        world: The processes of the fit. Where a model is :attr:`~distaff.model.base.Model.divisible`, its :meth:`losses` are
            this process' share, and those of all processes sum to the objective.
    """

    monitor: ClassVar[str]
    Config: ClassVar[type[ModelConfig]] = GradientConfig
    config: GradientConfig
    network: nn.Module
    world: World = ALONE

    @abstractmethod
    def build(self, data: D, generator: torch.Generator, device: torch.device) -> nn.Module:
        """Make the network on ``device``, initialised from ``generator``, and whatever training needs."""

    @abstractmethod
    def batches(self, data: D, generator: torch.Generator) -> Iterator[Any]:
        """The mini-batches of one epoch, drawn from ``generator``."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The parts of the objective on one mini-batch, scalars whose sum is minimised."""

    @abstractmethod
    def settle(self) -> None:
        """Compute, from the network as it stands, what predictions need."""

    def optimizer(self) -> torch.optim.Optimizer:
        """Adam over all parameters; the fused kernel is about 4 times faster than the default."""
        return torch.optim.Adam(self.network.parameters(), lr=self.config.lr, fused=True)

    def learn(self, data: D, session: Session) -> None:
        """Train until validation stops improving, or for ``max_epochs``; keeps the best parameters."""
        self.world = session.world
        self.network = self.build(data, session.generator(), session.device)
        _Fit(self, data, session).run()
        with torch.no_grad():
            self.settle()


class GradientRecommender(GradientModel[Interactions], Recommender):
    """A recommender trained by gradient; Recall@20 on validation chooses the epoch."""

    monitor = "recall@20"


class GradientSeriesConfig(GradientConfig, SeriesConfig):
    """Settings of every model of series trained by gradient."""


class GradientSeriesModel(SeriesModel, GradientModel[Series]):
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

    def learn_encoder(self, data: Series, session: Session) -> None:
        """The loop of :class:`GradientModel`, validated by :meth:`pretext`."""
        GradientModel.learn(self, data, replace(session, validate=self.pretext(data)))


class _Fit(Generic[D]):
    """One training run: epochs, validation, early stopping, checkpoints."""

    def __init__(self, model: GradientModel[D], data: D, session: Session) -> None:
        self.model, self.data, self.session, self.world = model, data, session, session.world
        self.optimizer = model.optimizer()
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.best = _copy(model.network.state_dict())
        self.epoch, self.best_value, self.bad_validations = 0, -math.inf, 0
        if session.resume:
            self._restore()

    def run(self) -> None:
        config = self.model.config
        validate = self.session.validate
        while self.epoch < config.max_epochs and self.bad_validations < config.patience:
            self.epoch += 1
            losses = self._train_epoch()
            due = self.epoch % config.eval_every == 0 or self.epoch == config.max_epochs
            valid = self._validate() if validate is not None and due else {}
            self.session.report(Epoch(self.epoch, losses, valid))
            if due:
                self._checkpoint()
        if validate is not None:
            self.model.network.load_state_dict(self.best)

    def _train_epoch(self) -> dict[str, float]:
        """One pass; returns the mean of every loss. Values stay on the device until the end: no synchronisation a step."""
        torch.manual_seed(self.session.seed * 1_000_003 + self.epoch)
        self.model.network.train()
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.model.config.lr_decay ** (self.epoch - 1)
        sums: dict[str, Tensor] = {}
        steps = 0
        for batch in self.model.batches(self.data, self.session.generator(self.epoch)):
            losses = self.model.losses(batch)
            total = torch.stack(list(losses.values())).sum()
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()
            self.world.add_up(self.model.network.parameters())
            self.optimizer.step()
            steps += 1
            for name, value in {**losses, "total": total}.items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach()
        means = {name: float(self.world.total(value)) / max(steps, 1) for name, value in sums.items()}
        if not all(map(math.isfinite, means.values())):
            raise FloatingPointError(
                f"the loss is not finite after epoch {self.epoch}: {means}; lower the learning rate"
            )
        return means

    def _validate(self) -> Mapping[str, float]:
        assert self.session.validate is not None
        valid: Mapping[str, float] = {}
        value = -math.inf
        if self.world.rank == 0:
            self.model.network.eval()
            with torch.no_grad():
                self.model.settle()
            valid = self.session.validate()
            monitor = self.model.monitor
            value = -valid[monitor] if self.model.less_is_better(monitor) else valid[monitor]
        value = self.world.agree(value, self.session.device)
        if value > self.best_value:
            self.best_value, self.bad_validations = value, 0
            self.best = _copy(self.model.network.state_dict())
        else:
            self.bad_validations += 1
        return valid

    def _checkpoint(self) -> None:
        if self.session.folder is None or self.world.rank:
            return
        tensors = {f"network.{k}": v for k, v in self.model.network.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in state.items()}
        progress = {"epoch": self.epoch, "best_value": self.best_value, "bad_validations": self.bad_validations}
        artefacts.write_checkpoint(self.session.folder, _CHECKPOINT, tensors, progress)

    def _restore(self) -> None:
        found = artefacts.read_checkpoint(self.session.folder, _CHECKPOINT) if self.session.folder else None
        if found is None:
            return
        tensors, progress = found
        self.model.network.load_state_dict(_under(tensors, "network."))
        self.best = _under(tensors, "best.")
        state = self.optimizer.state_dict()
        for key, value in _under(tensors, "optimizer.").items():
            index, name = key.split(".", 1)
            state["state"].setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict(state)
        self.epoch = int(str(progress["epoch"]))
        self.best_value = float(str(progress["best_value"]))
        self.bad_validations = int(str(progress["bad_validations"]))


def _copy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
