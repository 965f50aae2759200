"""Training by gradient descent: the one loop, and what a model that is trained by it implements.

The loop is deterministic on CPU: every epoch draws from its own seeded generator, so a fit resumed at an epoch boundary
continues exactly as if it had never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from distaff.model.base import Epoch, Session
from distaff.model.checkpoints import read_checkpoint, write_checkpoint
from distaff.model.config import ModelConfig, Span
from distaff.model.distributed import World

Validate = Callable[[], Mapping[str, float]]


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

    @property
    def schedule(self) -> Schedule:
        """The length of the training, and how often it is validated."""
        return Schedule(self.max_epochs, self.eval_every, self.patience, self.lr_decay)


@dataclass(frozen=True)
class Schedule:
    """The length of a training; see :class:`GradientConfig` for the fields.

    Attributes:
        first_epoch: Number of epochs before this training, where it is the second of a fit: counted on in the report.
    """

    max_epochs: int
    eval_every: int = 1
    patience: int = 5
    lr_decay: float = 1.0
    first_epoch: int = 0


class Objective(Protocol):
    """The object of the training loop: parameters, batches, losses.

    Attributes:
        world: The processes that share the work; :meth:`losses` are this process' share, and those of all sum to the
            objective.
    """

    world: World

    @property
    def network(self) -> nn.Module:
        """The holder of the parameters."""

    def batches(self, data: Any, generator: torch.Generator) -> Iterator[Any]:
        """Yield the mini-batches of one epoch, drawn from ``generator``."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the terms of the objective on one mini-batch, scalars whose sum is minimised."""

    def finalize(self) -> None:
        """Compute, from the network as it stands, what predictions need."""

    def optimizer(self) -> torch.optim.Optimizer:
        """Return a fresh optimizer of the parameters."""


def train(
    objective: Objective,
    data: object,
    session: Session,
    schedule: Schedule,
    *,
    monitor: str,
    minimize: bool,
    checkpoint: str = "last",
) -> None:
    """Train until validation stops improving or the epochs are over; the best parameters stay in the network.

    Args:
        objective: What to train.
        data: Handed to :meth:`Objective.batches`.
        session: Seed, device, validation, report, and the folder of the checkpoint.
        schedule: How long.
        monitor: The validation metric that chooses the epoch.
        minimize: Whether less of it is better.
        checkpoint: Name of the checkpoint, one for each training of a fit.

    Raises:
        FloatingPointError: A loss is not finite.
    """
    _Training(objective, data, session, schedule, monitor, minimize, checkpoint).run()


class _Training:
    """One training: epochs, validation, early stopping, checkpoints."""

    def __init__(
        self,
        objective: Objective,
        data: object,
        session: Session,
        schedule: Schedule,
        monitor: str,
        minimize: bool,
        checkpoint: str,
    ) -> None:
        self.objective, self.data, self.session, self.world = objective, data, session, session.world
        self.schedule, self.monitor, self.checkpoint = schedule, monitor, checkpoint
        self.sign = -1.0 if minimize else 1.0
        self.optimizer = objective.optimizer()
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.best = _copy(objective.network.state_dict())
        self.epoch, self.best_value, self.bad_validations = 0, -math.inf, 0
        if session.resume:
            self._restore()

    def run(self) -> None:
        validate, last = self.session.validate, self.session.epochs or self.schedule.max_epochs
        while self.epoch < last and self.bad_validations < self.schedule.patience:
            self.epoch += 1
            losses = self._train_epoch()
            due = self.epoch % self.schedule.eval_every == 0 or self.epoch == last
            valid = self._validate(validate) if validate is not None and due else {}
            self.session.report(Epoch(self.schedule.first_epoch + self.epoch, losses, valid))
            if due:
                self._save()
        if validate is not None:
            self.objective.network.load_state_dict(self.best)

    def _train_epoch(self) -> dict[str, float]:
        """Return the mean of every loss over one pass; values stay on the device until its end, unsynchronised."""
        number = self.schedule.first_epoch + self.epoch
        torch.manual_seed(self.session.seed * 1_000_003 + number)
        self.objective.network.train()
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.schedule.lr_decay ** (self.epoch - 1)
        sums: dict[str, Tensor] = {}
        steps = 0
        for batch in self.objective.batches(self.data, self.session.generator(number)):
            losses = self.objective.losses(batch)
            total = torch.stack(list(losses.values())).sum()
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()
            self.world.add_up(self.objective.network.parameters())
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

    def _validate(self, validate: Validate) -> Mapping[str, float]:
        valid: Mapping[str, float] = {}
        value = -math.inf
        if self.world.rank == 0:
            self.objective.network.eval()
            with torch.no_grad():
                self.objective.finalize()
            valid = validate()
            value = self.sign * valid[self.monitor]
        value = self.world.agree(value, self.session.device)
        if value > self.best_value:
            self.best_value, self.bad_validations = value, 0
            self.best = _copy(self.objective.network.state_dict())
        else:
            self.bad_validations += 1
        return valid

    def _save(self) -> None:
        if self.session.folder is None or self.world.rank:
            return
        tensors = {f"network.{k}": v for k, v in self.objective.network.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in state.items()}
        progress = {"epoch": self.epoch, "best_value": self.best_value, "bad_validations": self.bad_validations}
        write_checkpoint(self.session.folder, self.checkpoint, tensors, progress)

    def _restore(self) -> None:
        saved = read_checkpoint(self.session.folder, self.checkpoint) if self.session.folder else None
        if saved is None:
            return
        tensors, progress = saved
        self.objective.network.load_state_dict(_under(tensors, "network."))
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
