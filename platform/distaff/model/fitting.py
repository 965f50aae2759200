"""Fitting a model outside a workspace: device, seeds and validation around :meth:`~distaff.model.base.Model._fit`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from distaff.model import distributed
from distaff.model.base import D, Epoch, Model, Session
from distaff_data.errors import InputError


def pick_device(name: str) -> torch.device:
    """Return the device behind ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: Another name, or CUDA where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise InputError(f"unknown device {name!r}; there are auto, cpu and cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no CUDA device here; use --device cpu or auto")
    return torch.device(name)


def fit(
    model: Model[D],
    data: D,
    *,
    seed: int = 0,
    device: str = "auto",
    report: Callable[[Epoch], None] = lambda _: None,
    folder: Path | None = None,
    resume: bool = False,
    epochs: int | None = None,
) -> None:
    """Fit ``model`` to ``data``; afterwards it predicts and can be saved.

    Args:
        model: A fresh model.
        data: What to fit to.
        seed: Seed of every random draw.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: Called after each epoch of a model trained by gradient.
        folder: Where to keep a checkpoint; None to keep none.
        resume: Continue from the checkpoint in ``folder``.
        epochs: Train so many, chosen before, by a model trained by gradient; as validation says when None.

    Raises:
        InputError: Nothing to train on, a device that is not there, or several processes for a model that has no use for
            them.
    """
    if distributed.world_size() > 1 and not model.divisible:
        raise InputError(f"{model.name} is fitted by one process; start it without torchrun")
    data = model.arranged(data)
    validate = model.validator(data)
    where = pick_device(device)
    world = distributed.join(where)
    if where.type == "cuda":
        # TensorFloat-32 products: the one mixed precision that leaves every loss here within its tolerance.
        torch.set_float32_matmul_precision("high")
    torch.manual_seed(seed)
    model._fit(data, Session(seed, where, validate, report, folder, resume, world, epochs))
    model.bind(data)
