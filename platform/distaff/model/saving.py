"""A fitted model as files: a JSON manifest, safetensors and what the model keeps of its data. Nothing is unpickled.

The manifest names the model, its whole configuration and the SHA-256 of every other file; loading checks them. The folder
is written beside its final place and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff.model.base import Model

_MANIFEST = "model.json"
_WEIGHTS = "model.safetensors"


def save(model: Model[Any], folder: Path) -> None:
    """Write a fitted model; an older one in the same place is replaced."""
    tidy(folder)
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    part.mkdir(parents=True)
    try:
        save_file({k: v.detach().cpu().contiguous() for k, v in model.tensors().items()}, part / _WEIGHTS)
        files = (_WEIGHTS, *model.write_data(part))
        manifest = {
            "model": model.name,
            "config": model.config.model_dump(mode="json"),
            "dataset": model.data.name,
            "generation": model.data.generation,
            "sha256": {name: _sha256(part / name) for name in files},
        }
        (part / _MANIFEST).write_text(json.dumps(manifest, indent=2))
        if folder.exists():
            folder.rename(_old(folder))
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(_old(folder), ignore_errors=True)


def tidy(folder: Path) -> None:
    """Put things right that a process left which was killed while it replaced the model in a folder."""
    if _old(folder).exists() and not folder.exists():
        _old(folder).rename(folder)
    for left in (_old(folder), *folder.parent.glob(f".{folder.name}.*.part")):
        shutil.rmtree(left, ignore_errors=True)


def _old(folder: Path) -> Path:
    """Where an older model waits until the newer one is in its place."""
    return folder.with_name(f".{folder.name}.old")


def load(folder: Path) -> Model[Any]:
    """Read a model that :func:`save` wrote.

    Raises:
        InputError: There is none, or a file does not have the content it was saved with.
    """
    from distaff.model.registry import model_class

    if not (folder / _MANIFEST).is_file():
        raise InputError("no saved model in this folder", path=folder)
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        for name, digest in manifest["sha256"].items():
            file = folder / Path(name).name
            if not file.is_file() or _sha256(file) != digest:
                raise InputError("the file is missing or was changed since it was saved", path=file)
        model = model_class(manifest["model"])(**manifest["config"])
        model.bind(model.read_data(folder, manifest["dataset"], manifest["generation"]))
        model.restore(load_file(folder / _WEIGHTS))
    except (SafetensorError, pa.ArrowInvalid, KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        raise InputError(f"the saved model cannot be read: {type(error).__name__}", path=folder) from error
    return model


def write_checkpoint(folder: Path, name: str, tensors: Mapping[str, torch.Tensor], state: Mapping[str, object]) -> None:
    """Write tensors and a JSON state as one file that replaces the older one at once."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.{uuid.uuid4().hex[:8]}.part"
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part, {"state": json.dumps(dict(state))})
    part.replace(folder / f"{name}.safetensors")


def read_checkpoint(folder: Path, name: str) -> tuple[dict[str, torch.Tensor], dict[str, object]] | None:
    """Read what :func:`write_checkpoint` wrote; None when there is none."""
    from safetensors import safe_open

    file = folder / f"{name}.safetensors"
    if not file.is_file():
        return None
    try:
        with safe_open(file, "pt") as opened:
            state: dict[str, object] = json.loads(opened.metadata()["state"])
            return {key: opened.get_tensor(key) for key in opened.keys()}, state  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise InputError("the checkpoint cannot be read; train anew", path=file) from None


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
