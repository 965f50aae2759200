"""A fitted model as files: a JSON manifest, safetensors and what the model keeps of its data. Nothing is unpickled.

The manifest names the model, its whole configuration, the shape and type of every tensor, the SHA-256 of every other file
and one of itself; loading checks them, and whether what was read fits together. Those of 0.1 have no digest of themselves
and name no shapes. The digests find what was damaged or changed by hand; a signature beside them, where one is asked for,
says who saved the model (:mod:`distaff.model.signing`). The folder is written beside its final place and renamed, so that
it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from distaff.model import signing
from distaff.model.registry import model_class
from distaff_data.atomic import clear_leftovers, unfinished_path
from distaff_data.errors import InputError, first_line

_MANIFEST = "model.json"
_WEIGHTS = "model.safetensors"
_FORMAT = 2  # of the manifest; those before it had no number
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
    temporary = unfinished_path(folder)
    temporary.mkdir(parents=True)
    try:
        tensors = {k: v.detach().cpu().contiguous() for k, v in model.state().items()}
        save_file(tensors, temporary / _WEIGHTS)
        files = (_WEIGHTS, *model.write_data(temporary))
        manifest = {
            "format": _FORMAT,
            "model": model.name,
            "config": model.config.model_dump(mode="json"),
            "dataset": model.data.name,
            "generation": model.data.generation,
            "tensors": {name: _described(tensor) for name, tensor in tensors.items()},
            "sha256": {name: _sha256(temporary / name) for name in files},
        }
        (temporary / _MANIFEST).write_text(json.dumps(manifest | {"digest": _digest(manifest)}, indent=2))
        signing.sign_where_told(temporary / _MANIFEST)
        if folder.exists():
            folder.rename(_old(folder))
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
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
        tensors = load_file(folder / _WEIGHTS)
        _check_tensors(tensors, manifest.get("tensors"))
        model.load_state(tensors)
        model.verify()
    except Exception as error:  # what a foreign file makes a model meet is of any class
        reason = f"{type(error).__name__}: {first_line(error)}"[:200]
        raise InputError(f"the saved model cannot be read: {reason}", path=folder) from error
    return model


def check(folder: Path, *, signed: bool = True) -> dict[str, Any]:
    """Return the manifest of a saved model whose files have the content they were saved with.

    Args:
        folder: The model's.
        signed: Whether one of the trusted keys must have signed it, where there are any.

    Raises:
        InputError: There is none, they have not, or it is signed by nobody who is trusted.
    """
    if not (folder / _MANIFEST).is_file():
        raise InputError("no saved model in this folder", path=folder)
    text = (folder / _MANIFEST).read_bytes()
    if signed:
        signing.check_where_told(folder / _MANIFEST, text)
    try:
        manifest: dict[str, Any] = json.loads(text)
        if "format" in manifest and manifest.get("digest") != _digest(manifest):
            raise InputError("the file was changed since it was saved", path=folder / _MANIFEST)
        others = {file.name for file in folder.iterdir() if file.is_file()} - {_MANIFEST, signing.SIGNATURE}
        if bare := sorted((others | {_WEIGHTS}) - manifest["sha256"].keys()):
            raise InputError("the file has no digest in model.json", path=folder / bare[0])
        for name, digest in manifest["sha256"].items():
            file = folder / Path(name).name
            if not file.is_file() or _sha256(file) != digest:
                raise InputError("the file is missing or was changed since it was saved", path=file)
    except _WRONG as error:
        raise InputError(f"the saved model cannot be read: {type(error).__name__}", path=folder) from error
    return manifest


def sign(folder: Path) -> str:
    """Sign a saved model with the key that the environment names; returns the public key.

    Raises:
        InputError: It names none, or the model's files are not as they were saved.
    """
    check(folder, signed=False)
    if (public := signing.sign_where_told(folder / _MANIFEST)) is None:
        raise InputError(f"name the file of the private key in {signing.SIGNING_KEY}; distaff keygen FILE makes one")
    return public


def _described(tensor: Tensor) -> dict[str, object]:
    """Return the part of the manifest that says what a tensor is."""
    return {"type": str(tensor.dtype), "shape": list(tensor.shape), "finite": bool(torch.isfinite(tensor).all())}


def _check_tensors(tensors: Mapping[str, Tensor], described: Mapping[str, Mapping[str, object]] | None) -> None:
    """Refuse tensors that are not what the manifest says; in a manifest of 0.1 nothing is said.

    Raises:
        ValueError: One is another, or is not finite.
    """
    if described is None:
        return
    if tensors.keys() != described.keys():
        raise ValueError(f"the tensors are {', '.join(sorted(tensors))}, not those of the manifest")
    for name, tensor in tensors.items():
        if _described(tensor) != dict(described[name]):
            raise ValueError(f"tensor {name!r} is {_described(tensor)}, and the manifest says {dict(described[name])}")


def _digest(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its own."""
    text = json.dumps({key: value for key, value in manifest.items() if key != "digest"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
