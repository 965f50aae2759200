"""Checkpoints of a fit: tensors and a JSON state in one safetensors file that replaces the older one at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from distaff_data.atomic import replacing
from distaff_data.errors import InputError


def write_checkpoint(folder: Path, name: str, tensors: Mapping[str, torch.Tensor], state: Mapping[str, object]) -> None:
    """Write tensors and a JSON state as one file that replaces the older one at once."""
    folder.mkdir(parents=True, exist_ok=True)
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(folder / f"{name}.safetensors") as temporary:
        save_file(on_cpu, temporary, {"state": json.dumps(dict(state))})


def read_checkpoint(folder: Path, name: str) -> tuple[dict[str, torch.Tensor], dict[str, object]] | None:
    """Read what :func:`write_checkpoint` wrote; None when there is none."""
    file = folder / f"{name}.safetensors"
    if not file.is_file():
        return None
    try:
        with safe_open(file, "pt") as opened:
            state: dict[str, object] = json.loads(opened.metadata()["state"])
            return {key: opened.get_tensor(key) for key in opened.keys()}, state  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise InputError("the checkpoint cannot be read; train anew", path=file) from None
