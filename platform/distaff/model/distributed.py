"""Training by several processes at once, started by ``torchrun``: each works on its share of every mini-batch.

All draw the same mini-batches and hold the same parameters; the gradients of their shares are added up before each step,
so that a fit is what one process would have found, up to the order in which numbers are added.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class World:
    """The processes of a fit, and which of them this is.

    Attributes:
        rank: This process; 0 is the one that validates, reports and writes.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    def part(self, n: int) -> slice:
        """Return this process' share of ``n`` things."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def add_up(self, parameters: Iterable[Tensor]) -> None:
        """Replace the gradient of each parameter by the sum over processes; one that a share does not touch counts 0."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def agree(self, value: float, device: torch.device) -> float:
        """Return the value of process 0, in every process."""
        if self.size == 1:
            return value
        agreed = torch.tensor([value], dtype=torch.float32 if device.type == "cuda" else torch.float64, device=device)
        dist.broadcast(agreed, 0)
        return float(agreed)


ALONE = World()


def world_size() -> int:
    """Return the number of processes that ``torchrun`` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process among them."""
    return int(os.environ.get("RANK", "0")) if world_size() > 1 else 0


def join(device: torch.device) -> World:
    """Meet the other processes: through NCCL on GPUs, each with its own, and through Gloo on CPUs."""
    if world_size() == 1:
        return ALONE
    if not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return World(dist.get_rank(), dist.get_world_size())


def leave(status: int = 0) -> None:
    """Leave the others at the end of the program, and end it, if there are others.

    The process ends without taking its interpreter down: a thread of Gloo that lets go of its last tensor meanwhile would
    abort it, and the fit would count as failed (pytorch/pytorch#179291).
    """
    if not dist.is_initialized():
        return
    dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
