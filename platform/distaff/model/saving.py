"""A fitted model as files: a JSON manifest, safetensors and what the model keeps of its data. Nothing is unpickled.

The manifest names the model, its whole configuration and the SHA-256 of every other file; loading checks them. The folder
is written beside its final place and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from distaff.model.registry import model_class
from distaff_data.atomic import clear_leftovers, unfinished
from distaff_data.errors import InputError

_MANIFEST = "model.json"
_WEIGHTS = "model.safetensors"
_WRONG = (SafetensorError, pa.ArrowInvalid, KeyError, TypeError, AttributeError, ValueError, OSError, RecursionError)


class Saveable(Protocol):
    """The part of a :class:`~distaff.model.base.Model` that its files hold."""

    config: Any

    @property
    def name(self) -> str:
        """Its registry name."""

    @property
    def data(self) -> Any:
        """The dataset it was fitted to."""

    def state(self) -> dict[str, Tensor]:
        """Return tensors by name."""

    def write_data(self, folder: Path) -> tuple[str, ...]:
        """Write what is kept of the data; return the files' names."""


def save(model: Saveable, folder: Path) -> None:
    """Write a fitted model; an older one in the same place is replaced."""
    tidy(folder)
    part = unfinished(folder)
    part.mkdir(parents=True)
    try:
        save_file({k: v.detach().cpu().contiguous() for k, v in model.state().items()}, part / _WEIGHTS)
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
    shutil.rmtree(_old(folder), ignore_errors=True)
    clear_leftovers(folder)


def _old(folder: Path) -> Path:
    """Return the folder in which an older model waits until the newer one is in its place."""
    return folder.with_name(f".{folder.name}.old")


def load(folder: Path) -> Any:
    """Return the model that :func:`save` wrote.

    Raises:
        InputError: There is none, or a file does not have the content it was saved with.
    """
    manifest = check(folder)
    try:
        model = model_class(manifest["model"])(**manifest["config"])
        model.bind(model.read_data(folder, manifest["dataset"], manifest["generation"]))
        model.load_state(load_file(folder / _WEIGHTS))
    except _WRONG as error:
        raise InputError(f"the saved model cannot be read: {type(error).__name__}", path=folder) from error
    return model


def check(folder: Path) -> dict[str, Any]:
    """Return the manifest of a saved model whose files have the content they were saved with.

    Raises:
        InputError: There is none, or they have not.
    """
    if not (folder / _MANIFEST).is_file():
        raise InputError("no saved model in this folder", path=folder)
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
        for name, digest in manifest["sha256"].items():
            file = folder / Path(name).name
            if not file.is_file() or _sha256(file) != digest:
                raise InputError("the file is missing or was changed since it was saved", path=file)
    except _WRONG as error:
        raise InputError(f"the saved model cannot be read: {type(error).__name__}", path=folder) from error
    return manifest


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
